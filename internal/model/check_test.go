package model

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func tensor(alias string, d DType, shape ...int64) Tensor {
	return Tensor{Alias: alias, Name: alias + ":0", Type: d, Shape: shape}
}

func schema(fields ...any) *arrow.Schema {
	var fs []arrow.Field
	for pair := range slices.Chunk(fields, 2) {
		fs = append(fs, arrow.Field{Name: pair[0].(string), Type: pair[1].(arrow.DataType), Nullable: true})
	}
	return arrow.NewSchema(fs, nil)
}

var (
	f16 = arrow.FixedWidthTypes.Float16
	f32 = arrow.PrimitiveTypes.Float32
	f64 = arrow.PrimitiveTypes.Float64
	i32 = arrow.PrimitiveTypes.Int32
	i64 = arrow.PrimitiveTypes.Int64
	str = arrow.BinaryTypes.String
)

func TestCheckInfersMappings(t *testing.T) {
	x, y := tensor("x", Float32, -1, 4), tensor("y", Int64, -1)
	out := tensor("p", Float32, -1, 10)
	floats := arrow.ListOf(f32)
	tests := map[string]struct {
		inputs  []Tensor
		schema  *arrow.Schema
		mapping map[string]string
		keep    []string
		columns []string // of the inputs
	}{
		"same name":            {[]Tensor{x}, schema("id", i64, "x", floats), nil, nil, []string{"x"}},
		"mapped":               {[]Tensor{x}, schema("x", str, "pix", floats), map[string]string{"pix": "x"}, nil, []string{"pix"}},
		"the only column":      {[]Tensor{x}, schema("pix", floats), nil, nil, []string{"pix"}},
		"the only one unkept":  {[]Tensor{x}, schema("id", i64, "pix", floats), nil, []string{"id"}, []string{"pix"}},
		"the one that is left": {[]Tensor{x, y}, schema("y", i64, "pix", floats), nil, nil, []string{"pix", "y"}},
		"kept and fed":         {[]Tensor{x}, schema("x", floats), nil, []string{"x"}, []string{"x"}},
	}
	for name, tt := range tests {
		b, err := Check(&Signature{Name: "s", Inputs: tt.inputs, Outputs: []Tensor{out}}, tt.schema, Mapping{Inputs: tt.mapping, Keep: tt.keep})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var columns []string
		for _, in := range b.Inputs {
			columns = append(columns, in.Column)
		}
		if !slices.Equal(columns, tt.columns) {
			t.Errorf("%s: columns %v, want %v", name, columns, tt.columns)
		}
		if b.Outputs[0].Column != "p" || !arrow.TypeEqual(b.Outputs[0].ColumnType, arrow.ListOf(f32)) {
			t.Errorf("%s: output %+v", name, b.Outputs[0])
		}
	}
}

