package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tfos/internal/store"
)

// WriteBeside is Write for another process than that which proves the export, so that
// TensorFlow starts at the same time. Its result goes into the file req.Written, for
// which Run waits.
func WriteBeside(ctx context.Context, req *Request) error {
	written, err := Write(ctx, req)
	if err != nil {
		return err
	}
	content, err := json.Marshal(written)
	if err == nil {
		err = store.WriteFile(ctx, store.Local{}, req.Written, content)
	}
	if err != nil {
		return fmt.Errorf("export: say what is written: %w", err)
	}
	return nil
}

// writtenTime is the time between two looks for what WriteBeside says. It is far less than
// TensorFlow's start, which mostly takes longer than the writing.
const writtenTime = 5 * time.Millisecond

// awaitWritten waits for the result of WriteBeside. If the writing fails, its process ends
// this one.
func awaitWritten(ctx context.Context, req *Request) (w Written, err error) {
	for {
		content, err := os.ReadFile(req.Written)
		switch {
		case err == nil:
			if err := json.Unmarshal(content, &w); err != nil {
				return w, fmt.Errorf("export: read what is written: %w", err)
			}
			return w, nil
		case !errors.Is(err, fs.ErrNotExist):
			return w, fmt.Errorf("export: read what is written: %w", err)
		}
		select {
		case <-ctx.Done():
			return w, context.Cause(ctx)
		case <-time.After(writtenTime):
		}
	}
}
