package arrays

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/compute"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Cast converts an array to a type. The caller releases the result. A value
// that the type cannot hold is an error, and so is an unsuitable type. Only
// floats are rounded.
func Cast(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	return Caster{Mem: mem, Scalar: castScalar}.Cast(a, to)
}

// Caster converts nested arrays. Scalar converts the other ones.
type Caster struct {
	Mem    memory.Allocator
	Scalar func(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error)
	Dense  bool // also drop hidden values below null lists that already have the wanted type
}

func (c Caster) Cast(a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), to) && !(c.Dense && arrow.IsNested(to.ID())) {
		a.Retain()
		return a, nil
	}
	switch from := a.(type) {
	case array.ExtensionArray:
		return c.Cast(from.Storage(), to)
	case *array.RunEndEncoded, array.ViewLike:
		return c.castStored(a, to)
	case *array.Dictionary:
		if !arrow.TypeEqual(from.Dictionary().DataType(), plainType(from.Dictionary().DataType())) {
			return c.castStored(a, to)
		}
	case *array.Struct:
		if t, ok := to.(*arrow.StructType); ok {
			return c.castStruct(from, t)
		}
	case array.ListLike:
		if t, ok := to.(arrow.ListLikeType); ok && (to.ID() == arrow.MAP) == (a.DataType().ID() == arrow.MAP) {
			return c.castList(from, t)
		}
	}
	if arrow.IsNested(to.ID()) || arrow.IsNested(a.DataType().ID()) {
		return nil, fmt.Errorf("%s cannot be read as %s", a.DataType(), to)
	}
	return c.Scalar(c.Mem, a, to)
}

// castScalar converts an array that is not nested.
func castScalar(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if !keepsMeaning(a.DataType(), to) {
		return nil, fmt.Errorf("%s cannot be read as %s", a.DataType(), to)
	}
	if value := textOf(a); value != nil {
		b := array.NewBuilder(mem, to)
		defer b.Release()
		if appendText := AppendNumber(b); appendText != nil { // the library reads 010 as 8
			return castText(a, value, b, appendText)
		}
	}
	out, err := compute.CastArray(compute.WithAllocator(context.Background(), mem), a, compute.SafeCastOptions(to))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as %s: %w", a.DataType(), to, err)
	}
	if err := checkFinite(a, out); err != nil {
		out.Release()
		return nil, fmt.Errorf("%s cannot be read as %s: %w", a.DataType(), to, err)
	}
	return out, nil
}

// textOf returns the values of an array of text or bytes, and nil for other
// arrays.
func textOf(a arrow.Array) func(i int) []byte {
	switch a := a.(type) {
	case interface{ Value(int) string }:
		return func(i int) []byte { return []byte(a.Value(i)) }
	case interface{ Value(int) []byte }:
		return a.Value
	}
	return nil
}

// castText reads numbers by the rules of the text formats.
func castText(a arrow.Array, value func(int) []byte, b array.Builder, appendText func([]byte) error) (arrow.Array, error) {
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
		} else if err := appendText(value(i)); err != nil {
			return nil, fmt.Errorf("%s cannot be read as %s: %w", a.DataType(), b.Type(), err)
		}
	}
	return b.NewArray(), nil
}

// keepsMeaning reports whether a conversion keeps the meaning of values. The
// library would also convert 5 to true, and a timestamp to a date.
func keepsMeaning(from, to arrow.DataType) bool {
	if dict, ok := from.(*arrow.DictionaryType); ok {
		from = dict.ValueType
	}
	number := func(t arrow.DataType) bool {
		return arrow.IsInteger(t.ID()) || arrow.IsFloating(t.ID()) || arrow.IsDecimal(t.ID())
	}
	text := func(t arrow.DataType) bool {
		return arrow.IsBaseBinary(t.ID()) || t.ID() == arrow.FIXED_SIZE_BINARY
	}
	date := func(t arrow.DataType) bool { return t.ID() == arrow.DATE32 || t.ID() == arrow.DATE64 }
	clock := func(t arrow.DataType) bool { return t.ID() == arrow.TIME32 || t.ID() == arrow.TIME64 }
	switch {
	case from.ID() == to.ID(), from.ID() == arrow.NULL, text(from), text(to):
		return true
	case number(from) || from.ID() == arrow.BOOL:
		return number(to) || arrow.IsInteger(from.ID()) && (date(to) || clock(to) || to.ID() == arrow.TIMESTAMP || to.ID() == arrow.DURATION)
	case date(from):
		return date(to) || to.ID() == arrow.TIMESTAMP || arrow.IsInteger(to.ID())
	}
	return clock(from) && clock(to) || arrow.IsInteger(to.ID())
}

// checkFinite returns an error if a finite double became an infinite float.
func checkFinite(from, to arrow.Array) error {
	floats, is := to.(*array.Float32)
	doubles, was := from.(*array.Float64)
	if !is || !was {
		return nil
	}
	for i, v := range floats.Float32Values() {
		if math.IsInf(float64(v), 0) && to.IsValid(i) && !math.IsInf(doubles.Value(i), 0) {
			return fmt.Errorf("%v is beyond its range", doubles.Value(i))
		}
	}
	return nil
}

