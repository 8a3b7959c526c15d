package files

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// What callers say and get is defined where formats can see it, in codec and
// arrays, and named here, so that callers need this package only.
type (
	// Format is a kind of file, as job files spell it.
	Format = codec.Format
	// ReadOptions says what is read, and in what pieces.
	ReadOptions = codec.ReadOptions
	// FolderRules are Spark's settings for columns in the names of folders.
	FolderRules = codec.FolderRules
	// WriteOptions says how files are written.
	WriteOptions = codec.WriteOptions
	// Split is a piece of one file that one reader reads.
	Split = codec.Split
	// Reader gives the rows of one split.
	Reader = codec.Reader
	// Placed is a Reader that knows how far in its split it is. All are.
	Placed = codec.Placed
	// BadRow is a row that is whole in a whole file, and no row of the schema.
	BadRow = codec.BadRow
	// Writer writes one file.
	Writer = codec.Writer
	// Error is data that is damaged, or does not fit what was asked for.
	Error = codec.Error
	// Recycler is an allocator that gives freed memory out again.
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
	// Formats are all of them.
	Formats = codec.Formats
	// ErrType is wrapped where a format cannot hold a column's type.
	ErrType = codec.ErrType
	// ErrValue is wrapped where a format cannot hold a value.
	ErrValue = codec.ErrValue
)

// ParseSchema reads a schema in Spark's DDL, such as
// "image array<float>, label bigint not null". Names may stand in backquotes;
// types are Spark's, in any case. Every column is nullable unless it says NOT
// NULL.
func ParseSchema(ddl string) (*arrow.Schema, error) { return arrays.ParseSchema(ddl) }

// Pick returns these rows of an array, in this order, as an array of the
// caller's: rows that follow each other are a slice of a, others are copied into
// memory of mem.
func Pick(mem memory.Allocator, a arrow.Array, rows []int64) (arrow.Array, error) {
	return arrays.Pick(mem, a, rows)
}
