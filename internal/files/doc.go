// Package files reads and writes files of rows as Arrow records: parquet,
// TFRecord, CSV, JSON lines, Arrow IPC.
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
// One set of readers and writers serves training, inference and `tfos
// convert`; conformance_test.go is what each format must pass, and
// scripts/tests/test_files.py holds it against pyarrow, pandas, TensorFlow and
// Spark. What a format cannot say (a list in CSV, a null in tf.Example) and how
// it is written then stands in that format's file, and in docs/data.md.
//
// Errors of damaged or unfitting files are *Error: file, byte offset or row,
// and what is wrong. What the store says, and an ended ctx, come wrapped.
//
// Rows of text and TFRecord that are none are such errors too, or, with
// ReadOptions.BadRows, come in their place and are told apart (bad_rows.go).
//
// recipe.go hands a data set to another process, which reads its splits.
//
// parquet_*.go, from the file to the record: header and pages (a column chunk's
// pages, decompressed), levels (their runs), pieces (a page's levels and
// values), values and types (values into Arrow buffers), leaf (a column across
// pages and row groups), tree (nested arrays of leaves and levels); sizes says
// how many rows a record may have.
package files
