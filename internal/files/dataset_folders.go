package files

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"tfos/internal/store"
)

// Listing is what Spark is given in the place of a path.
type Listing struct {
	Paths []string `json:"paths"`
	// Flat says that folders' names have no columns: Spark then reads files at every
	// depth only if it is told to, and leaves those below others out.
	Flat bool `json:"flat"`
}

// ListFor lists the files and folders that a path names, for Spark to read. With
// columns Spark would take columns from folders' names, and leave out files that
// are in no such folder: that is an error.
func ListFor(ctx context.Context, path string, options map[string]string, columns bool) (Listing, error) {
	found, err := list(ctx, path)
	if err != nil {
		return Listing{}, err
	}
	d := &Dataset{files: found, O: ReadOptions{Options: options}}
	roots, err := rootsOf(ctx, path)
	if err == nil && columns {
		err = d.lookAtFolders(roots)
	}
	l := Listing{Flat: columns && len(d.in.fields) == 0}
	for _, root := range roots {
		l.Paths = append(l.Paths, root.Path)
	}
	return l, err
}

// rootsOf are what path names.
func rootsOf(ctx context.Context, path string) ([]store.Info, error) {
	st, err := store.For(path)
	if err != nil {
		return nil, err
	}
	roots, err := st.Match(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return roots, nil
}

// lookAtFolders finds the columns in the names of the files' folders, and takes
// from the options what is said of them.
func (d *Dataset) lookAtFolders(roots []store.Info) (err error) {
	base := ""
	d.O.Options = maps.Clone(d.O.Options)
	for name, value := range d.O.Options {
		if strings.EqualFold(name, basePathOption) {
			base = value
			delete(d.O.Options, name)
		}
	}
	if d.in, err = findFolders(roots, d.files, base, d.O.Folders); err != nil {
		return err
	}
	d.O.Schema = d.in.declare(d.O.Schema)
	return nil
}

// OneFile is the data set of one of its files, with the columns of that file
// itself, all of them, and those of its folders.
func (d *Dataset) OneFile(ctx context.Context, path string) (*Dataset, error) {
	st, err := store.For(path)
	if err != nil {
		return nil, err
	}
	info, err := st.Stat(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	one := *d
	one.files = []store.Info{info}
	all, err := d.codec.Schema(ctx, one.files, d.O)
	if err != nil {
		return nil, err
	}
	one.schema = d.in.over(all)
	return &one, nil
}

// InFolders tells whether a column stands in the names of folders, not in files.
func (d *Dataset) InFolders(column string) bool { return d.in.at(column) >= 0 }
