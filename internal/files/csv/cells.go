package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
)

// cellReader reads a split's rows as cells.
type cellReader struct {
	rowformat.Lines
	dialect *dialect
	names   []string // of the file's columns; nil: the file has neither header nor row
	list    []cell
}

func newCellReader(in *rowformat.Input, d *dialect) *cellReader {
	r := &cellReader{Lines: rowformat.Lines{Input: in, Space: "\r\n"}, dialect: d}
	if d.multiLine {
		r.Unit = r.rowOfLines
	}
	return r
}

// openCells reads the column names at the file's beginning, and then opens the
// split after the header.
func openCells(ctx context.Context, s codec.Split, d *dialect, o codec.ReadOptions) (*cellReader, error) {
	in, err := rowformat.OpenInput(ctx, codec.WholeFile(s.Path), rowformat.SniffText(o))
	if err != nil {
		return nil, err
	}
	r := newCellReader(in, d)
	if err := r.readNames(o.Schema); err != nil {
		return nil, errors.Join(r.Fail(err), r.Close())
	}
	whole := d.multiLine || r.Compression != rowformat.Plain
	switch {
	case whole && s.Offset > 0:
		r.End = 0 // all rows belong to the split at 0
	case !d.header || s.Offset > r.Offset:
		if err := r.Close(); err != nil {
			return nil, r.Fail(err)
		}
		if r.Input, err = rowformat.OpenLines(ctx, s, o); err != nil {
			return nil, err
		}
	default: // the split goes on after the header
		r.End, r.Length = codec.EndOf(s), s.Length
	}
	if whole && s.Offset == 0 {
		r.End, r.Length = math.MaxInt64, s.Length
	}
	r.Read = 0
	return r, nil
}

// readNames reads the header. Without a header the columns are those of the
// declared schema, in its order, or else Spark's _c0, _c1 ….
func (r *cellReader) readNames(declared *arrow.Schema) error {
	cells, _, err := r.nextCells()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	if !r.dialect.header && declared != nil && declared.NumFields() != len(cells) {
		return fmt.Errorf("%d cells where the schema declares %d columns; without a header it must declare all", len(cells), declared.NumFields())
	}
	names := make([]string, len(cells))
	known := make(map[string]bool, len(cells))
	for i, cell := range cells {
		switch {
		case r.dialect.header && len(cell.text) > 0:
			names[i] = string(cell.text)
		case !r.dialect.header && declared != nil:
			names[i] = declared.Field(i).Name
		default:
			names[i] = fmt.Sprintf("_c%d", i)
		}
		if known[names[i]] || !utf8.ValidString(names[i]) {
			return fmt.Errorf("the header names column %q twice, or not in UTF-8", names[i])
		}
		known[names[i]] = true
	}
	r.names = names
	return nil
}

// nextCells returns a row's cells, which are valid until the next call, and the
// row's size in bytes.
func (r *cellReader) nextCells() ([]cell, int, error) {
	row, err := r.Lines.Next()
	if err != nil {
		return nil, 0, err
	}
	size := len(row)
	if r.list, err = r.dialect.cells(row, r.list[:0]); err != nil {
		if !r.dialect.multiLine { // with multiLine the row's end is uncertain
			err = rowformat.WholeRow(err)
		}
		return nil, size, err
	}
	if r.names != nil && len(r.list) != len(r.names) {
		return nil, size, rowformat.WholeRow(fmt.Errorf("a row of %d cells where there are %d columns", len(r.list), len(r.names)))
	}
	return r.list, size, nil
}

// rowOfLines consumes a row that may span several lines.
func (r *cellReader) rowOfLines() ([]byte, error) {
	seen, state := 0, cellStart
	if r.Offset == 0 {
		// A byte order mark before a quote is not the beginning of the cell.
		head, _ := r.Peek(len(rowformat.ByteOrderMark))
		if string(head) == rowformat.ByteOrderMark {
			seen = len(head)
		}
	}
	return r.Until(func(have []byte) (n int) {
		from := seen
		n, state = r.dialect.rowEnd(have[from:], state)
		seen = len(have)
		if n >= 0 {
			n += from
		}
		return n
	})
}
