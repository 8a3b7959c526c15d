package arrowipc

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

func buffer(b ...byte) *memory.Buffer  { return memory.NewBufferBytes(b) }
func shorts(v ...int16) *memory.Buffer { return buffer(arrow.Int16Traits.CastToBytes(v)...) }
func ints(v ...int32) *memory.Buffer   { return buffer(arrow.Int32Traits.CastToBytes(v)...) }
func longs(v ...int64) *memory.Buffer  { return buffer(arrow.Int64Traits.CastToBytes(v)...) }

// view is a view of size bytes in a buffer.
func view(size, at, offset int32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(at))
	return binary.LittleEndian.AppendUint32(b, uint32(offset))
}

// TestCheckArray: of each layout, what fits, and what would be read beyond a
// buffer or a child.
func TestCheckArray(t *testing.T) {
	data := func(dt arrow.DataType, n int, buffers []*memory.Buffer, children ...arrow.ArrayData) arrow.ArrayData {
		return array.NewData(dt, n, append([]*memory.Buffer{nil}, buffers...), children, 0, 0)
	}
	with := func(valid byte, d arrow.ArrayData) arrow.ArrayData {
		d.Buffers()[0] = buffer(valid)
		return d
	}
	i8, i64, text := arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	bytes := func(n int) arrow.ArrayData { return data(i8, n, []*memory.Buffer{buffer(make([]byte, n)...)}) }
	abc, zeros := buffer([]byte("abcdef")...), buffer(make([]byte, 13)...)
	strings := func(n int, offsets *memory.Buffer) arrow.ArrayData {
		return data(text, n, []*memory.Buffer{offsets, abc})
	}
	views := func(n int, b []byte, more ...*memory.Buffer) arrow.ArrayData {
		return data(arrow.BinaryTypes.StringView, n, append([]*memory.Buffer{buffer(b...)}, more...))
	}
	listViews := func(n int, offsets, sizes *memory.Buffer) arrow.ArrayData {
		return data(arrow.ListViewOf(i8), n, []*memory.Buffer{offsets, sizes}, bytes(3))
	}
	runs := func(n int, values int, ends ...int32) arrow.ArrayData {
		return array.NewData(arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, i8), n, []*memory.Buffer{nil}, []arrow.ArrayData{data(arrow.PrimitiveTypes.Int32, len(ends), []*memory.Buffer{ints(ends...)}), bytes(values)}, 0, 0)
	}
	dictionary := func(valid byte, dict arrow.ArrayData, indices ...byte) arrow.ArrayData {
		return array.NewDataWithDictionary(&arrow.DictionaryType{IndexType: i8, ValueType: dict.DataType()}, len(indices), []*memory.Buffer{buffer(valid), buffer(indices...)}, array.UnknownNullCount, 0, dict.(*array.Data))
	}
	nine := buffer(make([]byte, 9)...)
	for name, c := range map[string]struct {
		d    arrow.ArrayData
		fits bool
	}{
		"numbers":                   {data(i64, 3, []*memory.Buffer{longs(1, 2, 3)}), true},
		"numbers, too few":          {data(i64, 3, []*memory.Buffer{longs(1, 2)}), false},
		"numbers, without a buffer": {array.NewData(i64, 3, []*memory.Buffer{nil, nil}, nil, 0, 0), false},
		"numbers, no buffers":       {array.NewData(i64, 3, nil, nil, 0, 0), false},
		"numbers of an offset":      {array.NewData(i64, 2, []*memory.Buffer{nil, longs(1, 2)}, nil, 0, 1), false},
		"fewer than no numbers":     {data(i64, -1, []*memory.Buffer{longs(1, 2)}), false},
		"an offset before them":     {array.NewData(i64, 2, []*memory.Buffer{nil, longs(1, 2)}, nil, 0, -1), false},
		"bits":                      {data(arrow.FixedWidthTypes.Boolean, 9, []*memory.Buffer{buffer(1, 2)}), true},
		"bits, too few":             {data(arrow.FixedWidthTypes.Boolean, 9, []*memory.Buffer{buffer(1)}), false},
		"nulls":                     {array.NewData(i8, 9, []*memory.Buffer{buffer(0, 0), nine}, nil, 9, 0), true},
		"nulls, too few":            {array.NewData(i8, 9, []*memory.Buffer{buffer(0), nine}, nil, 9, 0), false},
		"nulls, an empty buffer":    {array.NewData(i8, 9, []*memory.Buffer{buffer(), nine}, nil, 0, 0), true},
		"only nulls":                {array.NewData(arrow.Null, 9, []*memory.Buffer{nil}, nil, 9, 0), true},

		"strings":                      {strings(2, ints(0, 2, 6)), true},
		"strings that go back":         {strings(2, ints(0, 5, 2)), false},
		"strings beyond":               {strings(2, ints(0, 2, 7)), false},
		"strings before":               {strings(2, ints(-1, 2, 3)), false},
		"strings, too few":             {strings(2, ints(0, 2)), false},
		"strings, no offsets":          {strings(2, nil), false},
		"strings, none":                {strings(0, nil), true},
		"large strings":                {data(arrow.BinaryTypes.LargeString, 2, []*memory.Buffer{longs(0, 2, 6), abc}), true},
		"large strings beyond":         {data(arrow.BinaryTypes.LargeBinary, 2, []*memory.Buffer{longs(0, 2, 7), abc}), false},
		"lists":                        {data(arrow.ListOf(i8), 2, []*memory.Buffer{ints(0, 2, 3)}, bytes(3)), true},
		"lists beyond":                 {data(arrow.ListOf(i8), 2, []*memory.Buffer{ints(0, 2, 4)}, bytes(3)), false},
		"large lists":                  {data(arrow.LargeListOf(i8), 2, []*memory.Buffer{longs(0, 2, 3)}, bytes(3)), true},
		"large lists beyond":           {data(arrow.LargeListOf(i8), 2, []*memory.Buffer{longs(0, 2, 4)}, bytes(3)), false},
		"lists of strings beyond":      {data(arrow.ListOf(text), 2, []*memory.Buffer{ints(0, 1, 2)}, strings(2, ints(0, 2, 7))), false},
		"fixed-size lists":             {data(arrow.FixedSizeListOf(2, i8), 3, nil, bytes(6)), true},
		"fixed-size lists, too few":    {data(arrow.FixedSizeListOf(2, i8), 3, nil, bytes(5)), false},
		"structs":                      {data(arrow.StructOf(arrow.Field{Name: "a", Type: i8}), 3, nil, bytes(3)), true},
		"structs, too few":             {data(arrow.StructOf(arrow.Field{Name: "a", Type: i8}), 3, nil, bytes(2)), false},
		"a type that is not supported": {data(arrow.DenseUnionOf([]arrow.Field{{Name: "a", Type: i8}}, []int8{0}), 1, []*memory.Buffer{buffer(0), ints(0)}, bytes(1)), false},

		"views, inline":         {views(2, append(view(12, 99, 99), view(0, 0, 0)...)), true},
		"views":                 {views(1, view(13, 0, 0), zeros), true},
		"views of more bytes":   {views(1, view(14, 0, 0), zeros), false},
		"views beyond":          {views(1, view(13, 0, 1), zeros), false},
		"views before":          {views(1, view(13, 0, -1), zeros), false},
		"views of no buffer":    {views(1, view(13, 1, 0), zeros), false},
		"views of the views":    {views(1, view(13, -1, 0), zeros), false},
		"views of less than 0":  {views(1, view(-1, 0, 0), zeros), false},
		"views, too few":        {views(2, view(3, 0, 0)), false},
		"views, none":           {views(0, nil), true},
		"views, a null":         {with(0b10, views(2, append(view(-1, 7, 7), view(13, 0, 0)...), zeros)), true},
		"views, the other null": {with(0b01, views(2, append(view(-1, 7, 7), view(13, 0, 0)...), zeros)), false},

		"list views":                {listViews(2, ints(2, 0), ints(1, 3)), true},
		"list views at the end":     {listViews(1, ints(3), ints(0)), true},
		"list views of more":        {listViews(2, ints(2, 0), ints(2, 3)), false},
		"list views beyond":         {listViews(1, ints(4), ints(0)), false},
		"list views before":         {listViews(1, ints(-1), ints(1)), false},
		"list views of less than 0": {listViews(1, ints(1), ints(-1)), false},
		"list views, few offsets":   {listViews(2, ints(0), ints(1, 1)), false},
		"list views, few sizes":     {listViews(2, ints(0, 1), ints(1)), false},
		"list views, no offsets":    {listViews(1, nil, ints(1)), false},
		"list views, no sizes":      {listViews(1, ints(1), nil), false},
		"list views, none":          {listViews(0, nil, nil), true},
		"list views, a null":        {with(0b10, listViews(2, ints(9, 0), ints(1, 3))), true},
		"large list views":          {data(arrow.LargeListViewOf(i8), 1, []*memory.Buffer{longs(0), longs(3)}, bytes(3)), true},
		"large list views of more":  {data(arrow.LargeListViewOf(i8), 1, []*memory.Buffer{longs(0), longs(4)}, bytes(3)), false},

		"runs":                {runs(3, 2, 2, 3), true},
		"runs of fewer rows":  {runs(4, 2, 2, 3), false},
		"runs of no rows":     {runs(3, 2, 2, 2), false},
		"a first run of none": {runs(3, 2, 0, 3), false},
		"runs that go back":   {runs(2, 2, 3, 2), false},
		"runs, few values":    {runs(3, 1, 2, 3), false},
		"short runs":          {array.NewData(arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int16, i8), 3, []*memory.Buffer{nil}, []arrow.ArrayData{data(arrow.PrimitiveTypes.Int16, 1, []*memory.Buffer{shorts(3)}), bytes(1)}, 0, 0), true},
		"long runs":           {array.NewData(arrow.RunEndEncodedOf(i64, i8), 3, []*memory.Buffer{nil}, []arrow.ArrayData{data(i64, 1, []*memory.Buffer{longs(3)}), bytes(1)}, 0, 0), true},

		"indices":                         {dictionary(0b11, bytes(2), 0, 1), true},
		"indices beyond":                  {dictionary(0b11, bytes(2), 0, 2), false},
		"indices before":                  {dictionary(0b11, bytes(2), 0, 0xff), false},
		"indices, a null":                 {dictionary(0b10, bytes(2), 9, 1), true},
		"indices, the other null":         {dictionary(0b01, bytes(2), 9, 1), false},
		"indices of a damaged dictionary": {dictionary(0b11, data(arrow.FixedWidthTypes.Boolean, 9, []*memory.Buffer{buffer(1)}), 0, 0), false},
	} {
		err := codec.RecoverPanic(func() error { return checkArray(c.d) })
		if damaged := errors.Is(err, errLayout) || errors.Is(err, codec.ErrType); err == nil != c.fits || damaged == c.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckRecord: a damaged column is named.
func TestCheckRecord(t *testing.T) {
	bits := array.NewData(arrow.FixedWidthTypes.Boolean, 9, []*memory.Buffer{nil, buffer(1)}, nil, 0, 0)
	a := array.NewBooleanData(bits)
	defer a.Release()
	r := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "short", Type: a.DataType()}}, nil), []arrow.Array{a}, 9)
	defer r.Release()
	if err := checkRecord(r); !errors.Is(err, errLayout) || err.Error() != "column short: "+errLayout.Error() {
		t.Error(err)
	}
}
