package files

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/compute"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// cast converts values to a type; the result is the caller's. A value that the
// type cannot hold is an error, and so is a type that has no such values.
func cast(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), to) {
		a.Retain()
		return a, nil
	}
	switch from := a.(type) {
	case array.ExtensionArray:
		return cast(mem, from.Storage(), to)
	case *array.Struct:
		if t, ok := to.(*arrow.StructType); ok {
			return castStruct(mem, from, t)
		}
	case array.ListLike:
		if t, ok := to.(arrow.ListLikeType); ok && (to.ID() == arrow.MAP) == (a.DataType().ID() == arrow.MAP) {
			return castList(mem, from, t)
		}
	}
	if arrow.IsNested(to.ID()) || arrow.IsNested(a.DataType().ID()) {
		return nil, fmt.Errorf("%s cannot be read as %s", a.DataType(), to)
	}
	out, err := compute.CastArray(compute.WithAllocator(context.Background(), mem), a, compute.SafeCastOptions(to))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as %s: %w", a.DataType(), to, err)
	}
	return out, nil
}

// castStruct converts field by field, by name.
func castStruct(mem memory.Allocator, from *array.Struct, to *arrow.StructType) (arrow.Array, error) {
	var children []arrow.ArrayData
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	have := from.DataType().(*arrow.StructType)
	for _, f := range to.Fields() {
		i, ok := have.FieldIdx(f.Name)
		if !ok {
			return nil, fmt.Errorf("%s cannot be read as %s: there is no field %q", have, to, f.Name)
		}
		child, err := cast(mem, from.Field(i), f.Type)
		if err != nil {
			return nil, err
		}
		defer child.Release()
		child.Data().Retain()
		children = append(children, child.Data())
	}
	validity := validityOf(mem, from)
	data := array.NewData(to, from.Len(), []*memory.Buffer{validity}, children, from.NullN(), 0)
	defer data.Release()
	if validity != nil {
		validity.Release()
	}
	return array.MakeFromData(data), nil
}

// validityOf copies an array's validity to start at bit 0; nil: no nulls.
func validityOf(mem memory.Allocator, a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 || len(a.NullBitmapBytes()) == 0 {
		return nil
	}
	bits := memory.NewResizableBuffer(mem)
	bits.Resize(int(bitutil.BytesForBits(int64(a.Len()))))
	bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), bits.Bytes(), 0)
	return bits
}

// castList converts a list of any form to a list, a list of a fixed size or a
// map, and its values to theirs.
func castList(mem memory.Allocator, from array.ListLike, to arrow.ListLikeType) (arrow.Array, error) {
	if id := to.(arrow.DataType).ID(); id != arrow.LIST && id != arrow.FIXED_SIZE_LIST && id != arrow.MAP {
		return nil, fmt.Errorf("%s cannot be read as %s", from.DataType(), to)
	}
	offsets := growing{mem: mem}
	defer offsets.release()
	first, last, err := listOffsets(&offsets, from)
	if err != nil {
		return nil, err
	}
	part := array.NewSlice(from.ListValues(), first, last)
	defer part.Release()
	child, err := cast(mem, part, to.Elem())
	if err != nil {
		return nil, err
	}
	defer child.Release()
	child.Data().Retain()
	data, err := listOf(mem, to.(arrow.DataType), from.Len(), from.NullN(), validityOf(mem, from), offsets.give(), child.Data())
	if err != nil {
		return nil, err
	}
	defer data.Release()
	return array.MakeFromData(data), nil
}

// listOffsets appends a list's offsets, counted from the first of its values.
// Null lists become empty.
func listOffsets(to *growing, from array.ListLike) (first, last int64, err error) {
	if from.Len() > 0 {
		first, _ = from.ValueOffsets(0)
		_, last = from.ValueOffsets(from.Len() - 1)
	}
	if last-first > 1<<31-1 {
		return 0, 0, fmt.Errorf("%d values in the lists of one batch: ask for fewer rows", last-first)
	}
	ends := arrow.Int32Traits.CastFromBytes(to.extend(4 * (from.Len() + 1)))
	ends[0] = 0
	for i := range from.Len() {
		_, end := from.ValueOffsets(i)
		ends[i+1] = int32(end - first)
	}
	return first, last, nil
}

// listOf makes a list, a fixed-size list or a map. It takes over what it is
// given.
func listOf(mem memory.Allocator, t arrow.DataType, rows, nulls int, validity, offsets *memory.Buffer, child arrow.ArrayData) (arrow.ArrayData, error) {
	fixed, ok := t.(*arrow.FixedSizeListType)
	if !ok {
		return arrayData(t, rows, nulls, []arrow.ArrayData{child}, validity, offsets), nil
	}
	defer offsets.Release()
	ends := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	missing, err := fixedGaps(fixed, ends, validity)
	if err == nil && missing {
		spread, spreadErr := spread(mem, fixed, child, ends)
		if err = spreadErr; err == nil {
			child.Release()
			child = spread
		}
	}
	if err != nil {
		child.Release()
		if validity != nil {
			validity.Release()
		}
		return nil, err
	}
	return arrayData(t, rows, nulls, []arrow.ArrayData{child}, validity), nil
}

// fixedGaps says whether null lists have no values, for which a fixed-size list
// has slots.
func fixedGaps(t *arrow.FixedSizeListType, ends []int32, validity *memory.Buffer) (gaps bool, err error) {
	for i := range len(ends) - 1 {
		switch have := ends[i+1] - ends[i]; {
		case have == t.Len():
		case validity == nil || bitutil.BitIsSet(validity.Bytes(), i):
			return false, fmt.Errorf("a list of %d values where each has %d", have, t.Len())
		default:
			gaps = true
		}
	}
	return gaps, nil
}

// spread puts null values where lists have none.
func spread(mem memory.Allocator, t *arrow.FixedSizeListType, child arrow.ArrayData, ends []int32) (arrow.ArrayData, error) {
	values := array.MakeFromData(child)
	defer values.Release()
	absent := array.MakeArrayOfNull(mem, t.Elem(), int(t.Len()))
	defer absent.Release()
	var parts []arrow.Array
	for i := range len(ends) - 1 {
		part := absent
		if ends[i+1]-ends[i] == t.Len() {
			part = array.NewSlice(values, int64(ends[i]), int64(ends[i+1]))
			defer part.Release()
		}
		parts = append(parts, part)
	}
	whole, err := array.Concatenate(parts, mem)
	if err != nil {
		return nil, err
	}
	defer whole.Release()
	whole.Data().Retain()
	return whole.Data(), nil
}
