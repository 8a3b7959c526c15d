package codec

import (
	"slices"
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
