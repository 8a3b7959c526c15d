package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// List implements Store. Links are followed; a folder that contains itself
// through one is an error.
func (s Local) List(ctx context.Context, pattern string) ([]Info, error) {
	matches, err := s.Match(ctx, pattern)
	if err != nil {
		return nil, err
	}
	var found []Info
	for _, match := range matches {
		err := walk(ctx, match.Path, func(path string, info fs.FileInfo, _ bool) error {
			if info.Mode().IsRegular() {
				found = append(found, entry(path, info))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(found, func(a, b Info) bool { return a.Path == b.Path }), nil
}

// visit is told of a file or folder; linked: its own name is a link.
type visit func(path string, info fs.FileInfo, linked bool) error

// walk visits path and what is under it, but for hidden names.
func walk(ctx context.Context, path string, see visit) error {
	info, err := os.Stat(local(path))
	if err != nil {
		return fmt.Errorf("store: list: %w", err)
	}
	return below(ctx, path, info, true, nil, see)
}

// below visits path and what is under it; above are the folders on the way to it.
func below(ctx context.Context, path string, info fs.FileInfo, linked bool, above []fs.FileInfo, see visit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := see(path, info, linked); err != nil || !info.IsDir() {
		return err
	}
	if err := acyclic(path, info, above); err != nil {
		return fmt.Errorf("store: list %w", err)
	}
	entries, err := os.ReadDir(local(path))
	if err != nil {
		return fmt.Errorf("store: list: %w", err)
	}
	above = append(above[:len(above):len(above)], info)
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		child := under(path, e.Name())
		info, err := os.Stat(local(child))
		if err != nil {
			return fmt.Errorf("store: list: %w", err)
		}
		if err := below(ctx, child, info, e.Type()&fs.ModeSymlink != 0, above, see); err != nil {
			return err
		}
	}
	return nil
}

// acyclic refuses a folder that is one of those above it.
func acyclic(path string, info fs.FileInfo, above []fs.FileInfo) error {
	for _, folder := range above {
		if os.SameFile(folder, info) {
			return fmt.Errorf("%s: the folder contains itself through a link", path)
		}
	}
	return nil
}