// castStruct converts a struct field by field, by name.
func (c Caster) castStruct(from *array.Struct, to *arrow.StructType) (arrow.Array, error) {
	var children []arrow.ArrayData
	defer func() {
		for _, child := range children {
			child.Release()
		}
	}()
	have := from.DataType().(*arrow.StructType)
	for _, f := range to.Fields() {
		i, ok := have.FieldIdx(f.Name)
		if !ok {
			return nil, fmt.Errorf("%s cannot be read as %s: there is no field %q", have, to, f.Name)
		}
		child, err := c.Cast(from.Field(i), f.Type)
		if err != nil {
			return nil, err
		}
		defer child.Release()
		child.Data().Retain()
		children = append(children, child.Data())
	}
	validity := validityOf(c.Mem, from)
	data := array.NewData(to, from.Len(), []*memory.Buffer{validity}, children, from.NullN(), 0)
	defer data.Release()
	if validity != nil {
		validity.Release()
	}
	return array.MakeFromData(data), nil
}

// validityOf copies an array's validity bitmap so that it starts at bit 0. nil
// means no nulls.
func validityOf(mem memory.Allocator, a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 || len(a.NullBitmapBytes()) == 0 {
		return nil
	}
	bits := memory.NewResizableBuffer(mem)
	bits.Resize(int(bitutil.BytesForBits(int64(a.Len()))))
	bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), bits.Bytes(), 0)
	return bits
}

// castList converts any list to a list, a fixed-size list or a map, and its
// values to their type. Values below null lists are dropped.
func (c Caster) castList(from array.ListLike, to arrow.ListLikeType) (arrow.Array, error) {
	if id := to.(arrow.DataType).ID(); id != arrow.LIST && id != arrow.FIXED_SIZE_LIST && id != arrow.MAP {
		return nil, fmt.Errorf("%s cannot be read as %s", from.DataType(), to)
	}
	offsets := Buffer{Mem: c.Mem}
	defer offsets.Release()
	if err := listOffsets(&offsets, from); err != nil {
		return nil, err
	}
	values, err := listValues(c.Mem, from)
	if err != nil {
		return nil, err
	}
	defer values.Release()
	child, err := c.Cast(values, to.Elem())
	if err != nil {
		return nil, err
	}
	defer child.Release()
	child.Data().Retain()
	data, err := ListOf(c.Mem, to.(arrow.DataType), from.Len(), from.NullN(), validityOf(c.Mem, from), offsets.Detach(), child.Data())
	if err != nil {
		return nil, err
	}
	defer data.Release()
	return array.MakeFromData(data), nil
}

// listOffsets appends the offsets of lists. Null lists are empty.
func listOffsets(to *Buffer, from array.ListLike) error {
	ends := arrow.Int32Traits.CastFromBytes(to.Extend(4 * (from.Len() + 1)))
	ends[0] = 0
	filled := int64(0)
	for i := range from.Len() {
		if from.IsValid(i) {
			begin, end := from.ValueOffsets(i)
			filled += end - begin
		}
		if filled > math.MaxInt32 {
			return errors.New("more than 2^31 values in the lists of one batch: ask for fewer rows")
		}
		ends[i+1] = int32(filled)
	}
	return nil
}

// listValues returns the values of lists without the values below null lists.
// It copies only if there are such values. The caller releases the result.
func listValues(mem memory.Allocator, from array.ListLike) (arrow.Array, error) {
	var runs [][2]int64 // ranges of adjacent values
	for i := range from.Len() {
		begin, end := from.ValueOffsets(i)
		switch last := len(runs) - 1; {
		case from.IsNull(i) || begin == end:
		case last >= 0 && runs[last][1] == begin:
			runs[last][1] = end
		default:
			runs = append(runs, [2]int64{begin, end})
		}
	}
	switch len(runs) {
	case 0:
		return array.NewSlice(from.ListValues(), 0, 0), nil
	case 1:
		return array.NewSlice(from.ListValues(), runs[0][0], runs[0][1]), nil
	}
	var parts []arrow.Array
	defer func() { ReleaseArrays(parts) }()
	for _, run := range runs {
		parts = append(parts, array.NewSlice(from.ListValues(), run[0], run[1]))
	}
	return array.Concatenate(parts, mem)
}

// ListOf builds a list, a fixed-size list or a map. It takes over the buffers
// and the child, also after an error.
func ListOf(mem memory.Allocator, t arrow.DataType, rows, nulls int, validity, offsets *memory.Buffer, child arrow.ArrayData) (arrow.ArrayData, error) {
	fixed, ok := t.(*arrow.FixedSizeListType)
	if !ok {
		return ArrayData(t, rows, nulls, []arrow.ArrayData{child}, validity, offsets), nil
	}
	defer offsets.Release()
	ends := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	missing, err := fixedGaps(fixed, ends, validity)
	if err == nil && missing {
		spread, spreadErr := fillGaps(mem, fixed, child, ends)
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
	return ArrayData(t, rows, nulls, []arrow.ArrayData{child}, validity), nil
}

// fixedGaps reports whether null lists have no values. A fixed-size list needs
// values there.
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

// fillGaps inserts null values for the lists that have none.
func fillGaps(mem memory.Allocator, t *arrow.FixedSizeListType, child arrow.ArrayData, ends []int32) (arrow.ArrayData, error) {
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
