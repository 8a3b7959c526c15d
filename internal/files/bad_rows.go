package files

import (
	"tfos/internal/files/codec"
)

// Bad are the bad rows of the last record that the reader gave, in their order,
// when it reads with ReadOptions.BadRows. The record has them, null in the
// columns that could not be read. Parquet and Arrow files have none: their
// columns have types.
func Bad(r Reader) []BadRow {
	if rows, ok := ofFile(r).(codec.BadRowReader); ok {
		return rows.BadRows()
	}
	return nil
}

// FirstRow is the number in its file of a split's first row, which formats of
// columns know; false: the file's rows before the split are not counted. It is
// known once a record was read.
func FirstRow(r Reader) (row int64, known bool) {
	if numbered, ok := ofFile(r).(codec.NumberedReader); ok {
		return numbered.FirstRow(), true
	}
	return 0, false
}
