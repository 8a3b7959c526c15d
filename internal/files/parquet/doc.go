// Package parquet reads and writes parquet files.
//
// Comes in: a split of a file, which has the row groups that begin in it. Goes
// out: records of the wanted columns, which may cross row groups. The library
// reads footers and schemas, and writes files; pages are decoded here.
// BenchmarkRead and BenchmarkReadArrow, side by side, are the reason.
//
// From the file to the record: header.go and pages.go (a column chunk's pages,
// decompressed), levels.go (their runs), pieces.go (a page's levels and values),
// values.go, binary.go, delta.go and types.go (values into Arrow buffers), leaf.go
// (a column across pages and row groups), tree.go (nested arrays of leaves and
// levels); sizes.go says how many rows a record may have.
//
// It never holds more of a file than a page of each column, and, when it writes,
// a row group.
package parquet
