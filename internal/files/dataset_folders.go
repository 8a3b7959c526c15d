package files

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"tfos/internal/store"
)

// Listing is what Spark reads instead of a path.
type Listing struct {
	Paths []string `json:"paths"`
	// Flat says that folder names hold no columns. Spark then reads files in
	// deeper folders only if it is told to.
	Flat bool `json:"flat"`
}

// ListFor lists the files and folders that a path names, for Spark to read.
// With columns Spark takes columns from folder names, and skips files outside
// such folders. ListFor reports such files as an error.
func ListFor(ctx context.Context, path string, options map[string]string, columns bool) (Listing, error) {
	found, err := list(ctx, path)
	if err != nil {
		return Listing{}, err
	}
	d := &Dataset{files: found, O: ReadOptions{Options: options}}
	roots, err := matchRoots(ctx, path)
	if err == nil && columns {
		err = d.findFolderColumns(roots)
	}
	l := Listing{Flat: columns && len(d.folders.fields) == 0}
	for _, root := range roots {
		l.Paths = append(l.Paths, root.Path)
	}
	return l, err
}

// matchRoots returns the files and folders that path names.
func matchRoots(ctx context.Context, path string) ([]store.Info, error) {
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

// findFolderColumns finds the partition columns in folder names. It moves their
// settings from the options and the declared schema to d.folders.
func (d *Dataset) findFolderColumns(roots []store.Info) (err error) {
	base := ""
	d.O.Options = maps.Clone(d.O.Options)
	for name, value := range d.O.Options {
		if strings.EqualFold(name, basePathOption) {
			base = value
			delete(d.O.Options, name)
		}
	}
	if d.folders, err = findFolders(roots, d.files, base, d.O.Folders); err != nil {
		return err
	}
	d.O.Schema = d.folders.applyDeclared(d.O.Schema)
	return nil
}

// OneFile returns the data set of one of its files. It has all columns of that
// file, and those in folder names.
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
	one.schema = d.folders.mergeSchema(all)
	return &one, nil
}

// InFolders reports whether a column stands in folder names instead of in
// files.
func (d *Dataset) InFolders(column string) bool { return d.folders.at(column) >= 0 }
