// Package parquet reads and writes parquet files.
//
// Comes in: a split of a file, which has the row groups that begin in it. Goes
// out: records of the wanted columns. A record may contain rows of several row
// groups. The library reads footers and schemas, and writes files. This package
// decodes pages. BenchmarkRead and BenchmarkReadArrow compare both and are the
// reason.
//
// From the file to the record: header.go and pages.go (the pages of a column
// chunk, decompressed), levels.go (runs of levels), pieces.go (a page's levels
// and values), values.go, binary.go, delta.go and types.go (values into Arrow
// buffers), leaf.go (a column across pages and row groups), tree.go (nested
// arrays from leaves and levels). sizes.go limits the rows of a record.
//
// A reader holds at most one page of each column. A writer holds one row group.
package parquet
