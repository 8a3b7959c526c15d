package engine

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
)

// column makes an array from JSON on a checked allocator.
func column(t *testing.T, mem memory.Allocator, dt arrow.DataType, json string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(mem, dt, strings.NewReader(json), array.WithUseNumber())
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	t.Cleanup(a.Release)
	return a
}

// allocator fails the test if Arrow memory is left at the test's end.
func allocator(t *testing.T) memory.Allocator {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

func input(d model.DType, shape ...int64) model.Input {
	return model.Input{Tensor: model.Tensor{Alias: "x", Name: "x:0", Type: d, Shape: shape}, Column: "c"}
}

func anyRank(d model.DType) model.Input {
	in := input(d)
	in.UnknownRank = true
	return in
}

var (
	f32 = arrow.PrimitiveTypes.Float32
	f64 = arrow.PrimitiveTypes.Float64
	i32 = arrow.PrimitiveTypes.Int32
	i64 = arrow.PrimitiveTypes.Int64
	u8  = arrow.PrimitiveTypes.Uint8
	u64 = arrow.PrimitiveTypes.Uint64
	str = arrow.BinaryTypes.String
)

// nested returns a tensor as slices of slices.
func nested(t *testing.T, tensor *tensor) any {
	t.Helper()
	n := int(elementCount(tensor.shape()))
	var flat reflect.Value
	if d := tensor.dtype(); d == model.String {
		texts := []string{}
		for _, s := range tensor.texts() {
			texts = append(texts, string(s))
		}
		flat = reflect.ValueOf(texts)
	} else {
		element, ok := map[model.DType]any{model.Float32: float32(0), model.Float64: float64(0), model.Int32: int32(0), model.Int64: int64(0),
			model.Uint8: uint8(0), model.Uint32: uint32(0), model.Uint64: uint64(0), model.Bool: false}[d]
		if !ok {
			t.Fatalf("a tensor of %s", d)
		}
		flat = reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(element)), n, n)
		if have := copy(unsafe.Slice((*byte)(flat.UnsafePointer()), n*int(reflect.TypeOf(element).Size())), tensor.bytes()); have != len(tensor.bytes()) {
			t.Fatalf("%d bytes of %d elements of %s", len(tensor.bytes()), n, d)
		}
	}
	shape := tensor.shape()
	for level := len(shape) - 1; level > 0; level-- {
		count := int(elementCount(shape[:level]))
		outer := reflect.MakeSlice(reflect.SliceOf(flat.Type()), count, count)
		for i := range count {
			from := i * int(shape[level])
			outer.Index(i).Set(flat.Slice(from, from+int(shape[level])))
		}
		flat = outer
	}
	return flat.Interface()
}

