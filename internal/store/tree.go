package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// tree is what patterns need of a store. Paths are those of a caller without the scheme;
// "" is the current folder.
type tree interface {
	// stat describes a file or folder. The error of an absent path is fs.ErrNotExist.
	stat(ctx context.Context, path string) (fs.FileInfo, error)
	// readDir lists a folder, in any order.
	readDir(ctx context.Context, path string) ([]fs.DirEntry, error)
}

// localTree is the machine's own file system.
type localTree struct{}

func (localTree) stat(_ context.Context, path string) (fs.FileInfo, error) {
	info, err := os.Stat(orDefault(path, "."))
	if err != nil {
		return nil, fmt.Errorf("store: list: %w", err)
	}
	return info, nil
}

func (localTree) readDir(_ context.Context, path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(orDefault(path, "."))
	if err != nil {
		return nil, fmt.Errorf("store: list: %w", err)
	}
	return entries, nil
}
