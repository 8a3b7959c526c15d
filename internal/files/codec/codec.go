package codec

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// Codec is one file format. Its methods receive options that are checked and
// complete.
type Codec interface {
	// Extensions returns the name endings of such files, in lower case:
	// .parquet.
	Extensions() []string
	// Begins reports whether a file with these first bytes certainly has this
	// format. head has SniffBytes bytes, or the whole file if it is shorter.
	Begins(head []byte) bool
	// Schema returns the schema of the files' rows: all columns, in the files'
	// order. Columns of o.Schema are as declared there, the others as the files
	// say. It may be empty if the files have no row.
	Schema(ctx context.Context, files []store.Info, o ReadOptions) (*arrow.Schema, error)
	// Starts returns the offsets where splits of a file may begin, in order:
	// the first byte of each unit that is read as a whole. nil means anywhere.
	// {0} means that the file is one split.
	Starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error)
	// Open reads a split as records of schema, which has only the wanted
	// columns, in their order. ctx bounds every read.
	Open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error)
	// Create writes a file of schema to w. It returns ErrType for a type that
	// the format cannot hold.
	Create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error)
}
