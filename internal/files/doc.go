// Package files reads and writes files of rows as Arrow records: parquet,
// TFRecord, CSV, JSON lines, Arrow IPC. Other rooms import this package, and
// none of the packages below it.
//
// Comes in: a path (file, folder or glob) that internal/store reads, and
// ReadOptions. Goes out: records, split by split, in the file's order. A writer
// takes records and writes the bytes of one file. The caller names and
// publishes the file, through internal/store. Convert reads and writes.
//
// Readers and writers start no goroutine (Convert does). A reader holds at most
// one record and one unit of its format: a page of each column, a record batch,
// a line, a TFRecord record. A parquet writer holds its row group. The package
// knows nothing of Spark, members or TensorFlow.
//
// The packages below, each of which imports only those above it in this list:
//
//   - codec: what a format is (codec.Codec), options, splits, readers, errors;
//   - arrays: converts, picks and recycles Arrow arrays; DDL;
//   - rowformat: streams, lines, samples and bad rows, for the formats of rows;
//   - jsontext: JSON text to and from arrays, for jsonl and for lists in CSV;
//   - parquet, arrowipc, tfrecord, csv, jsonl: one format and its Codec each. They
//     do not import each other;
//   - files: the table of formats (formats.go), and everything that holds for all
//     formats: data sets, splits, columns in folder names, recipes, conversions.
//     api.go repeats the names of codec and arrays that callers use.
//
// One set of readers and writers serves training, inference and `tfos convert`.
// Package filestest holds the suite that each format passes (filestest.Run).
// scripts/tests/test_files.py compares them with pyarrow, pandas, TensorFlow
// and Spark. Some formats cannot store every value: a list in CSV, a null in
// tf.Example. That format's package and docs/data.md say how such a value is
// written.
//
// Errors of damaged or unfitting files are *Error: file, byte offset or row,
// and the reason. Errors of the store and of an ended ctx are wrapped.
//
// A row of a text or TFRecord file that does not fit the schema is such an
// error too. With ReadOptions.BadRows it becomes a row with nulls, and Bad
// lists it.
//
// A Recipe hands a data set to another process, which reads its splits.
package files
