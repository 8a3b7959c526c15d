package files

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

// checkRecord looks that a record from a file can be used: the library takes
// offsets and lengths on trust, and whoever used them would panic.
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
	if err := checkLayout(d, n); err != nil {
		return err
	}
	for _, c := range d.Children() {
		if err := checkArray(c); err != nil {
			return err
		}
	}
	return nil
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
		return fmt.Errorf("%w: %s", ErrType, t)
	}
	return nil
}

func bufferLen(d arrow.ArrayData, i int) int {
	if i >= len(d.Buffers()) || d.Buffers()[i] == nil {
		return 0
	}
	return d.Buffers()[i].Len()
}

// checkOffsets looks that n offsets go up to no more than limit.
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

// checkIndices looks that a dictionary array points into its dictionary.
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
