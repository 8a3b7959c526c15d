package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// List implements Store. It follows links. A folder that contains itself through a
// link is an error.
func (s Local) List(ctx context.Context, pattern string) ([]Info, error) {
	return listMatches(ctx, s, pattern, func(match Info, see func(Info)) error {
		return walk(ctx, match.Path, func(path string, info fs.FileInfo, _ bool) error {
			if info.Mode().IsRegular() {
				see(entry(path, info))
			}
			return nil
		})
	})
}

// listMatches is Store.List. below calls see for the data files of one match: those below a
// folder, or the file itself.
func listMatches(ctx context.Context, s Store, pattern string, below func(match Info, see func(Info)) error) ([]Info, error) {
	matches, err := s.Match(ctx, pattern)
	if err != nil {
		return nil, err
	}
	var found []Info
	for _, match := range matches {
		if err := below(match, func(file Info) { found = append(found, file) }); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(found, func(a, b Info) bool { return a.Path == b.Path }), nil
}

// visitor is called for each file or folder of a walk. linked: path itself is a link,
// or the start of the walk.
type visitor func(path string, info fs.FileInfo, linked bool) error

// walk visits path and everything under it, except hidden names.
func walk(ctx context.Context, path string, see visitor) error {
	info, err := os.Stat(localPath(path))
	if err != nil {
		return fmt.Errorf("store: list: %w", err)
	}
	return walkBelow(ctx, path, info, true, nil, see)
}

// walkBelow is walk for a path whose info is known. above are the folders above it that
// the walk has visited.
func walkBelow(ctx context.Context, path string, info fs.FileInfo, linked bool, above []fs.FileInfo, see visitor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := see(path, info, linked); err != nil || !info.IsDir() {
		return err
	}
	if err := acyclic(path, info, above); err != nil {
		return fmt.Errorf("store: list %w", err)
	}
	entries, err := os.ReadDir(localPath(path))
	if err != nil {
		return fmt.Errorf("store: list: %w", err)
	}
	above = append(above[:len(above):len(above)], info)
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		child := joinPath(path, e.Name())
		info, err := os.Stat(localPath(child))
		if err != nil {
			return fmt.Errorf("store: list: %w", err)
		}
		if err := walkBelow(ctx, child, info, e.Type()&fs.ModeSymlink != 0, above, see); err != nil {
			return err
		}
	}
	return nil
}

// acyclic returns an error if a folder is the same as one of those above it.
func acyclic(path string, info fs.FileInfo, above []fs.FileInfo) error {
	for _, folder := range above {
		if os.SameFile(folder, info) {
			return fmt.Errorf("%s: the folder contains itself through a link", path)
		}
	}
	return nil
}
