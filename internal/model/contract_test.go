package model

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func vectorType() arrow.DataType {
	return arrow.StructOf(
		arrow.Field{Name: "type", Type: arrow.PrimitiveTypes.Int8}, arrow.Field{Name: "size", Type: i32, Nullable: true},
		arrow.Field{Name: "indices", Type: arrow.ListOf(i32), Nullable: true}, arrow.Field{Name: "values", Type: arrow.ListOf(f64), Nullable: true})
}

// TestContract: what fits, what is inferred, and what to do about the others.
func TestContract(t *testing.T) {
	rate := tensor("rate", Float32)
	drop := tensor("drop", Float32)
	drop.Default = true
	anyRank := tensor("any", Float32)
	anyRank.UnknownRank = true
	sparse := Tensor{Alias: "sparse", Name: "s:0", Type: Float32, Parts: &Parts{Kind: sparseKind}}
	sig := &Signature{
		Inputs:    []Tensor{tensor("a", Float32, -1), tensor("b", Float32, -1), drop, tensor("pixels", Float32, -1, 4), rate, tensor("short", Float32, -1, 4)},
		Constants: []Constant{{Tensor: tensor("k", Float32), Text: "0.5"}, {Tensor: tensor("long", Float32, 30), Text: strings.Repeat("é", 41)}},
		Outputs:   []Tensor{anyRank, tensor("loss", Float32), tensor("p", Float32, -1, 10), sparse},
	}
	columns := schema("id", i64, "a", f32, "bee", f32, "v", vectorType(), "short", arrow.FixedSizeListOf(3, f32), "m", arrow.MapOf(str, i32), "twice", i64, "twice", i64)
	mapping := Mapping{Inputs: map[string]string{"bee": "b"}, Keep: []string{"id", "m", "gone", "twice", "v"}}
	want := `	column	type	tensor	type
input	a	float32	a	float32 [-1]	fits
input	bee	float32	b	float32 [-1]	fits
input	-	-	drop	float32 []	the graph's own value
input	-	-	pixels	float32 [-1,4]	no column feeds it: name one in input_mapping
input	-	-	rate	float32 []	it has one value for all rows: give it as constants: {rate: …} (--constant rate=…)
input	short	list<float32>[3]	short	float32 [-1,4]	a row has 3 values where the tensor needs 4
constant	0.5	-	k	float32 []	fits
constant	` + strings.Repeat("é", 40) + `…	-	long	float32 [30]	fits
keep	id	int64	-	-	fits
keep	m	map<utf8, int32, items_nullable>	-	-	fits
keep	gone	-	-	-	there are 0 columns of that name
keep	twice	int64	-	-	there are 2 columns of that name
keep	v	vector of doubles	-	-	fits
output	any	known when it has run	any	float32 of any rank	fits
output	loss	-	loss	float32 []	the tensor is one scalar for the whole batch, not one value a row
output	p	list<float32>	p	float32 [-1,10]	fits
output	sparse	-	sparse	` + sparse.String() + `	it is a sparse or composite tensor`
	want = strings.ReplaceAll(want, "float32 of any rank", anyRank.String())
	var have []string
	for _, line := range strings.Split(Table(Contract(sig, columns, mapping)), "\n") {
		have = append(have, cells(line))
	}
	if got := strings.Join(have, "\n"); got != want {
		t.Errorf("have\n%s\nwant\n%s", got, want)
	}
}

// cells puts a tab between a table's cells, which two spaces or more part.
func cells(line string) string {
	for strings.Contains(line, "   ") {
		line = strings.ReplaceAll(line, "   ", "  ")
	}
	return strings.ReplaceAll(line, "  ", "\t")
}

// TestContractInfers: a column that nobody names feeds the one input that is left.
func TestContractInfers(t *testing.T) {
	sig := &Signature{Inputs: []Tensor{tensor("pixels", Float64, -1, 4)}}
	for _, mapping := range []Mapping{{}, {Inputs: map[string]string{"v": "pixels"}}} {
		lines := Contract(sig, schema("v", vectorType()), mapping)
		want := fits
		if mapping.Inputs == nil {
			want = inferred
		}
		if len(lines) != 1 || lines[0].Column != "v" || lines[0].Verdict != want {
			t.Errorf("%+v, want %q", lines, want)
		}
	}
}

