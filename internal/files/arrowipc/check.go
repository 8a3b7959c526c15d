package arrowipc

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"tfos/internal/files/codec"
)

// checkRecord checks that a record from a file can be used. The library does
// not check offsets and lengths, and their use would panic.
func checkRecord(r arrow.Record) error {
	for i, a := range r.Columns() {
		if int64(a.Len()) != r.NumRows() {
			return fmt.Errorf("column %s has %d rows, not %d", r.ColumnName(i), a.Len(), r.NumRows())
		}
		if err := checkArray(a.Data()); err != nil {
			return fmt.Errorf("column %s: %w", r.ColumnName(i), err)
		}
	}
	return nil
}

var errLayout = errors.New("its offsets or lengths do not fit its values")

func checkArray(d arrow.ArrayData) error {
	n := d.Offset() + d.Len()
	if d.Len() < 0 || d.Offset() < 0 {
		return errLayout
	}
	if len(d.Buffers()) > 0 && d.Buffers()[0] != nil && d.Buffers()[0].Len() > 0 && d.Buffers()[0].Len() < int(bitutil.BytesForBits(int64(n))) {
		return errLayout
	}
	for _, c := range d.Children() {
		if err := checkArray(c); err != nil {
			return err
		}
	}
	return checkLayout(d, n)
}

func checkLayout(d arrow.ArrayData, n int) error {
	switch t := d.DataType().(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return checkOffsets(d, n, arrow.Int32Traits.CastFromBytes, bufferLen(d, 2))
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return checkOffsets(d, n, arrow.Int64Traits.CastFromBytes, bufferLen(d, 2))
	case *arrow.ListType, *arrow.MapType:
		return checkOffsets(d, n, arrow.Int32Traits.CastFromBytes, d.Children()[0].Len())
	case *arrow.LargeListType:
		return checkOffsets(d, n, arrow.Int64Traits.CastFromBytes, d.Children()[0].Len())
	case *arrow.StringViewType, *arrow.BinaryViewType:
		return checkViews(d, n)
	case *arrow.ListViewType:
		return checkListViews(d, n, arrow.Int32Traits.CastFromBytes)
	case *arrow.LargeListViewType:
		return checkListViews(d, n, arrow.Int64Traits.CastFromBytes)
	case *arrow.RunEndEncodedType:
		return checkRuns(d, n)
	case *arrow.FixedSizeListType:
		if d.Children()[0].Len()/max(1, int(t.Len())) < n {
			return errLayout
		}
	case *arrow.StructType:
		for _, c := range d.Children() {
			if c.Len() < n {
				return errLayout
			}
		}
	case *arrow.DictionaryType:
		return checkIndices(d)
	case arrow.ExtensionType, *arrow.NullType:
	case arrow.FixedWidthDataType:
		if bufferLen(d, 1) < int(bitutil.BytesForBits(int64(n)*int64(t.BitWidth()))) {
			return errLayout
		}
	default:
		return fmt.Errorf("%w: %s", codec.ErrType, t)
	}
	return nil
}

func bufferLen(d arrow.ArrayData, i int) int {
	if i >= len(d.Buffers()) || d.Buffers()[i] == nil {
		return 0
	}
	return d.Buffers()[i].Len()
}

// checkOffsets checks that n offsets do not decrease, and do not exceed limit.
func checkOffsets[T int32 | int64](d arrow.ArrayData, n int, of func([]byte) []T, limit int) error {
	if n == 0 {
		return nil
	}
	if bufferLen(d, 1) == 0 {
		return errLayout
	}
	offsets := of(d.Buffers()[1].Bytes())
	if len(offsets) < n+1 || offsets[0] < 0 || int64(offsets[n]) > int64(limit) {
		return errLayout
	}
	for i := range n {
		if offsets[i] > offsets[i+1] {
			return errLayout
		}
	}
	return nil
}

// checkViews checks that n views point into their buffers. A view below a null
// may be anything, because nobody reads it.
func checkViews(d arrow.ArrayData, n int) error {
	const size = arrow.ViewHeaderSizeBytes
	if bufferLen(d, 1) < n*size {
		return errLayout
	}
	var views []arrow.ViewHeader
	if n > 0 {
		views = arrow.ViewHeaderTraits.CastFromBytes(d.Buffers()[1].Bytes()[:n*size])
	}
	for i := range views {
		v := &views[i]
		if !validAt(d, i) {
			continue
		}
		if v.Len() < 0 {
			return errLayout
		}
		if v.IsInline() {
			continue
		}
		buffer, from := int64(v.BufferIndex())+2, int64(v.BufferOffset())
		if buffer < 2 || buffer >= int64(len(d.Buffers())) || from < 0 || from+int64(v.Len()) > int64(bufferLen(d, int(buffer))) {
			return errLayout
		}
	}
	return nil
}

// validAt reports whether the i-th slot of the buffers is not null.
func validAt(d arrow.ArrayData, i int) bool {
	return bufferLen(d, 0) == 0 || bitutil.BitIsSet(d.Buffers()[0].Bytes(), i)
}

// checkListViews checks that n offsets and sizes lie within the list's values.
func checkListViews[T int32 | int64](d arrow.ArrayData, n int, of func([]byte) []T) error {
	if n == 0 {
		return nil
	}
	if bufferLen(d, 1) == 0 || bufferLen(d, 2) == 0 {
		return errLayout
	}
	offsets, sizes := of(d.Buffers()[1].Bytes()), of(d.Buffers()[2].Bytes())
	limit := int64(d.Children()[0].Len())
	if len(offsets) < n || len(sizes) < n {
		return errLayout
	}
	for i := range n {
		from, size := int64(offsets[i]), int64(sizes[i])
		if validAt(d, i) && (from < 0 || size < 0 || from > limit || size > limit-from) {
			return errLayout
		}
	}
	return nil
}

// checkRuns checks that run ends increase and cover n rows, and that each run
// has a value.
func checkRuns(d arrow.ArrayData, n int) error {
	ends := array.MakeFromData(d.Children()[0])
	defer ends.Release()
	last := int64(0)
	for i := range ends.Len() {
		var end int64
		switch a := ends.(type) {
		case *array.Int16:
			end = int64(a.Value(i))
		case *array.Int32:
			end = int64(a.Value(i))
		case *array.Int64:
			end = a.Value(i)
		default:
			return errLayout
		}
		if end <= last {
			return errLayout
		}
		last = end
	}
	if last < int64(n) || d.Children()[1].Len() < ends.Len() {
		return errLayout
	}
	return nil
}

// checkIndices checks that the indices lie within the dictionary.
func checkIndices(d arrow.ArrayData) error {
	a := array.NewDictionaryData(d)
	defer a.Release()
	limit := a.Dictionary().Len()
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		if at := a.GetValueIndex(i); at < 0 || at >= limit {
			return errLayout
		}
	}
	return checkArray(a.Dictionary().Data())
}