func TestBindingReadsEachColumnOnce(t *testing.T) {
	s := &Signature{Inputs: []Tensor{tensor("a", Int64, -1), tensor("b", Int64, -1)}, Outputs: []Tensor{tensor("p", Int64, -1), tensor("q", Int64, -1)}}
	b, err := Check(s, schema("id", i64, "a", i64, "b", i64), Mapping{Outputs: map[string]string{"q": "score"}, Keep: []string{"id", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if have := b.Columns(); !slices.Equal(have, []string{"a", "b", "id"}) {
		t.Errorf("columns %v", have)
	}
	if len(b.Outputs) != 1 || b.Outputs[0].Alias != "q" || b.Outputs[0].Column != "score" {
		t.Errorf("outputs %+v", b.Outputs)
	}
}

func TestCheckReportsEveryMismatch(t *testing.T) {
	s := &Signature{Name: "s",
		Inputs:  []Tensor{tensor("a", Float32, -1), tensor("b", Float32, -1, 4), tensor("c", Int64, -1)},
		Outputs: []Tensor{tensor("id", Float32, -1), tensor("loss", Float32), tensor("v", 21, -1)}}
	_, err := Check(s, schema("id", i64, "a", f64, "b", arrow.FixedSizeListOf(3, f32), "w", str, "z", str),
		Mapping{Inputs: map[string]string{"gone": "c", "w": "nobody"}, Keep: []string{"id", "label"}})
	var m *MismatchError
	if !errors.As(err, &m) {
		t.Fatalf("no MismatchError: %v", err)
	}
	if m.ExitCode() != 6 {
		t.Errorf("exit code %d", m.ExitCode())
	}
	want := []string{
		"input_mapping: w: nobody is not an input of the signature (inputs there: a, b, c)",
		"input a: column a is float64, the tensor is float32 [-1]: cast the column to float",
		"a row has 3 values where the tensor needs 4",
		"input c: there is no column gone (columns there: id, a, b, w, z)",
		"keep: there is no column label",
		"output loss: the tensor is one scalar for the whole batch",
		"output v: a tensor of type variant cannot become a column",
		"output id: its column id is also that of kept column id",
	}
	for i, w := range want {
		if i >= len(m.Problems) || !strings.Contains(m.Problems[i], w) {
			t.Fatalf("problem %d does not say %q in\n%s", i, w, strings.Join(m.Problems, "\n"))
		}
	}
	if len(m.Problems) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(m.Problems), len(want), strings.Join(m.Problems, "\n"))
	}
}

func TestAmbiguousInputIsNotGuessed(t *testing.T) {
	s := &Signature{Inputs: []Tensor{tensor("x", Float32, -1)}}
	_, err := Check(s, schema("a", f32, "b", f32), Mapping{})
	if err == nil || !strings.Contains(err.Error(), "no column feeds it (columns there: a, b)") {
		t.Errorf("have %v", err)
	}
	_, err = Check(s, schema("a", f32, "b", f32), Mapping{Inputs: map[string]string{"a": "x", "b": "x"}})
	if err == nil || !strings.Contains(err.Error(), "columns a and b both feed x") {
		t.Errorf("have %v", err)
	}
}

func TestFits(t *testing.T) {
	tests := []struct {
		column arrow.DataType
		tensor DType
		want   bool
	}{
		{f32, Float32, true}, {f64, Float64, true}, {f16, Float16, true}, {str, String, true}, {arrow.BinaryTypes.Binary, String, true},
		{f64, Float32, false}, {f32, Float64, true}, {f32, Float16, false}, {i64, Float32, false}, {i32, Float32, false},
		{arrow.PrimitiveTypes.Uint8, Float32, true}, {i32, Float64, true}, {i64, Float64, false},
		{i64, Int32, true}, {i32, Int64, true}, {f32, Int32, false}, {i32, Bool, false}, {arrow.FixedWidthTypes.Boolean, Bool, true},
		{arrow.FixedWidthTypes.Boolean, Int32, false}, {i32, String, false}, {str, Float32, false}, {f32, BFloat16, false},
		{arrow.FixedWidthTypes.Date32, Int32, false}, {&arrow.Decimal128Type{Precision: 10, Scale: 2}, Float64, false},
	}
	for _, tt := range tests {
		ok, remedy := Fits(tt.column, tt.tensor, Mapping{})
		if ok != tt.want || ok != (remedy == "") {
			t.Errorf("%s into %s: %v %q, want %v", tt.column, tt.tensor, ok, remedy, tt.want)
		}
	}
}

func TestFitShape(t *testing.T) {
	l := arrow.ListOf(f32)
	tests := []struct {
		column arrow.DataType
		shape  []int64
		want   string // "" fits
	}{
		{f32, []int64{-1}, ""}, {f32, []int64{-1, 1}, ""}, {l, []int64{-1, 784}, ""}, {l, []int64{-1, 28, 28, 1}, ""}, {l, []int64{-1, -1}, ""},
		{arrow.FixedSizeListOf(4, f32), []int64{-1, 2, 2}, ""}, {arrow.ListOf(l), []int64{-1, -1, 3}, ""},
		{arrow.FixedSizeListOf(4, l), []int64{-1, -1, 3}, ""},
		{f32, []int64{-1, 784}, "must be a list of 784 values"}, {f32, []int64{}, "give it as constants: {x: …}"},
		{f32, []int64{32}, ""}, {f32, []int64{-1, -1}, "nested 1 deep"}, {l, []int64{-1, -1, 3}, "nested 2 deep"},
		{arrow.FixedSizeListOf(5, f32), []int64{-1, 2, 2}, "5 values where the tensor needs 4"},
		{arrow.ListOf(arrow.FixedSizeListOf(4, f32)), []int64{-1, -1, 3}, "lists of 4 where the tensor has 3"},
	}
	for _, tt := range tests {
		have := columnShapeOf(tt.column).fitShape(tensor("x", Float32, tt.shape...))
		if (have == "") != (tt.want == "") || !strings.Contains(have, tt.want) {
			t.Errorf("%s into %v: %q, want %q", tt.column, tt.shape, have, tt.want)
		}
	}
}

func TestColumnType(t *testing.T) {
	if have := ColumnType(Float16, false, 3); !arrow.TypeEqual(have, arrow.ListOf(arrow.ListOf(f32))) {
		t.Errorf("float16 of rank 3 becomes %v", have)
	}
	if have := ColumnType(DType(21), false, 1); have != nil {
		t.Errorf("variant becomes %v", have)
	}
	if names := []string{Float32.String(), BFloat16.String(), DType(21).String()}; !reflect.DeepEqual(names, []string{"float32", "bfloat16", "variant"}) {
		t.Errorf("names %v", names)
	}
}
