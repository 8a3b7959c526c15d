package files

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// Formats need these names too. Packages codec and arrays define them, and this
// file repeats them: callers import package files only.
type (
	// Format is a file format, as job files spell it.
	Format = codec.Format
	// ReadOptions says which columns and rows are read, and how large records
	// are.
	ReadOptions = codec.ReadOptions
	// FolderRules are Spark's settings for partition columns in folder names.
	FolderRules = codec.FolderRules
	// WriteOptions says how files are written.
	WriteOptions = codec.WriteOptions
	// Split is a byte range of one file that one reader reads.
	Split = codec.Split
	// Reader returns the rows of one split as records.
	Reader = codec.Reader
	// Placed is a Reader that reports its progress in the split. The readers of
	// all formats implement it.
	Placed = codec.Placed
	// BadRow is a row of an undamaged file that does not fit the schema.
	BadRow = codec.BadRow
	// Writer writes one file.
	Writer = codec.Writer
	// Error reports damaged data, or data that does not fit the options.
	Error = codec.Error
	// Recycler is an allocator that reuses freed memory.
	Recycler = arrays.Recycler
)

// The formats.
const (
	Parquet  = codec.Parquet
	TFRecord = codec.TFRecord
	CSV      = codec.CSV
	JSON     = codec.JSON
	Arrow    = codec.Arrow
)

var (
	// Formats lists all formats.
	Formats = codec.Formats
	// ErrType is wrapped where a format cannot hold a column's type.
	ErrType = codec.ErrType
	// ErrValue is wrapped where a format cannot hold a value.
	ErrValue = codec.ErrValue
)

// ParseSchema reads a schema in Spark's DDL, such as "image array<float>, label
// bigint not null". Names may stand in backquotes. Types are Spark's, in any
// letter case. A column is nullable unless it says NOT NULL.
func ParseSchema(ddl string) (*arrow.Schema, error) { return arrays.ParseSchema(ddl) }

// Pick returns the named rows of an array, in the order of rows. The caller
// releases the result. Consecutive rows are a slice of a; other rows are copied
// into memory of mem.
func Pick(mem memory.Allocator, a arrow.Array, rows []int64) (arrow.Array, error) {
	return arrays.Pick(mem, a, rows)
}
