package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// withTemporary calls use with the prefix of a checkpoint in a folder that is deleted
// afterwards.
func withTemporary(use func(prefix string) error) error {
	dir, err := os.MkdirTemp("", "tfos-checkpoint-")
	if err != nil {
		return fmt.Errorf("train: a folder for the last checkpoint: %w", err)
	}
	return errors.Join(use(filepath.Join(dir, "ckpt")), os.RemoveAll(dir))
}
