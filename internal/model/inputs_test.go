package model

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestConstant(t *testing.T) {
	little := func(values ...any) (raw []byte) {
		for _, v := range values {
			raw, _ = binary.Append(raw, binary.LittleEndian, v)
		}
		return raw
	}
	unknown := Tensor{Alias: "x", Name: "x:0", Type: Float32, UnknownRank: true}
	for _, tt := range []struct {
		tensor Tensor
		value  string
		dims   []int64
		raw    []byte
		fault  string
	}{
		{tensor("x", Float32), "0.1", nil, little(float32(0.1)), ""},
		{tensor("x", Float32), "3", nil, little(float32(3)), ""},
		{tensor("x", Float64), "0.1", nil, little(0.1), ""},
		{tensor("x", Float16), "0.1", nil, little(uint16(0x2e66)), ""},
		{tensor("x", BFloat16), "0.1", nil, little(uint16(0x3dcd)), ""},
		{tensor("x", Float32), `"inf"`, nil, little(float32(math.Inf(1))), ""},
		{tensor("x", Float32), `"3"`, nil, nil, "the tensor is float32 []"},
		{tensor("x", Float16), "65520", nil, nil, "65520 is beyond the range of float16"},
		{tensor("x", Int64), "9007199254740993", nil, little(int64(9007199254740993)), ""},
		{tensor("x", Int8), "-1", nil, little(int8(-1)), ""},
		{tensor("x", Int8), "128", nil, nil, "128 is no whole number of type int8"},
		{tensor("x", Uint8), "255", nil, []byte{255}, ""},
		{tensor("x", Uint8), "256", nil, nil, "256 is no whole number of type uint8"},
		{tensor("x", Uint16), "65535", nil, little(uint16(65535)), ""},
		{tensor("x", Uint64), "18446744073709551615", nil, little(uint64(math.MaxUint64)), ""},
		{tensor("x", Int16), "-32768", nil, little(int16(-32768)), ""},
		{tensor("x", Uint32), "-1", nil, nil, "-1 is no whole number of type uint32"},
		{tensor("x", Int32), "2.0", nil, nil, "2.0 is no whole number"},
		{tensor("x", Bool), "true", nil, []byte{1}, ""},
		{tensor("x", Bool), "1", nil, nil, "the tensor is bool []"},
		{tensor("x", Int32, 2), "[3, 4]", []int64{2}, little(int32(3), int32(4)), ""},
		{tensor("x", Int32, -1, 2), "[[1,2],[3,4],[5,6]]", []int64{3, 2}, little(int32(1), int32(2), int32(3), int32(4), int32(5), int32(6)), ""},
		{tensor("x", Int32, 2), "[3]", nil, nil, "its shape is [1], the tensor is int32 [2]"},
		{tensor("x", Int32, -1, -1), "[[1], [2, 3]]", nil, nil, "several lengths"},
		{tensor("x", Int32, -1, -1), "[[1], 2]", nil, nil, "several lengths"},
		{tensor("x", Int32), "null", nil, nil, "the tensor is int32 []"},
		{unknown, "[1]", []int64{1}, little(float32(1)), ""},
	} {
		s := &Signature{Inputs: []Tensor{tt.tensor}}
		err := s.takeConstants(map[string]json.RawMessage{"x": []byte(tt.value)})
		if tt.fault != "" {
			var fault *ConstantError
			if !errors.As(err, &fault) || fault.ExitCode() != 2 || !strings.Contains(fault.Reason, tt.fault) {
				t.Errorf("%s into %s: %v, want %q", tt.value, tt.tensor, err, tt.fault)
			}
			continue
		}
		if err != nil || len(s.Inputs) != 0 || len(s.Constants) != 1 {
			t.Errorf("%s into %s: %v", tt.value, tt.tensor, err)
			continue
		}
		if c := s.Constants[0]; !reflect.DeepEqual(c.Dims, tt.dims) || !reflect.DeepEqual(c.Numbers, tt.raw) {
			t.Errorf("%s into %s: %v %x, want %v %x", tt.value, tt.tensor, c.Dims, c.Numbers, tt.dims, tt.raw)
		}
	}
}

// TestConstantOfFedTensor: a tensor under two names is fed once.
func TestConstantOfFedTensor(t *testing.T) {
	m := Mapping{Inputs: map[string]string{"c": "x"}, Outputs: map[string]string{"y": "y"}, Constants: map[string]json.RawMessage{"a:0": []byte("[1]")}}
	if _, err := twoInputs().Choose("", m); err == nil || !strings.Contains(err.Error(), "the same tensor as x") {
		t.Errorf("%v", err)
	}
	m.Inputs = nil
	sig, err := twoInputs().Choose("", m)
	if err != nil || len(sig.Constants) != 1 || len(sig.Inputs) != 1 || sig.Inputs[0].Alias != "z:0" {
		t.Errorf("%+v %v", sig, err)
	}
	m.Constants = map[string]json.RawMessage{"gone": []byte("1")}
	var fault *ConstantError
	if _, err := twoInputs().Choose("", m); !errors.As(err, &fault) || fault.Name != "gone" {
		t.Errorf("%v", err)
	}
}

// readFloat is the value of an element of a floating type.
func readFloat(d DType, raw []byte) float64 {
	switch d {
	case Float16:
		return float64(HalfFloat(binary.LittleEndian.Uint16(raw)))
	case BFloat16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw)) << 16))
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(raw))
}

