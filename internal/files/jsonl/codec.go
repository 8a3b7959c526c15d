package jsonl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
	"tfos/internal/store"
)

// Codec is JSON lines: one object per line. Blank lines are skipped.
type Codec struct{}

func (Codec) Extensions() []string { return []string{".json", ".jsonl", ".ndjson"} }

func (Codec) Begins([]byte) bool { return false }

func (Codec) Schema(ctx context.Context, list []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	if err := codec.NoOptions(codec.JSON, o.Options); err != nil {
		return nil, err
	}
	columns := sampledColumns{shapes: map[string]*valueShape{}}
	s := rowformat.NewSample(list, o)
	for _, info := range list {
		if s.NextFile() {
			break
		}
		if err := sampleObjects(ctx, s, info.Path, &columns, o); err != nil {
			return nil, err
		}
	}
	if len(columns.names) == 0 && s.FirstBad != nil {
		return nil, s.FirstBad
	}
	return arrow.NewSchema(rowformat.ApplyDeclared(columns.fields(), o.Schema), nil), nil
}

func sampleObjects(ctx context.Context, s *rowformat.Sample, path string, columns *sampledColumns, o codec.ReadOptions) (err error) {
	in, err := rowformat.OpenInput(ctx, codec.WholeFile(path), rowformat.SniffText(o))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	rows := rowformat.Lines{Input: in, Space: jsontext.Space}
	for !s.FileDone() {
		line, err := rows.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return rows.Fail(err)
		}
		s.AddRow(len(line))
		if err := isObject(line); err != nil {
			if err = s.SkipBad(rows.Fail(rowformat.WholeRow(err))); err != nil {
				return err
			}
			continue
		}
		if err := columns.addObject(&jsontext.Text{Bytes: line}); err != nil {
			return rows.Fail(err)
		}
	}
	return nil
}

// isObject checks a whole line before it is sampled, so that no line is sampled
// in part.
func isObject(line []byte) error {
	t := jsontext.Text{Bytes: line}
	if t.Next() != '{' {
		return notLines(line, t.Unexpected("an object"))
	}
	if err := t.Skip(0); err != nil {
		return notLines(line, err)
	}
	return t.End()
}

// notLinesFault is the fault of a line that is not a row.
func notLinesFault(line []byte, err error) *rowformat.Fault {
	return &rowformat.Fault{Reason: err, Err: notLines(line, err)}
}

// notLines adds to err how to convert JSON that is not one object per line.
func notLines(line []byte, err error) error {
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")):
		return fmt.Errorf("a JSON array, where each line must be an object (JSON lines): make lines of it, as by jq -c '.[]': %w", err)
	case errors.Is(err, jsontext.ErrEnd):
		return fmt.Errorf("the object does not end on its line, where each line must be an object (JSON lines): make lines of it, as by jq -c .: %w", err)
	}
	return err
}

func (Codec) Starts(ctx context.Context, file store.Info, o codec.ReadOptions) ([]int64, error) {
	return rowformat.Starts(ctx, file.Path, rowformat.SniffText(o))
}

func (Codec) Open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	r := rowformat.NewReader(schema, o)
	source := &source{index: map[string]int{}, schema: schema, declared: o.Schema, sampled: o.AllowedColumns(), seen: make([]bool, schema.NumFields())}
	for i, f := range schema.Fields() {
		value, err := jsontext.NewAppend(r.Builders[i], f)
		if err != nil {
			return nil, fmt.Errorf("files: read %s: column %q: %w", s.Path, f.Name, err)
		}
		source.columns = append(source.columns, value)
		source.index[f.Name] = i
	}
	source.appendNull = func(i int) { r.Builders[i].AppendNull() }
	in, err := rowformat.OpenLines(ctx, s, o)
	if err != nil {
		return nil, err
	}
	source.Lines = rowformat.Lines{Input: in, Space: jsontext.Space}
	r.Source, r.Input = source, in
	return r, nil
}
