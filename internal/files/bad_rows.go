package files

import (
	"tfos/internal/files/codec"
)

// Bad returns the bad rows of the reader's last record, in row order, when it
// reads with ReadOptions.BadRows. The record contains these rows. They are null
// in the columns that could not be read. Parquet and Arrow files have no bad
// rows: their columns are typed.
func Bad(r Reader) []BadRow {
	if rows, ok := fileReaderOf(r).(codec.BadRowReader); ok {
		return rows.BadRows()
	}
	return nil
}

// FirstRow returns the row number, in its file, of a split's first row. Only
// the readers of parquet and Arrow know it, and only after the first record was
// read. known is false for the other formats.
func FirstRow(r Reader) (row int64, known bool) {
	if numbered, ok := fileReaderOf(r).(codec.NumberedReader); ok {
		return numbered.FirstRow(), true
	}
	return 0, false
}
