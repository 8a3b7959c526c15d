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

// Fault says what is wrong with a row of an undamaged file. The rows after it
// can be read.
type Fault struct {
	Column  string // "": the whole row
	Reason  error
	Err     error // Reason with the column's name, for messages
	spoiled []int // indexes of columns whose builders may hold a partial value
}

func (f *Fault) Error() string { return f.Err.Error() }

func (f *Fault) Unwrap() error { return f.Err }

// WholeRow returns the fault of a row that cannot be read at all.
func WholeRow(err error) *Fault { return &Fault{Reason: err, Err: err} }

// AddColumn marks a further column as spoiled and returns the fault. The first
// fault is the one that is reported. f may be nil.
func (f *Fault) AddColumn(column int, next *Fault) *Fault {
	if f == nil {
		f = next
	}
	f.spoiled = append(f.spoiled, column)
	return f
}

// faults keeps bad rows in a record. Values that a bad row left in a builder
// are cut off. A nil *faults accepts no bad row.
type faults struct {
	mem   memory.Allocator
	bad   []codec.BadRow  // of the current record
	heads [][]arrow.Array // per column: the arrays cut off so far, which precede the builder's values
}

func newFaults(mem memory.Allocator, columns int) *faults {
	return &faults{mem: mem, heads: make([][]arrow.Array, columns)}
}

// beginRecord forgets the bad rows of the last record.
func (f *faults) beginRecord() {
	if f != nil {
		f.bad = nil
	}
}

// appendBadRow completes the bad row that err is about: a builder without a
// value for it gets null. It then returns nil. It returns any other error
// unchanged.
func (f *faults) appendBadRow(err error, builders []array.Builder, row int) error {
	var fault *Fault
	if f == nil || !errors.As(err, &fault) {
		return err
	}
	for i, b := range builders {
		if slices.Contains(fault.spoiled, i) && f.rowsCut(i)+b.Len() > row {
			f.cutColumn(i, b, row)
		}
		if f.rowsCut(i)+b.Len() == row {
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

func (f *faults) rowsCut(column int) (rows int) {
	for _, head := range f.heads[column] {
		rows += head.Len()
	}
	return rows
}

// cutColumn moves a builder's values of the rows before row to heads, and drops
// the rest.
func (f *faults) cutColumn(column int, b array.Builder, row int) {
	all := b.NewArray()
	defer all.Release()
	f.heads[column] = append(f.heads[column], array.NewSlice(all, 0, int64(row-f.rowsCut(column))))
}

// joinColumn returns a column of the record: the arrays cut off, then tail. It
// takes over tail.
func (f *faults) joinColumn(column int, tail arrow.Array) (arrow.Array, error) {
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
