package files

import (
	"context"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/store"
)

// Format is a kind of file, as job files spell it.
type Format string

// The formats. Arrow is both IPC forms, told apart by their first bytes.
const (
	Parquet  Format = "parquet"
	TFRecord Format = "tfrecord" // of tf.Example; plain, gzip or zlib, told apart by their first bytes
	CSV      Format = "csv"
	JSON     Format = "json" // one object a line
	Arrow    Format = "arrow"
)

// Formats are all of them.
var Formats = []Format{Parquet, TFRecord, CSV, JSON, Arrow}

// Guessed says whether files of the format are text, of which Open guesses
// columns' types by their values.
func (f Format) Guessed() bool { return f == CSV || f == JSON }

// Extension is what names of such files end in: .parquet.
func (f Format) Extension() string { return "." + string(f) }

// Known says whether there is such a format.
func (f Format) Known() bool { return slices.Contains(Formats, f) }

// ReadOptions says what is read, and in what pieces.
type ReadOptions struct {
	// Columns are read, in this order; empty: all, in the files' order.
	Columns []string
	// Schema declares columns by name; it wins over what the files say, and
	// values are converted to it or refused. nil: the files tell.
	Schema *arrow.Schema
	// BatchRows is the most rows of a record; 0: 1,000.
	BatchRows int
	// BatchBytes is about the most bytes of a record, however many rows it could
	// have: rows of 16 MB must not come a thousand at a time. 0, and at most: 64 MiB.
	BatchBytes int64
	// Memory allocates the records; nil: memory.DefaultAllocator.
	Memory memory.Allocator
	// BadRows has rows that are no rows of the schema come all the same, null
	// where they could not be read: Bad tells which. Damaged files are an
	// error still. Open passes such rows over, unless there are no others. Rows
	// may have columns that the sampled ones have not.
	BadRows bool
	// Format's own settings under Spark's names (csv: header, sep, nullValue), and
	// basePath, the folder below which folders' names have columns. An unknown one
	// is an error.
	Options map[string]string
	// Folders says how columns in folders' names are read.
	Folders FolderRules

	// Warn is told by Open of what a file looks like and is not read as; nil:
	// nobody is.
	Warn func(text string)

	// sampled are the columns of an inferred schema, chosen or not. Rows of
	// formats that hide the schema in them may have no others. nil: any.
	sampled map[string]bool
	// others tells files of other formats, for errors; nil: nobody does.
	others recognizer
}

// recognizer tells formats of files.
type recognizer interface {
	// byHead is the format that the first bytes of a file tell for certain; "":
	// they do not.
	byHead(head []byte) Format
	// byName is the format that a file's name tells; false: it does not say.
	byName(name string) (Format, bool)
}

// FolderRules are Spark's settings for columns in the names of folders.
type FolderRules struct {
	// Text has all of them be strings (partitionColumnTypeInference is off).
	Text bool `json:"text,omitempty"`
	// Zone is the time zone of times among them; "": this machine's.
	Zone string `json:"zone,omitempty"`
}

// withDefaults fills in what was left open.
func (o ReadOptions) withDefaults() ReadOptions {
	if o.BatchRows <= 0 {
		o.BatchRows = defaultBatchRows
	}
	if o.BatchBytes <= 0 || o.BatchBytes > batchBytes {
		o.BatchBytes = batchBytes
	}
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	return o
}

// known are the columns that a row may have; nil: any. Who takes bad rows has
// chosen columns, and what else a row holds spoils none of them.
func (o ReadOptions) known() map[string]bool {
	if o.BadRows {
		return nil
	}
	return o.sampled
}

// WriteOptions says how files are written.
type WriteOptions struct {
	// Compression: "" is the format's usual one (snappy for parquet, none
	// elsewhere); none, snappy, gzip, zlib, lz4, zstd, brotli where the format
	// has it.
	Compression string
	// Distinct names columns whose values are hardly ever alike, as computed
	// numbers are: parquet then looks for no dictionary, which is half of the
	// time that writing floats takes.
	Distinct []string
	Memory   memory.Allocator
	Options  map[string]string

	// groupBytes is the size after which a row group ends; nil: 64 MiB.
	groupBytes func() int64
}

// Split is a piece of one file that one reader reads: what starts in the byte
// range [Offset, Offset+Length). A row group, record batch, record or line
// belongs to the split in which its first byte lies, so that any cut of a file
// into ranges gives each row to one split.
type Split struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// wholeFile is a split of all of a file.
func wholeFile(path string) Split { return Split{Path: path, Length: math.MaxInt64} }

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

// codec is one format. Its methods are called with the options checked and
// filled in.
type codec interface {
	// extensions are what names of such files end in, in lower case: .parquet.
	extensions() []string
	// begins says whether a file with these first bytes, sniffBytes or all that
	// there are, is certainly of the format.
	begins(head []byte) bool
	// schema is the schema of files' rows: what o.Schema declares, and of the
	// columns that it does not declare what the files say; all columns, in
	// the files' order. Without any row it may have no columns.
	schema(ctx context.Context, files []store.Info, o ReadOptions) (*arrow.Schema, error)
	// starts says where pieces of a file may begin: in order, the first byte
	// of each unit that is read as a whole. nil: anywhere; {0}: the file is
	// one piece.
	starts(ctx context.Context, file store.Info, o ReadOptions) ([]int64, error)
	// open reads a split as records of schema, which has the wanted columns
	// only, in their order. ctx bounds every read.
	open(ctx context.Context, s Split, schema *arrow.Schema, o ReadOptions) (Reader, error)
	// create writes a file of schema to w. A type that the format cannot hold
	// is an error here.
	create(w io.Writer, schema *arrow.Schema, o WriteOptions) (Writer, error)
}