func TestColumnBecomesTensor(t *testing.T) {
	tests := map[string]struct {
		column arrow.DataType
		json   string
		in     model.Input
		want   any
	}{
		"flat":                     {f32, `[1, 2.5]`, input(model.Float32, -1), []float32{1, 2.5}},
		"flat to a column vector":  {f32, `[1, 2.5]`, input(model.Float32, -1, 1), [][]float32{{1}, {2.5}}},
		"list":                     {arrow.ListOf(f32), `[[1,2],[3,4]]`, input(model.Float32, -1, 2), [][]float32{{1, 2}, {3, 4}}},
		"lists of one":             {arrow.ListOf(f32), `[[1],[2]]`, input(model.Float32, -1, 1), [][]float32{{1}, {2}}},
		"lists of one, no rank":    {arrow.ListOf(f32), `[[1],[2]]`, anyRank(model.Float32), [][]float32{{1}, {2}}},
		"lists of one, flat":       {arrow.ListOf(f32), `[[1],[2]]`, input(model.Float32, -1), []float32{1, 2}},
		"list of free length":      {arrow.ListOf(f32), `[[1,2],[3,4]]`, input(model.Float32, -1, -1), [][]float32{{1, 2}, {3, 4}}},
		"list, rank unknown":       {arrow.ListOf(f32), `[[1,2],[3,4]]`, anyRank(model.Float32), [][]float32{{1, 2}, {3, 4}}},
		"list reshaped":            {arrow.ListOf(i64), `[[1,2,3,4],[5,6,7,8]]`, input(model.Int64, -1, 2, 2), [][][]int64{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}},
		"fixed list":               {arrow.FixedSizeListOf(2, f32), `[[1,2],[3,4]]`, input(model.Float32, -1, 2), [][]float32{{1, 2}, {3, 4}}},
		"large list":               {arrow.LargeListOf(f32), `[[1,2],[3,4]]`, input(model.Float32, -1, 2), [][]float32{{1, 2}, {3, 4}}},
		"nested lists":             {arrow.ListOf(arrow.ListOf(f32)), `[[[1],[2]],[[3],[4]]]`, input(model.Float32, -1, -1, 1), [][][]float32{{{1}, {2}}, {{3}, {4}}}},
		"nested lists reshaped":    {arrow.ListOf(arrow.ListOf(f32)), `[[[1],[2]],[[3],[4]]]`, input(model.Float32, -1, 1, 2, 1), [][][][]float32{{{{1}, {2}}}, {{{3}, {4}}}}},
		"empty lists":              {arrow.ListOf(f32), `[[],[]]`, input(model.Float32, -1, -1), [][]float32{{}, {}}},
		"bool":                     {arrow.FixedWidthTypes.Boolean, `[true,false,true]`, input(model.Bool, -1), []bool{true, false, true}},
		"string":                   {str, `["a","ü",""]`, input(model.String, -1), []string{"a", "ü", ""}},
		"binary":                   {arrow.BinaryTypes.Binary, `["AAE=","Ag=="]`, input(model.String, -1), []string{"\x00\x01", "\x02"}},
		"large string":             {arrow.BinaryTypes.LargeString, `["a"]`, input(model.String, -1), []string{"a"}},
		"list of strings":          {arrow.ListOf(str), `[["a","b"],["c","d"]]`, input(model.String, -1, 2), [][]string{{"a", "b"}, {"c", "d"}}},
		"list of strings reshaped": {arrow.ListOf(str), `[["a","b"],["c","d"]]`, input(model.String, -1, 2, 1), [][][]string{{{"a"}, {"b"}}, {{"c"}, {"d"}}}},
		"int64 to int32":           {i64, `[1,-2147483648]`, input(model.Int32, -1), []int32{1, -2147483648}},
		"int32 to int64":           {i32, `[1,-2]`, input(model.Int64, -1), []int64{1, -2}},
		"int64 to uint8":           {i64, `[0,255]`, input(model.Uint8, -1), []uint8{0, 255}},
		"uint64 to int64":          {u64, `[9223372036854775807]`, input(model.Int64, -1), []int64{9223372036854775807}},
		"uint32":                   {arrow.PrimitiveTypes.Uint32, `[4294967295]`, input(model.Uint32, -1), []uint32{4294967295}},
		"uint64 by rank":           {arrow.ListOf(u64), `[[1,18446744073709551615]]`, input(model.Uint64, -1, 2), [][]uint64{{1, 18446744073709551615}}},
		"uint8 to float32":         {arrow.ListOf(u8), `[[0,255]]`, input(model.Float32, -1, 2), [][]float32{{0, 255}}},
		"int32 to float64":         {i32, `[-2147483648]`, input(model.Float64, -1), []float64{-2147483648}},
		"float32 to float64":       {f32, `[0.5]`, input(model.Float64, -1), []float64{0.5}},
		"no rows":                  {f32, `[]`, input(model.Float32, -1), []float32{}},
		"no rows of lists":         {arrow.ListOf(f32), `[]`, input(model.Float32, -1, 2), [][]float32{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tensor, err := toTensor(column(t, allocator(t), tt.column, tt.json), tt.in)
			if err != nil {
				t.Fatal(err)
			}
			defer tensor.free()
			if have := nested(t, tensor); !reflect.DeepEqual(have, tt.want) {
				t.Errorf("have %#v of shape %v, want %#v", have, tensor.shape(), tt.want)
			}
		})
	}
}

// Batches of a reader may be slices of larger arrays.
func TestSlicedColumnBecomesTensor(t *testing.T) {
	tests := map[string]struct {
		column arrow.DataType
		json   string
		in     model.Input
		want   any
	}{
		"flat":         {f32, `[9,1,2,9]`, input(model.Float32, -1), []float32{1, 2}},
		"list":         {arrow.ListOf(f32), `[[9],[1,2],[3,4],[9]]`, input(model.Float32, -1, 2), [][]float32{{1, 2}, {3, 4}}},
		"fixed list":   {arrow.FixedSizeListOf(2, f32), `[[9,9],[1,2],[3,4],[9,9]]`, input(model.Float32, -1, 2), [][]float32{{1, 2}, {3, 4}}},
		"bool":         {arrow.FixedWidthTypes.Boolean, `[false,true,false,true]`, input(model.Bool, -1), []bool{true, false}},
		"string":       {str, `["x","a","b","x"]`, input(model.String, -1), []string{"a", "b"}},
		"cast":         {i64, `[300,1,2,300]`, input(model.Uint8, -1), []uint8{1, 2}},
		"null outside": {i64, `[null,1,2,null]`, input(model.Int64, -1), []int64{1, 2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			whole := column(t, allocator(t), tt.column, tt.json)
			slice := array.NewSlice(whole, 1, 3)
			defer slice.Release()
			tensor, err := toTensor(slice, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			defer tensor.free()
			if have := nested(t, tensor); !reflect.DeepEqual(have, tt.want) {
				t.Errorf("have %#v, want %#v", have, tt.want)
			}
		})
	}
}

func TestUnfitRowIsNamed(t *testing.T) {
	lists := arrow.ListOf(f32)
	tests := map[string]struct {
		column arrow.DataType
		json   string
		in     model.Input
		row    int64
		reason string
	}{
		"null":                 {f32, `[1,null]`, input(model.Float32, -1), 1, "it is null"},
		"null list":            {lists, `[[1],[2],null]`, input(model.Float32, -1, 1), 2, "it is null"},
		"null in a list":       {lists, `[[1,2],[3,null]]`, input(model.Float32, -1, 2), 1, "holds a null"},
		"null in nested lists": {arrow.ListOf(lists), `[[[1,2],[3,4]],[[5,6],[7,8]],[[1,2],null]]`, input(model.Float32, -1, 2, 2), 2, "holds a null"},
		"too short":            {lists, `[[1,2],[3]]`, input(model.Float32, -1, 2), 1, "holds 1 values, the tensor x (float32 [-1,2]) needs 2"},
		"ragged":               {lists, `[[1],[2],[3,4]]`, input(model.Float32, -1, -1), 2, "one shape"},
		"ragged within":        {arrow.ListOf(lists), `[[[1],[2]],[[1],[2,3]]]`, input(model.Float32, -1, -1, -1), 1, "one shape"},
		"wrong product":        {arrow.ListOf(lists), `[[[1],[2]]]`, input(model.Float32, -1, 3, 1, 1), 0, "holds 2 values"},
		"int32 overflow":       {i64, `[1,2147483648]`, input(model.Int32, -1), 1, "2147483648 does not fit"},
		"overflow in a list":   {arrow.ListOf(i64), `[[1,2],[3,256]]`, input(model.Uint8, -1, 2), 1, "256 does not fit"},
		"negative to unsigned": {i64, `[-1]`, input(model.Uint64, -1), 0, "-1 does not fit"},
		"unsigned to negative": {u64, `[9223372036854775808]`, input(model.Int64, -1), 0, "9223372036854775808 does not fit"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := toTensor(column(t, allocator(t), tt.column, tt.json), tt.in)
			var row *model.RowError
			if !errors.As(err, &row) {
				t.Fatalf("error %v is no RowError", err)
			}
			if row.Row != tt.row || row.Column != "c" || !strings.Contains(row.Reason, tt.reason) {
				t.Errorf("have %v, want row %d with %q", row, tt.row, tt.reason)
			}
		})
	}
}

