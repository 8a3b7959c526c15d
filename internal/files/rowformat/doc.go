// Package rowformat holds what the formats share whose files store rows and not
// columns: CSV, JSON lines and TFRecord.
//
// Comes in: a split of a file (OpenInput, OpenLines), plain or compressed as a
// whole; and a Source, which appends one row at a time to the builders of a
// record. Goes out: Reader, which makes records of these rows. Bad rows (Fault)
// stay in their place if the caller accepts them.
//
// The package also limits the sample for schema inference (Sample), and writes
// lines (LineWriter).
//
// It does not know what a row looks like. It holds one unit of a file, a line
// or a record, in memory.
package rowformat
