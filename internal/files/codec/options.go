package codec

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// MaxBatchBytes is the most of ReadOptions.BatchBytes.
const MaxBatchBytes = 64 << 20

// DefaultBatchRows is the most rows of a record when nobody says.
const DefaultBatchRows = 1000

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

	// Sampled and Others are package files' own, which fills them in for formats.

	// Sampled are the columns of an inferred schema, chosen or not. Rows of
	// formats that hide the schema in them may have no others. nil: any.
	Sampled map[string]bool
	// Others tells files of other formats, for errors; nil: nobody does.
	Others Recognizer
}

// Recognizer tells formats of files.
type Recognizer interface {
	// ByHead is the format that the first bytes of a file tell for certain; "":
	// they do not.
	ByHead(head []byte) Format
	// ByName is the format that a file's name tells; false: it does not say.
	ByName(name string) (Format, bool)
}

// FolderRules are Spark's settings for columns in the names of folders.
type FolderRules struct {
	// Text has all of them be strings (partitionColumnTypeInference is off).
	Text bool `json:"text,omitempty"`
	// Zone is the time zone of times among them; "": this machine's.
	Zone string `json:"zone,omitempty"`
}

// WithDefaults fills in what was left open.
func (o ReadOptions) WithDefaults() ReadOptions {
	if o.BatchRows <= 0 {
		o.BatchRows = DefaultBatchRows
	}
	if o.BatchBytes <= 0 || o.BatchBytes > MaxBatchBytes {
		o.BatchBytes = MaxBatchBytes
	}
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	return o
}

// Known are the columns that a row may have; nil: any. Who takes bad rows has
// chosen columns, and what else a row holds spoils none of them.
func (o ReadOptions) Known() map[string]bool {
	if o.BadRows {
		return nil
	}
	return o.Sampled
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

	// GroupBytes is the size after which a row group ends; nil: 64 MiB. files.Convert
	// sets it, which may have many files open.
	GroupBytes func() int64
}
