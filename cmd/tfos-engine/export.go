package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tfos/internal/engine"
	"tfos/internal/export"
	"tfos/internal/model"
)

// export proves the SavedModel that tfos-node writes meanwhile, with TensorFlow.
func (w *worker) export(ctx context.Context) error {
	var req export.Request
	if err := json.Unmarshal(w.member.Context().Work, &req); err != nil {
		return fmt.Errorf("decode the work: %w", err)
	}
	if err := engine.LoadLibraries(w.libraries); err != nil {
		return err
	}
	load := func(ctx context.Context, program *model.Program) (export.Model, error) {
		return engine.Load(ctx, program, req.Threads)
	}
	if err := w.enter(export.Exporting); err != nil {
		return err
	}
	written, err := export.AwaitWritten(ctx, &req)
	if err != nil {
		return err
	}
	if err := w.enter(export.Proving); err != nil {
		return err
	}
	result, err := export.Prove(ctx, &req, written, load)
	if err != nil {
		return err
	}
	return w.member.Result(result)
}
