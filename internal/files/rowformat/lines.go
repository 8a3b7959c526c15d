package rowformat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"tfos/internal/files/codec"
)

// ByteOrderMark begins UTF-8 text files of some Windows programs.
const ByteOrderMark = "\xef\xbb\xbf"

// OpenLines opens a split of a file of lines at the first line that begins in
// the split. It searches for a line end from the byte before the split on.
func OpenLines(ctx context.Context, s codec.Split, o codec.ReadOptions) (*Input, error) {
	if s.Offset == 0 {
		return OpenInput(ctx, s, SniffText(o))
	}
	before := codec.Split{Path: s.Path, Offset: s.Offset - 1, Length: codec.EndOf(s) - s.Offset + 1}
	in, err := OpenInput(ctx, before, SniffText(o))
	switch {
	case err != nil:
		return nil, err
	case in.Compression != Plain:
		in.End = 0 // all rows belong to the split at 0
	default:
		if err := in.pastLine(); err != nil && err != io.EOF {
			return nil, errors.Join(in.Fail(in.Offset, -1, err), in.Close())
		}
	}
	return in, nil
}

// Lines reads a split's rows of text: lines, or units that Unit reads.
type Lines struct {
	*Input
	Unit  func() ([]byte, error) // reads one row; nil: a line
	Space string                 // a row of only these bytes is skipped
	at    int64                  // offset where the last row began
	row   int64                  // number of the last row
	Read  int64                  // rows read so far
}

// Next returns a row with its line end. It is valid until the next call. io.EOF
// means that no further row begins in the split.
func (r *Lines) Next() ([]byte, error) {
	unit := r.Unit
	if unit == nil {
		unit = r.line
	}
	for {
		r.at, r.row = r.Offset, r.Read
		if r.at >= r.End {
			return nil, io.EOF
		}
		line, err := unit()
		if err != nil {
			return nil, err
		}
		if r.at == 0 {
			line = bytes.TrimPrefix(line, []byte(ByteOrderMark))
		}
		if len(bytes.Trim(line, r.Space)) == 0 {
			continue
		}
		r.Read++
		return line, nil
	}
}

// Fail returns err with the place of the last row.
func (r *Lines) Fail(err error) error { return r.Input.Fail(r.at, r.row, err) }

// LineWriter writes rows of text.
type LineWriter struct {
	buffer *bufio.Writer
	packed io.WriteCloser
	format codec.Format
	Row    int64
}

func NewLineWriter(format codec.Format, packed io.WriteCloser) LineWriter {
	return LineWriter{format: format, packed: packed, buffer: bufio.NewWriterSize(packed, StreamBytes)}
}

func (w *LineWriter) WriteLine(line []byte) error {
	if len(line) > MaxUnit {
		return fmt.Errorf("files: write %s: row %d: %d bytes; %d at most", w.format, w.Row, len(line), MaxUnit)
	}
	if _, err := w.buffer.Write(line); err != nil {
		return fmt.Errorf("files: write %s: row %d: %w", w.format, w.Row, err)
	}
	w.Row++
	return nil
}

// Fail returns the error of a cell of the row that is being written.
func (w *LineWriter) Fail(column string, err error) error {
	return fmt.Errorf("files: write %s: row %d, column %q: %w", w.format, w.Row, column, err)
}

// Close flushes the rows and ends the compressed stream.
func (w *LineWriter) Close() error {
	if err := errors.Join(w.buffer.Flush(), w.packed.Close()); err != nil {
		return fmt.Errorf("files: write %s: %w", w.format, err)
	}
	return nil
}
