package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"tfos/internal/model"
)

// TestMain makes of the test binary a program that saves checkpoints, if
// TFOS_CHECKPOINT_SAVER is set. scripts/tests/test_checkpoint_folders.py reads them with
// TensorFlow.
func TestMain(m *testing.M) {
	if setup := os.Getenv("TFOS_CHECKPOINT_SAVER"); setup != "" {
		if err := saveCopies([]byte(setup)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// saveCopies saves copies of checkpoints, and prints the prefix of the newest.
func saveCopies(setup []byte) error {
	var job struct {
		Dir, Graph string
		Tags       []string
		Keep       int
		Saves      []struct {
			Step  int64
			Files map[string]string // suffix -> path
		}
	}
	if err := json.Unmarshal(setup, &job); err != nil {
		return err
	}
	meta, err := model.MetaFile(job.Graph, job.Tags)
	if err != nil {
		return err
	}
	c, err := OpenCheckpoints(job.Dir, job.Keep, meta)
	if err != nil {
		return err
	}
	for _, s := range job.Saves {
		_, err := c.Save(s.Step, func(prefix string) (err error) {
			for suffix, path := range s.Files {
				content, readErr := os.ReadFile(path)
				err = errors.Join(err, readErr, os.WriteFile(prefix+suffix, content, 0o600))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	at, _, passedOver, err := Newest(job.Dir)
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(map[string]any{"newest": at, "passed_over": passedOver}))
}
