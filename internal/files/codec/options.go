package codec

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// MaxBatchBytes is the upper limit of ReadOptions.BatchBytes.
const MaxBatchBytes = 64 << 20

// DefaultBatchRows is the upper limit of a record's rows if
// ReadOptions.BatchRows is 0.
const DefaultBatchRows = 1000

// ReadOptions says which columns and rows are read, and how large records are.
type ReadOptions struct {
	// Columns are the columns to read, in this order. Empty means all, in the
	// files' order.
	Columns []string
	// Schema declares columns by name. It overrides the types in the files. A
	// value that cannot be converted is an error. nil: the files decide.
	Schema *arrow.Schema
	// BatchRows is the upper limit of a record's rows. 0 means 1,000.
	BatchRows int
	// BatchBytes is about the upper limit of a record's bytes. It bounds
	// records of large rows, such as 1,000 rows of 16 MB. 0 and values above 64
	// MiB mean 64 MiB.
	BatchBytes int64
	// Memory allocates the records. nil means memory.DefaultAllocator.
	Memory memory.Allocator
	// BadRows keeps rows that do not fit the schema, with nulls for the values
	// that could not be read. Bad lists such rows. A damaged file is still an
	// error. Open ignores bad rows when it infers the schema, unless all
	// sampled rows are bad. Rows may then have columns that no sampled row has.
	BadRows bool
	// Options are the format's settings under Spark's names (csv: header, sep,
	// nullValue), and basePath, the folder below which folder names hold
	// columns. An unknown option is an error.
	Options map[string]string
	// Folders says how partition columns in folder names are read.
	Folders FolderRules

	// Warn receives a warning from Open when a file looks like another dialect
	// than the one it is read as. It may be nil.
	Warn func(text string)

	// Package files sets Sampled and Others, for the formats.

	// Sampled are all columns of an inferred schema, selected or not. In
	// formats without a stored schema a row may have no other column. nil
	// allows any column.
	Sampled map[string]bool
	// Others recognizes files of other formats, for error messages. It may be
	// nil.
	Others Recognizer
}

// Recognizer recognizes the formats of files.
type Recognizer interface {
	// ByHead returns the format that a file's first bytes prove, or "".
	ByHead(head []byte) Format
	// ByName returns the format that a file's name says. false: it says none.
	ByName(name string) (Format, bool)
}

// FolderRules are Spark's settings for partition columns in folder names.
type FolderRules struct {
	// Text makes all of them strings (Spark's partitionColumnTypeInference is
	// off).
	Text bool `json:"text,omitempty"`
	// Zone is the time zone of their timestamps. "" means this machine's.
	Zone string `json:"zone,omitempty"`
}

// WithDefaults returns o with defaults for unset options.
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

// AllowedColumns returns the columns that a row may have, or nil for any. With
// BadRows any column is allowed: a column that is not read does not make a row
// bad.
func (o ReadOptions) AllowedColumns() map[string]bool {
	if o.BadRows {
		return nil
	}
	return o.Sampled
}

// WriteOptions says how files are written.
type WriteOptions struct {
	// Compression is none, snappy, gzip, zlib, lz4, zstd or brotli, where the
	// format has it. "" means the format's default: snappy for parquet, none
	// for the others.
	Compression string
	// Distinct names columns whose values rarely repeat, such as computed
	// numbers. The parquet writer then builds no dictionary for them. The
	// dictionary takes half of the time of writing floats.
	Distinct []string
	Memory   memory.Allocator
	Options  map[string]string

	// GroupBytes returns the size at which a row group ends. nil means 64 MiB.
	// files.Convert sets it, because it may keep many files open.
	GroupBytes func() int64
}
