package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// ErrNoFiles is wrapped where a path has no data files.
var ErrNoFiles = errors.New("no data files")

// ErrUnfinished is wrapped where files are of an output that a run has not completed.
var ErrUnfinished = errors.New("the output is not complete")

// list returns the data files at path: at least one.
func list(ctx context.Context, path string) ([]store.Info, error) {
	st, err := store.For(path)
	if err != nil {
		return nil, err
	}
	found, err := st.List(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("files: %s: %w", path, ErrNoFiles)
	}
	return found, complete(ctx, st, found)
}

// complete returns an error if files are of an output that is not complete.
func complete(ctx context.Context, st store.Store, found []store.Info) error {
	for _, f := range found {
		if !store.Unfinished(f.Path) {
			continue
		}
		said, err := store.ReadSign(ctx, st, f.Path)
		if err != nil {
			return fmt.Errorf("files: %w", err)
		}
		return &Error{Path: store.Dir(f.Path), Offset: -1, Row: -1, Err: fmt.Errorf("%w: %s", ErrUnfinished, said)}
	}
	return nil
}

// Dataset is the files at a path, read as rows of one schema. It is safe for
// concurrent use.
type Dataset struct {
	format  Format
	codec   codec.Codec
	files   []store.Info
	schema  *arrow.Schema
	folders folders // columns in folder names
	O       ReadOptions
}

// Open lists the files at path (a file, folder or glob) and determines the
// schema of their rows. The schema has the files' columns, and the partition
// columns in folder names below path (day=1/…), typed as Spark infers them.
//
// Open reads rows only for formats without a stored schema. If format is "",
// Open recognizes it by the files (Tell).
func Open(ctx context.Context, format Format, path string, o ReadOptions) (*Dataset, error) {
	found, err := list(ctx, path)
	if err == nil && format == "" {
		format, err = detectFormat(ctx, path, found)
	}
	if err != nil {
		return nil, err
	}
	c, err := codecOf(format)
	if err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	o.Others = recognizer{}
	d := &Dataset{format: format, codec: c, files: found, O: o}
	roots, err := matchRoots(ctx, path)
	if err == nil {
		err = d.findFolderColumns(roots)
	}
	if err != nil {
		return nil, err
	}
	all, err := c.Schema(ctx, d.files, d.O)
	if err != nil {
		return nil, err
	}
	if d.O.Schema == nil {
		d.O.Sampled = make(map[string]bool, all.NumFields())
		for _, f := range all.Fields() {
			d.O.Sampled[f.Name] = true
		}
	}
	if all.NumFields() > 0 {
		all = d.folders.mergeSchema(all)
	}
	if d.schema, err = codec.SelectColumns(all, o.Columns); err != nil {
		return nil, fmt.Errorf("files: %s: %w", path, err)
	}
	return d, nil
}

// Schema returns the schema of the rows that Read returns.
func (d *Dataset) Schema() *arrow.Schema { return d.schema }

// Select returns the data set with only these columns, in this order.
func (d *Dataset) Select(columns ...string) (*Dataset, error) {
	schema, err := codec.SelectColumns(d.schema, columns)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	part := *d
	part.schema = schema
	return &part, nil
}

// Retype returns the data set with other types for the named columns. It is for
// formats whose types are guessed (Format.Guessed).
func (d *Dataset) Retype(types map[string]arrow.DataType) *Dataset {
	fields := slices.Clone(d.schema.Fields())
	for i, f := range fields {
		if t, ok := types[f.Name]; ok {
			fields[i].Type = t
		}
	}
	part := *d
	part.schema = arrow.NewSchema(fields, nil)
	return &part
}

// NoRows returns a record of the data set's columns without rows. The caller
// releases it.
func (d *Dataset) NoRows() arrow.Record {
	columns := make([]arrow.Array, d.schema.NumFields())
	for i, f := range d.schema.Fields() {
		columns[i] = array.MakeArrayOfNull(d.O.Memory, f.Type, 0)
	}
	defer arrays.ReleaseArrays(columns)
	return array.NewRecord(d.schema, columns, 0)
}

// Where returns the data set with only the chosen files, possibly none.
func (d *Dataset) Where(chosen func(store.Info) bool) *Dataset {
	part := *d
	part.files = slices.DeleteFunc(d.Files(), func(f store.Info) bool { return !chosen(f) })
	return &part
}

// Format returns the format of the files.
func (d *Dataset) Format() Format { return d.format }

// Files returns the data set's files, in the order of their splits.
func (d *Dataset) Files() []store.Info { return slices.Clone(d.files) }

// Read opens a split. ctx bounds every read of the returned reader.
func (d *Dataset) Read(ctx context.Context, s Split) (Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.folders.read(ctx, d.codec, s, d.schema, d.O)
}

// NewWriter begins a file with rows of schema. After the writer's Close the
// caller closes w.
func NewWriter(format Format, w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	c, err := codecOf(format)
	if err != nil {
		return nil, err
	}
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	return c.Create(w, schema, o)
}
