package codec

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/store"
)

// Codec is one format. Its methods are called with the options checked and
// filled in.
type Codec interface {
	// Extensions are what names of such files end in, in lower case: .parquet.
	Extensions() []string
	// Begins says whether a file with these first bytes, SniffBytes or all that
	// there are, is certainly of the format.
	Begins(head []byte) bool
	// Schema is the schema of files' rows: what o.Schema declares, and of the
	// columns that it does not declare what the files say; all columns, in
	// the files' order. Without any row it may have no columns.
	Schema(ctx context.Context, files []store.Info, o ReadOptions) (*arrow.Schema, error)
	// Starts says where pieces of a file may begin: in order, the first byte
	// of each unit that is read as a whole. nil: anywhere; {0}: the file is
	// one piece.
	Starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error)
	// Open reads a split as records of schema, which has the wanted columns
	// only, in their order. ctx bounds every read.
	Open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error)
	// Create writes a file of schema to w. A type that the format cannot hold
	// is an error here.
	Create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error)
}
