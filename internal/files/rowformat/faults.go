package rowformat

import (
	"errors"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// Fault is what is wrong with a row when the file is not: what follows it
// can be read.
type Fault struct {
	Column  string // "": the row as a whole
	Reason  error
	Err     error // reason, as a message has it that names no column itself
	spoiled []int // filestest.Columns whose value may be there in part
}

func (f *Fault) Error() string { return f.Err.Error() }

func (f *Fault) Unwrap() error { return f.Err }

// WholeRow is the fault of a row that is none at all.
func WholeRow(err error) *Fault { return &Fault{Reason: err, Err: err} }

// Add notes that a column spoils the row, too; the first fault is the one that
// is told. It may be called on nil.
func (f *Fault) Add(column int, next *Fault) *Fault {
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
	bad   []codec.BadRow  // of the record at hand
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
	var fault *Fault
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
	bad := codec.BadRow{Row: int64(row), Column: fault.Column, Offset: -1, Err: fault.Reason}
	var place *codec.Error
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
	defer arrays.ReleaseArrays(parts)
	return array.Concatenate(parts, f.mem)
}

func (f *faults) release() {
	if f == nil {
		return
	}
	for i, heads := range f.heads {
		arrays.ReleaseArrays(heads)
		f.heads[i] = nil
	}
}