// TestColumnTypes: what a text's columns are read as to feed the model; kept ones stay as they are.
func TestColumnTypes(t *testing.T) {
	anyRank := tensor("any", Int32)
	anyRank.UnknownRank = true
	sig := &Signature{Inputs: []Tensor{
		anyRank, tensor("bf", BFloat16, -1), tensor("flag", Bool, -1), tensor("image", Float32, -1, 2, 2), tensor("kept", Float64, -1),
		tensor("matrix", Int64, -1, -1, 3), tensor("nested", Float64, -1), tensor("one", Float32, -1, 1), tensor("text", String, -1),
	}}
	columns := schema("any", i64, "bf", f64, "flag", str, "image", str, "kept", i64, "matrix", str, "nested", arrow.ListOf(i64), "one", i64, "text", i64)
	have := ColumnTypes(sig, columns, nil, []string{"kept"})
	want := map[string]arrow.DataType{
		"any": i32, "flag": arrow.FixedWidthTypes.Boolean, "image": arrow.ListOf(f32), "matrix": arrow.ListOf(arrow.ListOf(i64)),
		"nested": arrow.ListOf(f64), "one": f32, "text": str,
	}
	for name, wanted := range want {
		if !arrow.TypeEqual(have[name], wanted) {
			t.Errorf("%s: %v, want %v", name, have[name], wanted)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%v", have)
	}
}

// TestVectors: only Spark ML's vectors are taken for some.
func TestVectors(t *testing.T) {
	fields := vectorType().(*arrow.StructType).Fields()
	if !IsVector(vectorType()) {
		t.Error("a vector is taken for none")
	}
	for i, other := range []arrow.DataType{i32, i64, arrow.ListOf(i64), arrow.ListOf(f32)} {
		changed := append([]arrow.Field{}, fields...)
		changed[i].Type = other
		if IsVector(arrow.StructOf(changed...)) {
			t.Errorf("with %s of %s", changed[i].Name, other)
		}
		changed[i] = arrow.Field{Name: "other", Type: fields[i].Type}
		if IsVector(arrow.StructOf(changed...)) {
			t.Errorf("with another field in the place of %s", fields[i].Name)
		}
	}
	if IsVector(arrow.StructOf(fields[:3]...)) || IsVector(arrow.ListOf(f64)) {
		t.Error("what is no vector is taken for one")
	}
}

// TestCheckRefuses: each of these alone is a fault.
func TestCheckRefuses(t *testing.T) {
	x, y := tensor("x", Float32, -1), tensor("y", Float32, -1)
	same := Tensor{Alias: "again", Name: "x:0", Type: Float32, Shape: []int64{-1}}
	unnamed := Tensor{Alias: "nameless", Type: Float32, Shape: []int64{-1}}
	sparse := Tensor{Alias: "s", Name: "s:0", Type: Float32, Shape: []int64{-1}, Parts: &Parts{Kind: sparseKind}}
	xs := schema("x", f32)
	for name, test := range map[string]struct {
		inputs, outputs []Tensor
		schema          *arrow.Schema
		mapping         Mapping
		fault           string
	}{
		"kept twice":             {[]Tensor{x}, []Tensor{y}, schema("x", f32, "id", i64), Mapping{Keep: []string{"id", "id"}}, "keep: id is named twice"},
		"kept, of two columns":   {[]Tensor{x}, []Tensor{y}, schema("x", f32, "id", i64, "id", i64), Mapping{Keep: []string{"id"}}, "keep: there are 2 columns id"},
		"fed by two columns":     {[]Tensor{x}, []Tensor{y}, schema("x", f32, "x", f32), Mapping{}, "input x: there are 2 columns x"},
		"a sparse input":         {[]Tensor{sparse}, []Tensor{y}, schema("s", f32), Mapping{}, "it is a SparseTensor"},
		"a nameless input":       {[]Tensor{unnamed}, []Tensor{y}, schema("nameless", f32), Mapping{}, "it is a composite tensor"},
		"a sparse output":        {[]Tensor{x}, []Tensor{sparse}, xs, Mapping{}, "output s: it is a sparse or composite tensor"},
		"a nameless output":      {[]Tensor{x}, []Tensor{unnamed}, xs, Mapping{}, "output nameless: it is a sparse or composite tensor"},
		"two outputs, a name":    {[]Tensor{x}, []Tensor{tensor("p", Float32, -1), y}, xs, Mapping{Outputs: map[string]string{"p": "out", "y": "out"}}, "output y: its column out is also that of output p"},
		"an output of no name":   {[]Tensor{x}, []Tensor{y}, xs, Mapping{Outputs: map[string]string{"y": "y", "gone": "z"}}, "output_mapping: gone is not an output"},
		"two columns, a tensor":  {[]Tensor{same, x}, []Tensor{y}, schema("x", f32, "other", f32), Mapping{Inputs: map[string]string{"other": "again", "x": "x"}}, "columns other and x both feed x:0"},
		"one value for all rows": {[]Tensor{tensor("rate", Float32), x}, []Tensor{y}, xs, Mapping{}, "input rate: it has one value for all rows"},
		"a map":                  {[]Tensor{x}, []Tensor{y}, schema("x", arrow.MapOf(str, f32)), Mapping{}, "cast the column to float"},
	} {
		_, err := Check(&Signature{Inputs: test.inputs, Outputs: test.outputs}, test.schema, test.mapping)
		if err == nil || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v, want %q", name, err, test.fault)
		}
	}
}

