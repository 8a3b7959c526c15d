package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"tfos/internal/store"
)

// stopFile is the file in model_dir by which the evaluator tells the chief that the
// training shall stop.
const stopFile = "early_stopping.json"

// stopNote is the content of the file. Runs do not take notice of another run's.
type stopNote struct {
	Run  string `json:"run"`
	Step int64  `json:"step"` // of the checkpoint after which the evaluator decided
}

// WantStop writes the file.
func WantStop(ctx context.Context, dir, run string, step int64) error {
	s, err := store.For(dir)
	if err != nil {
		return fmt.Errorf("train: model_dir: %w", err)
	}
	text, err := json.Marshal(stopNote{run, step})
	if err != nil {
		return fmt.Errorf("train: %s: %w", stopFile, err)
	}
	if err := store.WriteFile(ctx, s, dir+"/"+stopFile, text); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// StopWanted tells whether this run's evaluator has written the file.
func StopWanted(ctx context.Context, dir, run string) (bool, error) {
	s, err := store.For(dir)
	if err != nil {
		return false, fmt.Errorf("train: model_dir: %w", err)
	}
	file, err := s.Open(ctx, dir+"/"+stopFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("train: %w", err)
	}
	defer file.Close()
	var note stopNote
	if err := json.NewDecoder(file).Decode(&note); err != nil {
		return false, fmt.Errorf("train: %s/%s: %w", dir, stopFile, err)
	}
	return note.Run == run, nil
}
