package store

import (
	"context"
	"errors"
	"os"
	"testing"
)

// faultyStore is a store whose disk is full.
type faultyStore struct{ Local }

var errFull = errors.New("no space left")

func (s faultyStore) Create(ctx context.Context, path string) (File, error) {
	file, err := s.Local.Create(ctx, path)
	return faultyFile{file}, err
}

type faultyFile struct{ File }

func (faultyFile) Write([]byte) (int, error) { return 0, errFull }

// TestWriteFile: the file is complete or absent.
func TestWriteFile(t *testing.T) {
	folder := t.TempDir()
	for _, text := range []string{"first", "again"} {
		if err := WriteFile(t.Context(), Local{}, folder+"/a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, Local{}, folder+"/a"); got != text {
			t.Errorf("content %q, want %q", got, text)
		}
	}
	if err := WriteFile(t.Context(), faultyStore{}, folder+"/b", []byte("text")); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}
