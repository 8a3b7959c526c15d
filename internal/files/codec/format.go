package codec

import (
	"slices"
)

// Format is a file format, as job files spell it.
type Format string

// The formats. Arrow stands for both IPC formats (file and stream), which are
// recognized by their first bytes.
const (
	Parquet  Format = "parquet"
	TFRecord Format = "tfrecord" // tf.Example records; plain, gzip or zlib, recognized by the first bytes
	CSV      Format = "csv"
	JSON     Format = "json" // one object per line
	Arrow    Format = "arrow"
)

// Formats lists all formats.
var Formats = []Format{Parquet, TFRecord, CSV, JSON, Arrow}

// Guessed reports whether files of the format are text. Open guesses the column
// types of text files from their values.
func (f Format) Guessed() bool { return f == CSV || f == JSON }

// Extension is the ending of such files' names: .parquet.
func (f Format) Extension() string { return "." + string(f) }

// Known reports whether the format is one of Formats.
func (f Format) Known() bool { return slices.Contains(Formats, f) }
