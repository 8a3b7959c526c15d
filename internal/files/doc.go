// Package files reads and writes files of rows as Arrow records: parquet,
// TFRecord, CSV, JSON lines, Arrow IPC. It is the only one of its packages that
// other rooms import.
//
// Comes in: a path (file, folder or glob) that internal/store reads, and what
// is wanted of it (ReadOptions). Goes out: records, split by split, in the
// file's order. The other way: records in, one file's bytes out; naming and
// publishing a file is the caller's, through internal/store. Convert does both
// ways in one.
//
// Readers and writers start no goroutine (Convert does), keep no file in memory
// (a reader holds at most one record and one unit of its format: a page of each
// column, a record batch, a line, a record), and know nothing of Spark, members
// or TensorFlow. A parquet writer holds its row group.
//
// The packages below, each of which imports those above it in this list only:
//
//   - codec: what a format is (codec.Codec), options, splits, readers, errors;
//   - arrays: Arrow arrays converted to other types, picked from, recycled; DDL;
//   - rowformat: what formats of rows share: streams, lines, samples, bad rows;
//   - jsontext: JSON text to and from arrays, for jsonl and for lists in CSV;
//   - parquet, arrowipc, tfrecord, csv, jsonl: a format each, a Codec each. They
//     do not import each other;
//   - files: the table of formats (formats.go), and what needs no format: data
//     sets, splits, columns in folders' names, recipes, conversions. Api.go names
//     what callers use of codec and arrays.
//
// One set of readers and writers serves training, inference and `tfos
// convert`. Package filestest holds the suite that each format passes
// (filestest.Run), and scripts/tests/test_files.py holds them against pyarrow,
// pandas, TensorFlow and Spark. What a format cannot say (a list in CSV, a null
// in tf.Example) and how it is written then stands in that format's package, and
// in docs/data.md.
//
// Errors of damaged or unfitting files are *Error: file, byte offset or row,
// and what is wrong. What the store says, and an ended ctx, come wrapped.
//
// Rows of text and TFRecord that are none are such errors too, or, with
// ReadOptions.BadRows, come in their place and are told apart (Bad).
//
// A Recipe hands a data set to another process, which reads its splits.
package files
