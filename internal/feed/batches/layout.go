package batches

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// form is how an array's values lie in its buffers.
type form int

const (
	fixedForm  form = iota // values of a width in bits
	bytesForm              // 32-bit offsets, then bytes
	longForm               // 64-bit offsets, then bytes
	listForm               // 32-bit offsets into a child
	longList               // 64-bit offsets into a child
	fixedList              // width rows of a child for each row
	structForm             // children of the same rows
	nullForm               // no buffer
)

// layout is what lies in memory of a type's arrays
// (arrow.apache.org/docs/format/Columnar.html).
type layout struct {
	form     form
	buffers  int // validity bitmap included
	width    int // fixedForm: bits; fixedList: rows of the child
	children []arrow.DataType
}

// layoutOf returns a type's layout. Types that no feed task sends are an error:
// dictionaries, unions, views, runs.
func layoutOf(t arrow.DataType) (layout, error) {
	switch t := t.(type) {
	case *arrow.NullType:
		return layout{form: nullForm}, nil
	case *arrow.StringType, *arrow.BinaryType:
		return layout{form: bytesForm, buffers: 3}, nil
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return layout{form: longForm, buffers: 3}, nil
	case *arrow.ListType, *arrow.MapType:
		return layout{form: listForm, buffers: 2, children: []arrow.DataType{t.(arrow.ListLikeType).Elem()}}, nil
	case *arrow.LargeListType:
		return layout{form: longList, buffers: 2, children: []arrow.DataType{t.Elem()}}, nil
	case *arrow.FixedSizeListType:
		return layout{form: fixedList, buffers: 1, width: int(t.Len()), children: []arrow.DataType{t.Elem()}}, nil
	case *arrow.StructType:
		one := layout{form: structForm, buffers: 1}
		for _, f := range t.Fields() {
			one.children = append(one.children, f.Type)
		}
		return one, nil
	case *arrow.DictionaryType, arrow.ExtensionType:
	case arrow.FixedWidthDataType:
		return layout{form: fixedForm, buffers: 2, width: t.BitWidth()}, nil
	}
	return layout{}, fmt.Errorf("%s cannot be fed: cast it in the input", t)
}
