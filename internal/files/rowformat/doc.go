// Package rowformat is what formats share whose files hold rows and not columns:
// CSV, JSON lines and TFRecord.
//
// Comes in: a split of a file (OpenInput, OpenLines), plain or compressed as a
// whole, and a Source, which appends one row at a time to the builders of a
// record. Goes out: Reader, which makes records of them, with bad rows in their
// place (Fault) where the caller takes such.
//
// Also here: how many rows an inference of a schema looks at (Sample), and the
// writer of lines (LineWriter).
//
// It does not know what a row looks like, and holds one unit, a line or record, of
// a file in memory.
package rowformat
