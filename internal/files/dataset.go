package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/store"
)

// batchBytes is the most of ReadOptions.BatchBytes.
const batchBytes = 64 << 20

// defaultBatchRows is the most rows of a record when nobody says.
const defaultBatchRows = 1000

// ErrNoFiles is wrapped where a path has no data files.
var ErrNoFiles = errors.New("no data files")

// list returns the data files at path, one at least.
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
	return found, nil
}

// Dataset is the files at a path as rows of one schema. It is safe for
// concurrent use.
type Dataset struct {
	format Format
	codec  codec
	files  []store.Info
	schema *arrow.Schema
	in     folders // what their names say
	o      ReadOptions
}

// Open lists the files at path (a file, folder or glob) and fixes the schema of
// their rows: the files' columns, and those in the names of folders below path
// (day=1/…), with the types that Spark infers. It reads no rows unless the format
// hides the schema in them. Without a format the files tell it (Tell).
func Open(ctx context.Context, format Format, path string, o ReadOptions) (*Dataset, error) {
	found, err := list(ctx, path)
	if err == nil && format == "" {
		format, err = tell(ctx, path, found)
	}
	if err != nil {
		return nil, err
	}
	c, err := codecOf(format)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	o.others = known{}
	d := &Dataset{format: format, codec: c, files: found, o: o}
	roots, err := rootsOf(ctx, path)
	if err == nil {
		err = d.lookAtFolders(roots)
	}
	if err != nil {
		return nil, err
	}
	all, err := c.schema(ctx, d.files, d.o)
	if err != nil {
		return nil, err
	}
	if d.o.Schema == nil {
		d.o.sampled = make(map[string]bool, all.NumFields())
		for _, f := range all.Fields() {
			d.o.sampled[f.Name] = true
		}
	}
	if all.NumFields() > 0 {
		all = d.in.over(all)
	}
	if d.schema, err = chosen(all, o.Columns); err != nil {
		return nil, fmt.Errorf("files: %s: %w", path, err)
	}
	return d, nil
}

// chosen is the schema of these columns, in this order.
func chosen(all *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if len(columns) == 0 {
		for _, f := range all.Fields() {
			columns = append(columns, f.Name)
		}
	}
	fields := make([]arrow.Field, len(columns))
	for i, name := range columns {
		at, err := place(all, name)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(columns[:i], name):
			return nil, fmt.Errorf("column %q is asked for twice", name)
		}
		fields[i] = all.Field(at)
	}
	return arrow.NewSchema(fields, nil), nil
}

// place is where the one column of this name is.
func place(all *arrow.Schema, name string) (int, error) {
	found := all.FieldIndices(name)
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no column %q; there are %s", name, names(all))
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d columns are named %q", len(found), name)
}

// shown is a column's name for a person: quoted where its end would not be seen.
func shown(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return strconv.Quote(name)
	}
	return name
}

// names lists columns for a person, not more than a line holds.
func names(s *arrow.Schema) string {
	const most = 20
	var list []string
	for _, f := range s.Fields() {
		list = append(list, shown(f.Name))
	}
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// declared puts the fields of o.Schema in the place of the files' ones of the
// same name. What is declared and not in the files is an error here, with the
// file's name.
func declared(file string, found *arrow.Schema, o ReadOptions) (*arrow.Schema, error) {
	if o.Schema == nil {
		return found, nil
	}
	fields := slices.Clone(found.Fields())
	for _, want := range o.Schema.Fields() {
		i := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == want.Name })
		if i < 0 {
			return nil, &Error{Path: file, Offset: -1, Row: -1, Err: fmt.Errorf("no column %q, which the schema declares; there are %s", want.Name, names(found))}
		}
		fields[i] = want
	}
	return arrow.NewSchema(fields, nil), nil
}

// Schema is of the rows that Read gives.
func (d *Dataset) Schema() *arrow.Schema { return d.schema }

// Select is the data set with these columns only, in this order.
func (d *Dataset) Select(columns ...string) (*Dataset, error) {
	schema, err := chosen(d.schema, columns)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	part := *d
	part.schema = schema
	return &part, nil
}

// Retype is the data set with columns of other types, by name: for formats that
// only guess types (Format.Guessed).
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

// NoRows is a record of the data set's columns without rows.
func (d *Dataset) NoRows() arrow.Record {
	arrays := make([]arrow.Array, d.schema.NumFields())
	for i, f := range d.schema.Fields() {
		arrays[i] = array.MakeArrayOfNull(d.o.Memory, f.Type, 0)
	}
	defer releaseArrays(arrays)
	return array.NewRecord(d.schema, arrays, 0)
}

// Where is the data set with some of its files only, which may be none.
func (d *Dataset) Where(chosen func(store.Info) bool) *Dataset {
	part := *d
	part.files = slices.DeleteFunc(d.Files(), func(f store.Info) bool { return !chosen(f) })
	return &part
}

// Format is the files' one.
func (d *Dataset) Format() Format { return d.format }

// Files are the data set's files, in the order in which splits come.
func (d *Dataset) Files() []store.Info { return slices.Clone(d.files) }

// Read begins a split. ctx bounds every later read.
func (d *Dataset) Read(ctx context.Context, s Split) (Reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.in.read(ctx, d.codec, s, d.schema, d.o)
}

// NewWriter begins a file of rows of schema. The caller closes w after Close.
func NewWriter(format Format, w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error) {
	c, err := codecOf(format)
	if err != nil {
		return nil, err
	}
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	return c.create(w, schema, o)
}

// noOptions refuses settings that a format does not have.
func noOptions(format Format, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		return fmt.Errorf("files: %s: unknown option %q", format, name)
	}
	return nil
}
