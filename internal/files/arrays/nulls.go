package arrays

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// CastField converts a column to a field's type. A null is an error if the
// field is not nullable.
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

// checkNulls returns an error for a null in a column, or in a nested field,
// that is not nullable. A null below another null does not count. visible is
// false for such rows.
func checkNulls(a arrow.Array, f arrow.Field, name string, visible func(i int) bool) error {
	if !f.Nullable && a.NullN() > 0 {
		for i := range a.Len() {
			if a.IsNull(i) && visible(i) {
				return NullError(name)
			}
		}
	}
	below := func(i int) bool { return a.IsValid(i) && visible(i) }
	switch a := a.(type) {
	case *array.Struct:
		for i, child := range f.Type.(*arrow.StructType).Fields() {
			if err := checkNulls(a.Field(i), child, name+"."+child.Name, below); err != nil {
				return err
			}
		}
	case array.ListLike:
		child := f.Type.(arrow.ListLikeType).ElemField()
		return checkNulls(a.ListValues(), child, name+"."+child.Name, visibleElements(a, below))
	}
	return nil
}

// visibleElements returns whether a value of the lists is visible. It is
// computed at the first call, because most columns never need it.
func visibleElements(a array.ListLike, visible func(i int) bool) func(i int) bool {
	var in []bool
	return func(i int) bool {
		if in == nil {
			in = make([]bool, a.ListValues().Len())
			for row := range a.Len() {
				if from, to := a.ValueOffsets(row); visible(row) {
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

// NullError is the error of a null in a column that is declared without nulls.
func NullError(name string) error {
	return fmt.Errorf("column %q: %w", name, ErrNulls)
}
