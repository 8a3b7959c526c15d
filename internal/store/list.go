package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List implements Store. Links are followed; a folder that contains itself
// through one is an error.
func (s Local) List(ctx context.Context, pattern string) ([]Info, error) {
	found, err := s.list(ctx, pattern)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(found, func(a, b Info) bool { return a.Path == b.Path }), nil
}

func (s Local) list(ctx context.Context, pattern string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	prefix := pattern[:len(pattern)-len(local(pattern))]
	info, err := os.Stat(local(pattern))
	switch {
	case err == nil:
		return walk(ctx, nil, strings.TrimSuffix(pattern, "/"), info, nil)
	case !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(pattern, "*?["):
		return nil, fmt.Errorf("store: list: %w", err)
	}
	matches, err := filepath.Glob(local(pattern))
	if err != nil {
		return nil, fmt.Errorf("store: list %s: %w", pattern, err)
	}
	var found []Info
	for _, match := range matches {
		if hidden(filepath.Base(match)) {
			continue
		}
		info, err := os.Stat(match)
		if err != nil {
			return nil, fmt.Errorf("store: list %s: %w", pattern, err)
		}
		if found, err = walk(ctx, found, prefix+match, info, nil); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// walk appends path, or the data files under it. above are the folders on the
// way to it.
func walk(ctx context.Context, found []Info, path string, info fs.FileInfo, above []fs.FileInfo) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		return append(found, entry(path, info)), nil
	}
	if !info.IsDir() {
		return found, nil
	}
	for _, folder := range above {
		if os.SameFile(folder, info) {
			return nil, fmt.Errorf("store: list %s: the folder contains itself through a link", path)
		}
	}
	entries, err := os.ReadDir(local(path))
	if err != nil {
		return nil, fmt.Errorf("store: list: %w", err)
	}
	above = append(above[:len(above):len(above)], info)
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		child := strings.TrimSuffix(path, "/") + "/" + e.Name()
		info, err := os.Stat(local(child))
		if err != nil {
			return nil, fmt.Errorf("store: list: %w", err)
		}
		if found, err = walk(ctx, found, child, info, above); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// hidden says that a name is no data, as Hadoop's input formats have it.
func hidden(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")
}