// TestCheckTakes: what looks like a fault, and is none.
func TestCheckTakes(t *testing.T) {
	x, y := tensor("x", Float32, -1), tensor("y", Float32, -1)
	same := Tensor{Alias: "again", Name: "x:0", Type: Float32, Shape: []int64{-1}}
	anyRank := tensor("any", Float32)
	anyRank.UnknownRank = true
	text := tensor("text", String, -1)
	text.Binary = true
	none := tensor("none", Float32, 0)
	// Of two names of one tensor the column feeds it once.
	b, err := Check(&Signature{Inputs: []Tensor{same, x}, Outputs: []Tensor{y}}, schema("x", f32), Mapping{})
	if err != nil || len(b.Inputs) != 1 || b.Inputs[0].Column != "x" {
		t.Errorf("%+v, %v", b, err)
	}
	// A vector feeds what a list of doubles does. An output's rank may be known late.
	b, err = Check(&Signature{Inputs: []Tensor{tensor("v", Float64, -1, -1)}, Outputs: []Tensor{anyRank, text}}, schema("v", vectorType()), Mapping{})
	if err != nil || b.Outputs[0].ColumnType != nil || !arrow.TypeEqual(b.Outputs[1].ColumnType, arrow.BinaryTypes.Binary) {
		t.Errorf("%+v, %v", b, err)
	}
	// An input of any rank takes lists of any depth, and says nothing of the batch.
	b, err = Check(&Signature{Inputs: []Tensor{anyRank}, Outputs: []Tensor{y}}, schema("any", arrow.ListOf(arrow.ListOf(f32))), Mapping{})
	if err != nil || b.Batch != 0 {
		t.Errorf("%+v, %v", b, err)
	}
	// A padded batch has rows enough, however many are bad.
	b, err = Check(&Signature{Inputs: []Tensor{tensor("x", Float32, 4)}, Outputs: []Tensor{tensor("y", Float32, 4)}}, schema("x", f32), Mapping{ToleratesBadRows: true, PadLastBatch: true})
	if err != nil || b.Batch != 4 || !b.Pad {
		t.Errorf("%+v, %v", b, err)
	}
	// A list feeds a ragged tensor; a value does not.
	ragged := Tensor{Alias: "r", Name: "r:0", Type: Float32, UnknownRank: true, Parts: &Parts{Kind: raggedKind, Tensors: make([]Tensor, 3)}}
	for column, fault := range map[arrow.DataType]string{arrow.ListOf(f32): "a row must be a list nested 2 deep", arrow.ListOf(arrow.ListOf(f32)): ""} {
		b, err := Check(&Signature{Inputs: []Tensor{ragged}, Outputs: []Tensor{y}}, schema("r", column), Mapping{})
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%+v, %v, want %q", b, err, fault)
		}
	}
	if b, err := Check(&Signature{Inputs: []Tensor{x}, Outputs: []Tensor{none}}, schema("x", f32), Mapping{}); err != nil {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestWholeBatches(t *testing.T) {
	for _, test := range []struct {
		batch      int64
		rows, want int
	}{{0, 10, 10}, {4, 10, 8}, {4, 8, 8}, {4, 3, 4}, {1, 7, 7}} {
		if have := (&Binding{Batch: test.batch}).WholeBatches(test.rows); have != test.want {
			t.Errorf("%d rows in batches of %d: %d, want %d", test.rows, test.batch, have, test.want)
		}
	}
	for want, inputs := range map[int64][]Tensor{
		0: {tensor("a", Float32), tensor("b", Float32, -1, 4), tensor("c", Float32, 0)},
		4: {tensor("a", Float32), tensor("b", Float32, 4, 2), tensor("c", Float32, -1)},
	} {
		if have := (&Signature{Inputs: inputs}).FixedRows(); have != want {
			t.Errorf("%v: %d rows, want %d", inputs, have, want)
		}
	}
}

// TestFitsByType: which columns feed which tensors without loss; b: any binary or text, n: none.
func TestFitsByType(t *testing.T) {
	p := arrow.PrimitiveTypes
	columns := []arrow.DataType{
		p.Int8, p.Int16, p.Int32, p.Int64, p.Uint8, p.Uint16, p.Uint32, p.Uint64, f16, f32, f64, arrow.FixedWidthTypes.Boolean,
		str, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary, &arrow.FixedSizeBinaryType{ByteWidth: 2},
	}
	const integers, texts = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 ", "utf8 large_utf8 binary large_binary fixed_size_binary[2] "
	for d, test := range map[DType]struct{ exact, narrowed string }{
		Float16:  {"float16 ", integers + "float16 float32 float64 "},
		BFloat16: {"", integers + "float16 float32 float64 "},
		Float32:  {"int8 int16 uint8 uint16 float32 ", integers + "float16 float32 float64 "},
		Float64:  {"int8 int16 int32 uint8 uint16 uint32 float32 float64 ", integers + "float16 float32 float64 "},
		Int8:     {integers, integers}, Uint64: {integers, integers},
		Bool: {"bool ", "bool "}, String: {texts, texts}, DType(21): {"", ""},
	} {
		var exact, narrowed string
		for _, c := range columns {
			if ok, _ := Fits(c, d, Mapping{}); ok {
				exact += c.String() + " "
			}
			if ok, _ := Fits(c, d, Mapping{AllowNarrowing: true}); ok {
				narrowed += c.String() + " "
			}
		}
		if exact != test.exact || narrowed != test.narrowed {
			t.Errorf("%s: %q, narrowed %q", d, exact, narrowed)
		}
	}
	for d, want := range map[DType]string{
		BFloat16: "say allow_narrowing: true (tfos infer --allow-narrowing), which rounds its numbers to bfloat16",
		Float16:  "say allow_narrowing: true (tfos infer --allow-narrowing), which rounds its numbers to float16",
		Float32:  "cast the column to float, or say allow_narrowing: true (tfos infer --allow-narrowing), which rounds its numbers to float32",
		Bool:     "cast the column to boolean", Int64: "cast the column to bigint", Uint8: "cast the column to int", DType(21): "tensors of this type cannot be fed from a column",
	} {
		if _, remedy := Fits(f64, d, Mapping{}); remedy != want {
			t.Errorf("%s: %q, want %q", d, remedy, want)
		}
	}
}

// TestBytesAreNoNumbers: no cast of Spark makes numbers of bytes, such as pixels.
func TestBytesAreNoNumbers(t *testing.T) {
	for _, c := range []arrow.DataType{arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary, &arrow.FixedSizeBinaryType{ByteWidth: 2}} {
		if ok, remedy := Fits(c, Uint8, Mapping{AllowNarrowing: true}); ok || !strings.Contains(remedy, "tf.io.decode_raw") {
			t.Errorf("%s: %t, %q", c, ok, remedy)
		}
	}
}

// TestNoConstant: what cannot be a constant is refused.
func TestNoConstant(t *testing.T) {
	sparse := tensor("x", Float32, -1)
	sparse.Parts = &Parts{Kind: sparseKind}
	for name, test := range map[string]struct {
		tensor Tensor
		value  string
		fault  string
	}{
		"sparse":        {sparse, "[1]", "a sparse or ragged tensor cannot be a constant"},
		"composite":     {Tensor{Alias: "x", Type: Float32}, "1", "a sparse or ragged tensor cannot be a constant"},
		"no JSON":       {tensor("x", Float32), "[", "must be a number"},
		"two values":    {tensor("x", Float32), "1 2", "must be a number"},
		"text for bool": {tensor("x", Bool), `"true"`, "the tensor is bool"},
		"bool for text": {tensor("x", String), `true`, "the tensor is string"},
		"text for text": {tensor("x", Int32), `"3"`, "the tensor is int32"},
		"an object":     {tensor("x", Float32), "{}", "the tensor is float32"},
		"no elements":   {tensor("x", Float32, 2), "[]", "its shape is [0]"},
		"too large":     {tensor("x", Float64), "1e999", "the tensor is float64"},
	} {
		s := &Signature{Inputs: []Tensor{test.tensor}}
		if err := s.takeConstants(map[string]json.RawMessage{"x": []byte(test.value)}); err == nil || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v, want %q", name, err, test.fault)
		}
	}
	s := &Signature{Inputs: []Tensor{tensor("x", String, -1), tensor("y", Bool, -1), tensor("z", Float32, 0, 2)}}
	values := map[string]json.RawMessage{"x": []byte(` [ "a", "b" ] `), "y": []byte(`[true,false]`), "z": []byte(`[]`)}
	err := s.takeConstants(values)
	if err == nil || !strings.Contains(err.Error(), "its shape is [0], the tensor is float32 [0,2]") || len(s.Constants) != 2 {
		t.Fatalf("%+v, %v", s.Constants, err)
	}
	if x, y := s.Constants[0], s.Constants[1]; x.Text != `["a","b"]` || len(x.Texts) != 2 || string(y.Numbers) != "\x01\x00" {
		t.Errorf("%+v, %+v", x, y)
	}
}
