package files

import (
	"errors"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// BadRow is a row of a record that is whole in a whole file, and no row of the
// schema: text that is not the number of its column, a line that is no object,
// a record that is no tf.Example.
type BadRow struct {
	Row    int64  // of the record
	Column string // that is to blame; "": none
	Offset int64  // byte of the file, decompressed, where the row begins; -1: not known
	Err    error  // what is wrong, without the place
}

// Bad are the bad rows of the last record that the reader gave, in their order,
// when it reads with ReadOptions.BadRows. The record has them, null in the
// columns that could not be read. Parquet and Arrow files have none: their
// columns have types.
func Bad(r Reader) []BadRow {
	if rows, ok := ofFile(r).(badRowReader); ok {
		return rows.badRows()
	}
	return nil
}

// badRowReader is a Reader whose rows may be bad.
type badRowReader interface{ badRows() []BadRow }

// FirstRow is the number in its file of a split's first row, which formats of
// columns know; false: the file's rows before the split are not counted. It is
// known once a record was read.
func FirstRow(r Reader) (row int64, known bool) {
	if numbered, ok := ofFile(r).(numberedReader); ok {
		return numbered.firstRow(), true
	}
	return 0, false
}

// numberedReader is a Reader that knows the number in its file of the split's
// first row.
type numberedReader interface{ firstRow() int64 }

// rowFault is what is wrong with a row when the file is not: what follows it
// can be read.
type rowFault struct {
	column  string // "": the row as a whole
	reason  error
	err     error // reason, as a message has it that names no column itself
	spoiled []int // columns whose value may be there in part
}

func (f *rowFault) Error() string { return f.err.Error() }
func (f *rowFault) Unwrap() error { return f.err }

// wholeRow is the fault of a row that is none at all.
func wholeRow(err error) *rowFault { return &rowFault{reason: err, err: err} }

// add notes that a column spoils the row, too; the first fault is the one that
// is told. It may be called on nil.
func (f *rowFault) add(column int, next *rowFault) *rowFault {
	if f == nil {
		f = next
	}
	f.spoiled = append(f.spoiled, column)
	return f
}

// faults makes room for bad rows in a record: builders that hold a part of one
// are cut before it. A nil one takes none.
type faults struct {
	mem   memory.Allocator
	bad   []BadRow        // of the record at hand
	heads [][]arrow.Array // of each column: what was cut off, before what its builder holds
}

func newFaults(mem memory.Allocator, columns int) *faults {
	return &faults{mem: mem, heads: make([][]arrow.Array, columns)}
}

// begin begins a record.
func (f *faults) begin() {
	if f != nil {
		f.bad = nil
	}
}

// take has every builder hold a value for the bad row that err is about, null
// where the row gave none, and returns nil; or another error as it is.
func (f *faults) take(err error, builders []array.Builder, row int) error {
	var fault *rowFault
	if f == nil || !errors.As(err, &fault) {
		return err
	}
	for i, b := range builders {
		if slices.Contains(fault.spoiled, i) && f.length(i)+b.Len() > row {
			f.cut(i, b, row)
		}
		if f.length(i)+b.Len() == row {
			b.AppendNull()
		}
	}
	bad := BadRow{Row: int64(row), Column: fault.column, Offset: -1, Err: fault.reason}
	var place *Error
	if errors.As(err, &place) {
		bad.Offset = place.Offset
	}
	f.bad = append(f.bad, bad)
	return nil
}

func (f *faults) length(column int) (rows int) {
	for _, head := range f.heads[column] {
		rows += head.Len()
	}
	return rows
}

// cut takes what a builder holds of the rows before row, and drops the rest.
func (f *faults) cut(column int, b array.Builder, row int) {
	all := b.NewArray()
	defer all.Release()
	f.heads[column] = append(f.heads[column], array.NewSlice(all, 0, int64(row-f.length(column))))
}

// whole is a column of the record: what was cut off with tail, which it takes
// over, behind it.
func (f *faults) whole(column int, tail arrow.Array) (arrow.Array, error) {
	if f == nil || len(f.heads[column]) == 0 {
		return tail, nil
	}
	parts := append(f.heads[column], tail)
	f.heads[column] = nil
	defer releaseArrays(parts)
	return array.Concatenate(parts, f.mem)
}

func (f *faults) release() {
	if f == nil {
		return
	}
	for i, heads := range f.heads {
		releaseArrays(heads)
		f.heads[i] = nil
	}
}
