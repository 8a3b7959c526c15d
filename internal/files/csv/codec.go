package csv

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
	"tfos/internal/store"
)

// Codec is CSV with Spark's options (dialect). It does not use encoding/csv,
// which arrow/csv uses too. That reader does not distinguish "" from an empty
// cell, does not report a row's place in the file, and has no escape character.
//
// Without multiLine a row is one line, so files can be split. A quoted cell
// that does not end on its line is an error. Blank lines are skipped. With
// multiLine a file is one split, because only the file's beginning tells where
// quotes are open.
type Codec struct{}

func (Codec) Extensions() []string { return []string{".csv"} }

func (Codec) Begins([]byte) bool { return false }

func (Codec) Schema(ctx context.Context, list []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	d, err := newDialect(o.Options)
	if err != nil {
		return nil, err
	}
	var names []string
	var shapes []cellShape
	s := rowformat.NewSample(list, o)
	for _, info := range list {
		if s.NextFile() && names != nil {
			break
		}
		if names, shapes, err = sampleCells(ctx, s, info.Path, d, o, names, shapes); err != nil {
			return nil, err
		}
	}
	if o.Warn != nil {
		d.warnOfDialect(list[0].Path, names, o.Warn)
	}
	fields := make([]arrow.Field, len(names))
	for i, name := range names {
		fields[i] = arrow.Field{Name: name, Type: shapes[i].dataType(), Nullable: true}
	}
	found := arrow.NewSchema(fields, nil)
	if names == nil && o.Schema != nil {
		return o.Schema, nil // files without a row
	}
	return codec.ApplyDeclared(list[0].Path, found, o)
}

// sampleCells samples one file. names and shapes come from the files before.
// This file may have their columns in another order.
func sampleCells(ctx context.Context, s *rowformat.Sample, path string, d *dialect, o codec.ReadOptions, names []string, shapes []cellShape) (_ []string, _ []cellShape, err error) {
	rows, err := openCells(ctx, codec.WholeFile(path), d, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if names == nil {
		names, shapes = rows.names, make([]cellShape, len(rows.names))
	}
	place := map[string]int{}
	for i, name := range names {
		place[name] = i
	}
	for !s.FileDone() {
		cells, n, err := rows.nextCells()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.AddRow(n)
			if err = s.SkipBad(rows.Fail(err)); err != nil {
				return nil, nil, err
			}
			continue
		}
		for i, cell := range cells {
			if at, known := place[rows.names[i]]; known {
				shapes[at].addCell(cell, d.nullText)
			}
		}
		s.AddRow(n)
	}
	return names, shapes, nil
}

// Starts ignores the options. With multiLine the split at 0 has all rows, and
// the others have none.
func (Codec) Starts(ctx context.Context, file store.Info, o codec.ReadOptions) ([]int64, error) {
	return rowformat.Starts(ctx, file.Path, rowformat.SniffText(o))
}

func (Codec) Open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	d, err := newDialect(o.Options)
	if err != nil {
		return nil, err
	}
	r := rowformat.NewReader(schema, o)
	columns := make([]column, schema.NumFields())
	for i, f := range schema.Fields() {
		if columns[i], err = newColumn(r.Builders[i], f); err != nil {
			return nil, fmt.Errorf("files: read %s: column %q: %w", s.Path, f.Name, err)
		}
		columns[i].guessed = o.Schema == nil || !o.Schema.HasField(f.Name)
	}
	rows, err := openCells(ctx, s, d, o)
	if err != nil {
		return nil, err
	}
	source := &source{cellReader: rows, columns: columns}
	r.Source, r.Input = source, rows.Input
	if err := source.locate(); err != nil {
		return nil, errors.Join(rows.Input.Fail(0, -1, err), r.Close())
	}
	return r, nil
}
