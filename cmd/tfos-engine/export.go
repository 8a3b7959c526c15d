package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tfos/internal/engine"
	"tfos/internal/export"
	"tfos/internal/model"
)

// export makes a SavedModel, or takes what tfos-node writes meanwhile, and proves it with
// TensorFlow.
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
	result, err := export.Run(ctx, &req, load, w.enter)
	if err != nil {
		return err
	}
	return w.member.Result(result)
}