// A column that becomes a tensor and is read back is unchanged.
func TestTensorBecomesColumn(t *testing.T) {
	tests := map[string]struct {
		column arrow.DataType
		json   string
		in     model.Input
	}{
		"flat":            {f32, `[1,2.5]`, input(model.Float32, -1)},
		"double lists":    {arrow.ListOf(f64), `[[1,2],[3,4]]`, input(model.Float64, -1, 2)},
		"nested":          {arrow.ListOf(arrow.ListOf(i32)), `[[[1,2,3],[4,5,6]]]`, input(model.Int32, -1, 2, 3)},
		"lists of one":    {arrow.ListOf(f32), `[[1],[2.5]]`, input(model.Float32, -1, 1)},
		"empty lists":     {arrow.ListOf(i32), `[[],[]]`, input(model.Int32, -1, -1)},
		"bool":            {arrow.FixedWidthTypes.Boolean, `[true,false,true]`, input(model.Bool, -1)},
		"strings":         {str, `["a","a string of more than twenty-two bytes"]`, input(model.String, -1)},
		"string lists":    {arrow.ListOf(str), `[["a","b"],["c","d"]]`, input(model.String, -1, 2)},
		"unsigned":        {u64, `[18446744073709551615]`, input(model.Uint64, -1)},
		"unsigned nested": {arrow.ListOf(arrow.PrimitiveTypes.Uint32), `[[1,2],[3,4]]`, input(model.Uint32, -1, 2)},
		"no rows":         {arrow.ListOf(f32), `[]`, input(model.Float32, -1, 2)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mem := allocator(t)
			want := column(t, mem, tt.column, tt.json)
			tensor, err := toTensor(want, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			defer tensor.free()
			have, err := toArray(mem, tensor, model.Output{Tensor: tt.in.Tensor, ColumnType: tt.column}, int64(want.Len()))
			if err != nil {
				t.Fatal(err)
			}
			defer have.Release()
			if !array.Equal(have, want) || !arrow.TypeEqual(have.DataType(), tt.column) {
				t.Errorf("have %s %v, want %s %v", have.DataType(), have, tt.column, want)
			}
		})
	}
}

func TestUnfitOutputIsRefused(t *testing.T) {
	in := input(model.String, -1)
	notText, err := toTensor(column(t, allocator(t), arrow.BinaryTypes.Binary, `["YQ==","/w=="]`), in)
	if err != nil {
		t.Fatal(err)
	}
	defer notText.free()
	out := model.Output{Tensor: in.Tensor, Column: "p", ColumnType: str}
	var row *model.RowError
	if _, err := toArray(allocator(t), notText, out, 2); !errors.As(err, &row) || row.Row != 1 || row.Column != "p" {
		t.Errorf("bytes that are not text: %v", err)
	}
	var mismatch *model.MismatchError
	if _, err := toArray(allocator(t), notText, out, 3); !errors.As(err, &mismatch) {
		t.Errorf("2 values for 3 rows: %v", err)
	}
	out.ColumnType = f32
	if _, err := toArray(allocator(t), notText, out, 2); !errors.As(err, &mismatch) {
		t.Errorf("strings where the signature says float32: %v", err)
	}
}
