package codec

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
)

// BadRow is a row of an undamaged file that does not fit the schema. Examples:
// text that is not the number of its column, a line that is not an object, a
// record that is not a tf.Example.
type BadRow struct {
	Row    int64  // index in the record
	Column string // the column at fault; "": the whole row
	Offset int64  // byte of the decompressed file where the row begins; -1 if not known
	Err    error  // the reason, without the place
}

// BadRowReader is a Reader whose records may have bad rows.
type BadRowReader interface{ BadRows() []BadRow }

// NumberedReader is a Reader that knows the row number, in the file, of the
// split's first row.
type NumberedReader interface{ FirstRow() int64 }

// Split is a piece of one file that one reader reads: the units that start in
// the byte range [Offset, Offset+Length). A row group, record batch, TFRecord
// record or line belongs to the split that contains its first byte. So any cut
// of a file into ranges gives each row to exactly one split.
type Split struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// WholeFile returns the split that is a whole file.
func WholeFile(path string) Split { return Split{Path: path, Length: math.MaxInt64} }

// Reader returns the rows of one split as records. It is not safe for
// concurrent use.
type Reader interface {
	// Schema returns the schema of every record.
	Schema() *arrow.Schema
	// Next returns the next record in the file's order. It has at least one
	// row. The caller releases it. io.EOF means that there is no further
	// record. Other errors are *Error, or wrap an error of the store or of ctx.
	// After an error only Close may be called.
	Next() (arrow.Record, error)
	Close() error
}

// Writer writes one file. It is not safe for concurrent use.
type Writer interface {
	// Write appends the rows of a record that has the writer's schema. The
	// caller keeps and releases the record.
	Write(arrow.Record) error
	// Close completes the file's content. It does not close the io.Writer
	// below.
	Close() error
}

// Placed is a Reader that reports its progress in the split. The readers of all
// formats implement it.
type Placed interface {
	Reader
	// Passed returns about how much of the split the returned rows cover, from
	// 0 to 1. It never decreases.
	Passed() float64
}

// Share returns part/whole, limited to 0 to 1. It returns 0 if whole is not
// positive.
func Share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, part/whole))
}

// EndOf returns the offset at which a split ends. A negative length means the
// whole rest of the file.
func EndOf(s Split) int64 {
	if s.Length < 0 || s.Length > math.MaxInt64-s.Offset {
		return math.MaxInt64
	}
	return s.Offset + s.Length
}
