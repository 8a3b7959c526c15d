package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// byteOrderMark begins UTF-8 text files of some Windows programs.
const byteOrderMark = "\xef\xbb\xbf"

// openLines opens a split of a file of lines at the first line that begins in
// it: the one after the first line's end from the byte before the split on.
func openLines(ctx context.Context, s Split, o ReadOptions) (*input, error) {
	if s.Offset == 0 {
		return openInput(ctx, s, sniffText(o))
	}
	before := Split{Path: s.Path, Offset: s.Offset - 1, Length: endOf(s) - s.Offset + 1}
	in, err := openInput(ctx, before, sniffText(o))
	switch {
	case err != nil:
		return nil, err
	case in.compression != plain:
		in.end = 0 // all rows are those of the split at 0
	default:
		if err := in.pastLine(); err != nil && err != io.EOF {
			return nil, errors.Join(in.fail(in.offset, -1, err), in.Close())
		}
	}
	return in, nil
}

// textRows reads a split's rows of text: lines, or what unit says.
type textRows struct {
	*input
	unit  func() ([]byte, error) // nil: a line
	space string                 // a row of nothing but these bytes is none
	at    int64                  // where the last row began
	row   int64                  // the last row's number
	read  int64                  // rows
}

// next returns a row with its line's end, valid until the next call. io.EOF: no
// further row begins in the split.
func (r *textRows) next() ([]byte, error) {
	unit := r.unit
	if unit == nil {
		unit = r.line
	}
	for {
		r.at, r.row = r.offset, r.read
		if r.at >= r.end {
			return nil, io.EOF
		}
		line, err := unit()
		if err != nil {
			return nil, err
		}
		if r.at == 0 {
			line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		}
		if len(bytes.Trim(line, r.space)) == 0 {
			continue
		}
		r.read++
		return line, nil
	}
}

// fail is the error of the last row.
func (r *textRows) fail(err error) error { return r.input.fail(r.at, r.row, err) }

// lineWriter writes rows of text.
type lineWriter struct {
	buffer *bufio.Writer
	packed io.WriteCloser
	format Format
	row    int64
}

func newLineWriter(format Format, packed io.WriteCloser) lineWriter {
	return lineWriter{format: format, packed: packed, buffer: bufio.NewWriterSize(packed, streamBytes)}
}

func (w *lineWriter) writeLine(line []byte) error {
	if len(line) > maxUnit {
		return fmt.Errorf("files: write %s: row %d: %d bytes; %d at most", w.format, w.row, len(line), maxUnit)
	}
	if _, err := w.buffer.Write(line); err != nil {
		return fmt.Errorf("files: write %s: row %d: %w", w.format, w.row, err)
	}
	w.row++
	return nil
}

// fail is the error of a cell of the next row.
func (w *lineWriter) fail(column string, err error) error {
	return fmt.Errorf("files: write %s: row %d, column %q: %w", w.format, w.row, column, err)
}

// Close implements Writer.
func (w *lineWriter) Close() error {
	if err := errors.Join(w.buffer.Flush(), w.packed.Close()); err != nil {
		return fmt.Errorf("files: write %s: %w", w.format, err)
	}
	return nil
}
