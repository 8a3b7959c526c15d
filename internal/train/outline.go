package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"tfos/internal/store"
)

// Outline makes what a check of a checkpoint needs: its index, and data files that have
// their sizes and no bytes. local is their prefix on this machine; prefix itself if it is
// on this machine already. The caller calls remove, which deletes the outline.
func Outline(ctx context.Context, prefix string) (local string, remove func(), err error) {
	remove = func() {}
	s, err := store.For(prefix)
	if err != nil {
		return "", remove, fmt.Errorf("train: %w", err)
	}
	if _, here := s.(store.Local); here {
		return prefix, remove, nil
	}
	dir, err := os.MkdirTemp("", "tfos-outline-")
	if err != nil {
		return "", remove, fmt.Errorf("train: a folder for a checkpoint's outline: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) } // in the folder for temporary files
	local = filepath.Join(dir, path.Base(prefix))
	if err := outline(ctx, s, prefix, local); err != nil {
		remove()
		return "", func() {}, fmt.Errorf("train: look at checkpoint %s: %w", prefix, err)
	}
	return local, remove, nil
}

func outline(ctx context.Context, s store.Store, prefix, local string) error {
	from, err := s.Open(ctx, prefix+".index")
	if err != nil {
		return err
	}
	content, err := io.ReadAll(from)
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(local+".index", content, 0o600); err != nil {
		return err
	}
	data, err := s.Match(ctx, store.Literal(prefix)+".data-*")
	for _, file := range data {
		name := filepath.Join(filepath.Dir(local), path.Base(file.Path))
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, file.Size)); err != nil {
			return err
		}
	}
	return err
}
