package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// DType is a tensor's element type, with the numbers of TensorFlow's DataType
// (tensorflow/core/framework/types.proto), which the C API shares.
type DType int32

// The element types that columns can become or come from.
const (
	Float32  = DType(typespb.DataType_DT_FLOAT)
	Float64  = DType(typespb.DataType_DT_DOUBLE)
	Float16  = DType(typespb.DataType_DT_HALF)
	BFloat16 = DType(typespb.DataType_DT_BFLOAT16)
	Int8     = DType(typespb.DataType_DT_INT8)
	Int16    = DType(typespb.DataType_DT_INT16)
	Int32    = DType(typespb.DataType_DT_INT32)
	Int64    = DType(typespb.DataType_DT_INT64)
	Uint8    = DType(typespb.DataType_DT_UINT8)
	Uint16   = DType(typespb.DataType_DT_UINT16)
	Uint32   = DType(typespb.DataType_DT_UINT32)
	Uint64   = DType(typespb.DataType_DT_UINT64)
	Bool     = DType(typespb.DataType_DT_BOOL)
	String   = DType(typespb.DataType_DT_STRING)
)

var dtypeNames = map[DType]string{Float32: "float32", Float64: "float64", Float16: "float16"}

// String returns the type's name in Python's TensorFlow.
func (d DType) String() string {
	if s, ok := dtypeNames[d]; ok {
		return s
	}
	return strings.ToLower(strings.TrimPrefix(typespb.DataType(d).String(), "DT_"))
}

func (d DType) integer() bool {
	switch d {
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64:
		return true
	}
	return false
}

// readable reports whether a reader of text can produce values of this type.
func (d DType) readable() bool {
	return d.integer() || d == Float32 || d == Float64 || d == Bool || d == String
}

// columnTypes maps the type of an output tensor to the type of its column's
// elements. float16 and bfloat16 widen to float32, which loses nothing and which
// Spark can read.
var columnTypes = map[DType]arrow.DataType{
	Float32: arrow.PrimitiveTypes.Float32, Float64: arrow.PrimitiveTypes.Float64,
	Float16: arrow.PrimitiveTypes.Float32, BFloat16: arrow.PrimitiveTypes.Float32,
	Int8: arrow.PrimitiveTypes.Int8, Int16: arrow.PrimitiveTypes.Int16,
	Int32: arrow.PrimitiveTypes.Int32, Int64: arrow.PrimitiveTypes.Int64,
	Uint8: arrow.PrimitiveTypes.Uint8, Uint16: arrow.PrimitiveTypes.Uint16,
	Uint32: arrow.PrimitiveTypes.Uint32, Uint64: arrow.PrimitiveTypes.Uint64,
	Bool: arrow.FixedWidthTypes.Boolean, String: arrow.BinaryTypes.String,
}

// ElementType returns the Arrow type of an output tensor's elements, or nil if no
// column can hold them. Strings become text. Their values must then be UTF-8.
func (d DType) ElementType() arrow.DataType { return columnTypes[d] }

// Fits reports whether a column of element type t may feed a tensor of type d, and
// if not, the remedy. No value changes in silence:
//   - A type feeds its own type.
//   - An integer feeds any integer type. The engine refuses values that do not fit.
//   - An integer feeds a floating type that holds all values of its type exactly.
//   - A float feeds a wider floating type.
//   - If m allows narrowing, a number feeds any floating type and is rounded to the
//     nearest value. The engine refuses values beyond the type's range.
func Fits(t arrow.DataType, d DType, m Mapping) (ok bool, remedy string) {
	narrows := d.floating() && (arrow.IsFloating(t.ID()) || arrow.IsInteger(t.ID()))
	switch id := t.ID(); {
	case narrows && m.AllowNarrowing:
		ok = true
	case d == String:
		ok = id == arrow.STRING || id == arrow.BINARY || id == arrow.LARGE_STRING || id == arrow.LARGE_BINARY || id == arrow.FIXED_SIZE_BINARY
	case d == Bool:
		ok = id == arrow.BOOL
	case d.integer():
		ok = arrow.IsInteger(id)
	case d == Float16:
		ok = id == arrow.FLOAT16
	case d == Float32:
		ok = id == arrow.FLOAT32 || id == arrow.INT8 || id == arrow.INT16 || id == arrow.UINT8 || id == arrow.UINT16
	case d == Float64:
		ok = id == arrow.FLOAT64 || id == arrow.FLOAT32 || (arrow.IsInteger(id) && id != arrow.INT64 && id != arrow.UINT64)
	case d != BFloat16:
		return false, "tensors of this type cannot be fed from a column"
	}
	switch {
	case ok:
		return true, ""
	case slices.Contains([]arrow.Type{arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY}, t.ID()):
		return false, "bytes feed string tensors only: store a list of numbers, or decode them in the graph (tf.io.decode_raw)"
	case !narrows:
		return false, "cast the column to " + sparkName(d)
	case d == Float16 || d == BFloat16: // Spark has no such type to cast to
		return false, fmt.Sprintf("say %s, which rounds its numbers to %s", m.allowNarrowing(), d)
	}
	return false, fmt.Sprintf("cast the column to %s, or say %s, which rounds its numbers to %s", sparkName(d), m.allowNarrowing(), d)
}

// sparkName returns the name of the type in a CAST of Spark SQL.
func sparkName(d DType) string {
	switch d {
	case Float32:
		return "float"
	case Float64:
		return "double"
	case Bool:
		return "boolean"
	case Int64, Uint32, Uint64:
		return "bigint"
	case Int8, Int16, Int32, Uint8, Uint16:
		return "int"
	}
	return d.String()
}
