package files

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// csvCodec is CSV under Spark's options (csvDialect). An own reader, as
// encoding/csv, which arrow/csv uses too, tells neither "" from an empty cell
// nor a row's place in the file, and has no escape character.
//
// Without multiLine a row is one line, so that files can be split; a quoted
// cell that does not end on its line is an error. Blank lines are no rows. With
// multiLine a file is one split: where quotes are open can be told from its
// beginning only.
type csvCodec struct{}

func (csvCodec) extensions() []string { return []string{".csv"} }

func (csvCodec) begins([]byte) bool { return false }

func (csvCodec) schema(ctx context.Context, list []store.Info, o ReadOptions) (*arrow.Schema, error) {
	d, err := newCSVDialect(o.Options)
	if err != nil {
		return nil, err
	}
	var names []string
	var shapes []csvShape
	s := newSample(list, o)
	for _, info := range list {
		if s.next() && names != nil {
			break
		}
		if names, shapes, err = sampleCells(ctx, s, info.Path, d, o, names, shapes); err != nil {
			return nil, err
		}
	}
	if o.Warn != nil {
		d.warn(list[0].Path, names, o.Warn)
	}
	fields := make([]arrow.Field, len(names))
	for i, name := range names {
		fields[i] = arrow.Field{Name: name, Type: shapes[i].dataType(), Nullable: true}
	}
	found := arrow.NewSchema(fields, nil)
	if names == nil && o.Schema != nil {
		return o.Schema, nil // files without a row
	}
	return declared(list[0].Path, found, o)
}

// sampleCells samples a file. names and shapes are of the files before, whose columns
// this one may hold in another order.
func sampleCells(ctx context.Context, s *sample, path string, d *csvDialect, o ReadOptions, names []string, shapes []csvShape) (_ []string, _ []csvShape, err error) {
	rows, err := openCSV(ctx, wholeFile(path), d, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if names == nil {
		names, shapes = rows.names, make([]csvShape, len(rows.names))
	}
	place := map[string]int{}
	for i, name := range names {
		place[name] = i
	}
	for !s.enough() {
		cells, n, err := rows.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.add(n)
			if err = s.pass(rows.fail(err)); err != nil {
				return nil, nil, err
			}
			continue
		}
		for i, cell := range cells {
			if at, known := place[rows.names[i]]; known {
				shapes[at].see(cell, d.null)
			}
		}
		s.add(n)
	}
	return names, shapes, nil
}

// starts does not ask the options: of a file that is read with multiLine the
// split at 0 has all rows and the others none.
func (csvCodec) starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error) {
	return textStarts(ctx, file.Path, sniffText(o))
}

func (csvCodec) open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error) {
	d, err := newCSVDialect(o.Options)
	if err != nil {
		return nil, err
	}
	r := newRowReader(schema, o)
	columns := make([]csvColumn, schema.NumFields())
	for i, f := range schema.Fields() {
		if columns[i], err = newCSVColumn(r.builders[i], f); err != nil {
			return nil, fmt.Errorf("files: read %s: column %q: %w", s.Path, f.Name, err)
		}
		columns[i].guessed = o.Schema == nil || !o.Schema.HasField(f.Name)
	}
	rows, err := openCSV(ctx, s, d, o)
	if err != nil {
		return nil, err
	}
	source := &csvSource{csvRows: rows, columns: columns}
	r.source, r.in = source, rows.input
	if err := source.locate(); err != nil {
		return nil, errors.Join(rows.input.fail(0, -1, err), r.Close())
	}
	return r, nil
}

// csvSource appends a split's rows to columns.
type csvSource struct {
	*csvRows
	columns []csvColumn
	place   []int // of each column in a row
}

// locate finds the wanted columns among the file's.
func (s *csvSource) locate() error {
	if s.names == nil { // a file without a row
		return nil
	}
	at := make(map[string]int, len(s.names))
	for i, name := range s.names {
		at[name] = i
	}
	for _, c := range s.columns {
		i, ok := at[c.field.Name]
		if !ok {
			return fmt.Errorf("no column %q; there are %q", c.field.Name, s.names)
		}
		s.place = append(s.place, i)
	}
	return nil
}

func (s *csvSource) appendRow() (int, error) {
	cells, n, err := s.next()
	if err == io.EOF {
		return 0, err
	}
	if err != nil {
		return n, s.fail(err)
	}
	var fault *rowFault
	for i := range s.columns {
		if f := s.columns[i].append(cells[s.place[i]], s.dialect.null); f != nil {
			fault = fault.add(i, f)
		}
	}
	if fault != nil {
		return n, s.fail(fault)
	}
	return n, nil
}
