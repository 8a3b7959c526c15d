package arrays

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// CastField converts a column to a field, which may have no nulls.
func CastField(mem memory.Allocator, a arrow.Array, f arrow.Field) (arrow.Array, error) {
	out, err := Cast(mem, a, f.Type)
	if err != nil {
		return nil, err
	}
	if err := checkNulls(out, f, f.Name, func(int) bool { return true }); err != nil {
		out.Release()
		return nil, err
	}
	return out, nil
}

// checkNulls looks for nulls where a column, or what is in it, has none. What is
// under a null, where shown is false, does not count: it is no value.
func checkNulls(a arrow.Array, f arrow.Field, name string, shown func(i int) bool) error {
	if !f.Nullable && a.NullN() > 0 {
		for i := range a.Len() {
			if a.IsNull(i) && shown(i) {
				return NullError(name)
			}
		}
	}
	below := func(i int) bool { return a.IsValid(i) && shown(i) }
	switch a := a.(type) {
	case *array.Struct:
		for i, child := range f.Type.(*arrow.StructType).Fields() {
			if err := checkNulls(a.Field(i), child, name+"."+child.Name, below); err != nil {
				return err
			}
		}
	case array.ListLike:
		child := f.Type.(arrow.ListLikeType).ElemField()
		return checkNulls(a.ListValues(), child, name+"."+child.Name, elements(a, below))
	}
	return nil
}

// elements says of the values of lists which are shown. Most columns never ask.
func elements(a array.ListLike, shown func(i int) bool) func(i int) bool {
	var in []bool
	return func(i int) bool {
		if in == nil {
			in = make([]bool, a.ListValues().Len())
			for row := range a.Len() {
				if from, to := a.ValueOffsets(row); shown(row) {
					for k := from; k < to; k++ {
						in[k] = true
					}
				}
			}
		}
		return in[i]
	}
}

var ErrNulls = errors.New("null, and the schema declares that it has none")

// NullError is of a column that is declared to hold no null.
func NullError(name string) error {
	return fmt.Errorf("column %q: %w", name, ErrNulls)
}