// TestHalves: every float16 comes back from what it stands for.
func TestHalves(t *testing.T) {
	for bits := range uint16(0x7c01) {
		v := HalfFloat(bits)
		raw, ok := Float16.AppendFloat(nil, float64(v))
		if have := binary.LittleEndian.Uint16(raw); !ok || have != bits {
			t.Fatalf("%#x is %g, which is %#x", bits, v, have)
		}
	}
	for v, want := range map[float64]uint16{-1: 0xbc00, -0x1p-24: 0x8001, math.Copysign(0, -1): 0x8000, math.Inf(1): 0x7c00, math.Inf(-1): 0xfc00, -65504: 0xfbff, 0x1p-14: 0x0400} {
		if raw, ok := Float16.AppendFloat(nil, v); !ok || binary.LittleEndian.Uint16(raw) != want {
			t.Errorf("%g becomes %x, want %#x", v, raw, want)
		}
	}
	for _, d := range []DType{Float16, BFloat16, Float32, Float64} {
		if raw, ok := d.AppendFloat(nil, math.NaN()); !ok || !math.IsNaN(readFloat(d, raw)) {
			t.Errorf("%s: no number becomes %x", d, raw)
		}
		for _, v := range []float64{math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), -1.5} {
			if raw, ok := d.AppendFloat(nil, v); !ok || readFloat(d, raw) != v || math.Signbit(readFloat(d, raw)) != math.Signbit(v) {
				t.Errorf("%s: %g becomes %x", d, v, raw)
			}
		}
	}
	for v, want := range map[float64]float32{1e-9: 0, 3e-8: 0x1p-25 * 2, 2049: 2048, 2051: 2052, 65519: 65504} { // ties to even
		raw, _ := Float16.AppendFloat(nil, v)
		if have := HalfFloat(binary.LittleEndian.Uint16(raw)); have != want {
			t.Errorf("%g becomes %g, want %g", v, have, want)
		}
	}
}

func TestBatch(t *testing.T) {
	x := func(n int64) Tensor { return tensor("x", Int64, n) }
	z := func(n int64) Tensor { return tensor("z", Int64, n) }
	y := tensor("y", Float32, -1)
	spares, pads := Mapping{ToleratesBadRows: true}, Mapping{PadLastBatch: true}
	for _, tt := range []struct {
		inputs  []Tensor
		output  Tensor
		mapping Mapping
		batch   int64
		fault   string
	}{
		{[]Tensor{x(-1)}, y, Mapping{}, 0, ""},
		{[]Tensor{x(4), z(4)}, y, Mapping{}, 4, ""},
		{[]Tensor{x(4)}, tensor("y", Float32, 4, 2), pads, 4, ""},
		{[]Tensor{x(1)}, y, spares, 1, ""},
		{[]Tensor{x(4)}, y, spares, 4, "on_bad_row: the model takes 4 rows at a time"},
		{[]Tensor{x(1)}, y, pads, 1, "pad_last_batch: the model takes one row at a time"},
		{[]Tensor{x(-1)}, y, pads, 0, "pad_last_batch: the model takes any number of rows"},
		{[]Tensor{x(4), z(2)}, y, Mapping{}, 0, "one is fixed at 4 and of the other at 2"},
		{[]Tensor{x(-1), z(2)}, y, Mapping{}, 0, "give z in constants"},
		{[]Tensor{x(0)}, y, Mapping{}, 0, "has no rows"},
		{[]Tensor{x(-1)}, tensor("y", Float32, 3), Mapping{}, 0, "of 3 rows for any batch"},
		{[]Tensor{x(4)}, tensor("y", Float32, 3), Mapping{}, 4, "of 3 rows for any batch"},
	} {
		s := &Signature{Inputs: tt.inputs, Outputs: []Tensor{tt.output}}
		b, err := Check(s, schema("x", i64, "z", i64), tt.mapping)
		switch {
		case tt.fault != "":
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%v to %v: %v, want %q", tt.inputs, tt.output, err, tt.fault)
			}
		case err != nil || b.Batch != tt.batch:
			t.Errorf("%v to %v: %+v %v", tt.inputs, tt.output, b, err)
		}
	}
}

// TestNoColumn: at least one column must feed the model.
func TestNoColumn(t *testing.T) {
	constants := []Constant{{Tensor: tensor("x", Int64, -1)}}
	optional := tensor("z", Int64, -1)
	optional.Default = true
	y := []Tensor{tensor("y", Float32, -1)}
	for _, s := range []*Signature{{Constants: constants, Outputs: y}, {Inputs: []Tensor{optional}, Outputs: y}} {
		if _, err := Check(s, schema("a", i64), Mapping{}); err == nil || !strings.Contains(err.Error(), "no column feeds the model") {
			t.Errorf("%v", err)
		}
	}
}

func TestNarrowing(t *testing.T) {
	for _, d := range []DType{Float16, BFloat16, Float32} {
		if ok, remedy := Fits(f64, d, Mapping{}); ok || !strings.Contains(remedy, "--allow-narrowing") {
			t.Errorf("float64 into %s: %v %q", d, ok, remedy)
		}
		if ok, _ := Fits(f64, d, Mapping{AllowNarrowing: true}); !ok {
			t.Errorf("float64 is not narrowed to %s", d)
		}
	}
	for _, d := range []DType{Int32, Bool, String} {
		if ok, remedy := Fits(f64, d, Mapping{AllowNarrowing: true}); ok || strings.Contains(remedy, "narrowing") {
			t.Errorf("float64 into %s: %v %q", d, ok, remedy)
		}
	}
}
