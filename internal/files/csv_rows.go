package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
)

// csvRows reads a split's rows as cells.
type csvRows struct {
	textRows
	dialect *csvDialect
	names   []string // of the file's columns; nil: it has no row and no header
	list    []csvCell
}

func newCSVRows(in *input, d *csvDialect) *csvRows {
	r := &csvRows{textRows: textRows{input: in, space: "\r\n"}, dialect: d}
	if d.multi {
		r.unit = r.rowOfLines
	}
	return r
}

// openCSV reads the columns' names at the file's beginning, and opens the split
// behind the header.
func openCSV(ctx context.Context, s Split, d *csvDialect, o ReadOptions) (*csvRows, error) {
	in, err := openInput(ctx, wholeFile(s.Path), sniffText(o))
	if err != nil {
		return nil, err
	}
	r := newCSVRows(in, d)
	if err := r.readNames(o.Schema); err != nil {
		return nil, errors.Join(r.fail(err), r.Close())
	}
	whole := d.multi || r.compression != plain
	switch {
	case whole && s.Offset > 0:
		r.end = 0 // all rows are those of the split at 0
	case !d.header || s.Offset > r.offset:
		if err := r.Close(); err != nil {
			return nil, r.fail(err)
		}
		if r.input, err = openLines(ctx, s, o); err != nil {
			return nil, err
		}
	default: // it goes on behind the header
		r.end, r.length = endOf(s), s.Length
	}
	if whole && s.Offset == 0 {
		r.end, r.length = math.MaxInt64, s.Length
	}
	r.read = 0
	return r, nil
}

// readNames reads the header. Without one the columns are those that the schema
// declares, in its order, or else _c0, _c1 … as Spark calls them.
func (r *csvRows) readNames(declared *arrow.Schema) error {
	cells, _, err := r.next()
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

// next returns a row's cells, valid until the next call, and its bytes.
func (r *csvRows) next() ([]csvCell, int, error) {
	row, err := r.textRows.next()
	if err != nil {
		return nil, 0, err
	}
	size := len(row)
	if r.list, err = r.dialect.cells(row, r.list[:0]); err != nil {
		if !r.dialect.multi { // else it is not certain where a row ends
			err = wholeRow(err)
		}
		return nil, size, err
	}
	if r.names != nil && len(r.list) != len(r.names) {
		return nil, size, wholeRow(fmt.Errorf("a row of %d cells where there are %d columns", len(r.list), len(r.names)))
	}
	return r.list, size, nil
}

// rowOfLines consumes a row that may go over several lines.
func (r *csvRows) rowOfLines() ([]byte, error) {
	seen, state := 0, cellStart
	if r.offset == 0 {
		// A byte order mark before a quote is no cell's beginning.
		head, _ := r.peek(len(byteOrderMark))
		if string(head) == byteOrderMark {
			seen = len(head)
		}
	}
	return r.until(func(have []byte) (n int) {
		from := seen
		n, state = r.dialect.rowEnd(have[from:], state)
		seen = len(have)
		if n >= 0 {
			n += from
		}
		return n
	})
}
