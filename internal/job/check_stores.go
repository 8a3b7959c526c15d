package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tfos/internal/store"
)

// found is what is at the path of an output.
type found struct {
	file   bool // a regular file, and no link
	folder bool // or a link
	marked bool // it has one of the marks of a complete output
	empty  bool // a folder with nothing in it
}

// lookAt looks at the path of an output, on this machine or on a store. If nothing is
// there, the error wraps fs.ErrNotExist.
func lookAt(ctx context.Context, path string, marks ...string) (found, error) {
	if IsURL(path) {
		return lookAtStore(ctx, path, marks)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return found{}, err
	}
	f := found{file: info.Mode().IsRegular(), folder: info.IsDir() || info.Mode()&fs.ModeSymlink != 0, marked: marked(ctx, path, marks...)}
	entries, err := os.ReadDir(path)
	f.empty = err == nil && len(entries) == 0
	return f, nil
}

func lookAtStore(ctx context.Context, path string, marks []string) (found, error) {
	st, err := store.For(path)
	if err != nil {
		return found{}, err
	}
	info, err := st.Stat(ctx, path)
	if err != nil {
		return found{}, err
	}
	f := found{file: !info.Dir, folder: info.Dir, marked: marked(ctx, path, marks...)}
	if info.Dir && !f.marked {
		entries, err := st.Match(ctx, store.Join(store.Literal(path), "{*,.*,_*}"))
		if err != nil {
			return found{}, err
		}
		f.empty = len(entries) == 0
	}
	return f, nil
}

// marked tells whether a folder has one of the marks of a complete output.
func marked(ctx context.Context, folder string, marks ...string) bool {
	return slices.ContainsFunc(marks, func(mark string) bool {
		if !IsURL(folder) {
			_, err := os.Stat(filepath.Join(folder, mark))
			return err == nil
		}
		st, err := store.For(folder)
		if err != nil {
			return false
		}
		_, err = st.Stat(ctx, store.Join(folder, mark))
		return err == nil
	})
}

// reason is an error of a look at a path, without the path of a local one.
func reason(err error) error {
	var local *fs.PathError
	if errors.As(err, &local) {
		return local.Err
	}
	return err
}

// interrupted tells whether an earlier run was killed while it published an output on a
// store. This run finishes that first, and then looks at what is there.
func (s *Spec) interrupted(ctx context.Context, path string) bool {
	if !IsURL(path) {
		return false
	}
	st, err := store.For(path)
	if err != nil {
		return false
	}
	begun, err := store.Interrupted(ctx, st, path)
	return err == nil && begun
}
