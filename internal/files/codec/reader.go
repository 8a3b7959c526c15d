package codec

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
)

// BadRow is a row of a record that is whole in a whole file, and no row of the
// schema: text that is not the number of its column, a line that is no object,
// a record that is no tf.Example.
type BadRow struct {
	Row    int64  // of the record
	Column string // that is to blame; "": none
	Offset int64  // byte of the file, decompressed, where the row begins; -1: not known
	Err    error  // what is wrong, without the place
}

// BadRowReader is a Reader whose rows may be bad.
type BadRowReader interface{ BadRows() []BadRow }

// NumberedReader is a Reader that knows the number in its file of the split's
// first row.
type NumberedReader interface{ FirstRow() int64 }

// Split is a piece of one file that one reader reads: what starts in the byte
// range [Offset, Offset+Length). A row group, record batch, record or line
// belongs to the split in which its first byte lies, so that any cut of a file
// into ranges gives each row to one split.
type Split struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// WholeFile is a split of all of a file.
func WholeFile(path string) Split { return Split{Path: path, Length: math.MaxInt64} }

// Reader gives the rows of one split. It is not safe for concurrent use.
type Reader interface {
	// Schema is of every record.
	Schema() *arrow.Schema
	// Next is the next record, of one row at least, in the file's order; the
	// caller releases it. io.EOF: there is none. Other errors are *Error, or a
	// store's or ctx's, wrapped; after one the reader is only good to close.
	Next() (arrow.Record, error)
	Close() error
}

// Writer writes one file. It is not safe for concurrent use.
type Writer interface {
	// Write appends the rows of a record that has the writer's schema; the
	// record stays the caller's.
	Write(arrow.Record) error
	// Close completes the file's content; it does not close what it wrote to.
	Close() error
}

// Placed is a Reader that knows how far in its split it is. Those of all formats
// are.
type Placed interface {
	Reader
	// Passed is about the share of the split, from 0 to 1, that the rows so
	// far take. It never goes back.
	Passed() float64
}

// Share is part of whole, kept between 0 and 1; 0 of nothing.
func Share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, part/whole))
}

// EndOf is the offset at which a split ends; a negative length is all of it.
func EndOf(s Split) int64 {
	if s.Length < 0 || s.Length > math.MaxInt64-s.Offset {
		return math.MaxInt64
	}
	return s.Offset + s.Length
}
