package filestest

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Column is a column of the suite. Value appends the value of row i.
type Column struct {
	Name  string
	Type  arrow.DataType
	Value func(b array.Builder, i int)
}

func Number[T any](at ...T) func(b array.Builder, i int) {
	return func(b array.Builder, i int) { b.(interface{ Append(T) }).Append(at[i%len(at)]) }
}

// List5 appends a list of i%5 values, so some lists are empty.
func List5(value func(b array.Builder, i int)) func(b array.Builder, i int) {
	return ListOfLength(func(i int) int { return i % 5 }, value)
}

func ListOfLength(length func(i int) int, value func(b array.Builder, i int)) func(b array.Builder, i int) {
	return func(b array.Builder, i int) {
		list := b.(array.ListLikeBuilder)
		list.Append(true)
		for k := range length(i) {
			value(list.ValueBuilder(), i*5+k)
		}
	}
}

// Nulls makes two of three rows null, in runs of several lengths.
func Nulls(value func(b array.Builder, i int)) func(b array.Builder, i int) {
	return func(b array.Builder, i int) {
		if i%3 > 0 || i/16%4 == 1 {
			b.AppendNull()
			return
		}
		value(b, i)
	}
}

var (
	texts         = []string{"", "plain", "two\nlines", `a "quote", a comma`, "tab\there", `back\slash`, "naïve ünïcode 漢字 🙂", " spaces ", "null", "3.5"}
	float32Values = []float32{0, 1.5, -2.25, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), 1e-7, 16777217}
	float64Values = []float64{0, 0.1, -2.25, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), 1e-300, 9007199254740993}
)

func text(b array.Builder, i int) {
	b.(*array.StringBuilder).Append(texts[i%len(texts)] + strings.Repeat("x", i%4))
}

func bytesOfRow(b array.Builder, i int) {
	b.(*array.BinaryBuilder).Append(binary.LittleEndian.AppendUint64(nil, uint64(i)*0x9E3779B97F4A7C15)[:i%9])
}

// Columns are the columns that the suite writes and reads in every format.
func Columns() []Column {
	f32, f64 := Number(float32Values...), Number(float64Values...)
	i64 := Number[int64](0, -1, math.MaxInt64, math.MinInt64, 1<<53+1)
	simple := []Column{
		{"bool", arrow.FixedWidthTypes.Boolean, Number(true, false, false)},
		{"int8", arrow.PrimitiveTypes.Int8, Number[int8](0, -1, math.MaxInt8, math.MinInt8)},
		{"int16", arrow.PrimitiveTypes.Int16, Number[int16](0, -1, math.MaxInt16, math.MinInt16)},
		{"int32", arrow.PrimitiveTypes.Int32, Number[int32](0, -1, math.MaxInt32, math.MinInt32)},
		{"int64", arrow.PrimitiveTypes.Int64, i64},
		{"uint8", arrow.PrimitiveTypes.Uint8, Number[uint8](0, 1, math.MaxUint8)},
		{"uint16", arrow.PrimitiveTypes.Uint16, Number[uint16](0, 1, math.MaxUint16)},
		{"uint32", arrow.PrimitiveTypes.Uint32, Number[uint32](0, 1, math.MaxUint32)},
		{"uint64", arrow.PrimitiveTypes.Uint64, Number[uint64](0, 1, math.MaxInt64)},
		{"float32", arrow.PrimitiveTypes.Float32, f32},
		{"float64", arrow.PrimitiveTypes.Float64, f64},
		{"string", arrow.BinaryTypes.String, text},
		{"binary", arrow.BinaryTypes.Binary, bytesOfRow},
		{"floats", arrow.ListOf(arrow.PrimitiveTypes.Float32), List5(f32)},
		{"doubles", arrow.ListOf(arrow.PrimitiveTypes.Float64), List5(f64)},
		{"longs", arrow.ListOf(arrow.PrimitiveTypes.Int64), List5(i64)},
		{"bytes", arrow.ListOf(arrow.PrimitiveTypes.Uint8), List5(Number[uint8](0, 1, math.MaxUint8))},
		{"strings", arrow.ListOf(arrow.BinaryTypes.String), List5(text)},
		{"fixed floats", arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Float32), ListOfLength(func(int) int { return 3 }, f32)},
		{"one element", arrow.ListOf(arrow.PrimitiveTypes.Int32), ListOfLength(func(int) int { return 1 }, Number[int32](3, 5))},
		{"hundreds", arrow.ListOf(arrow.PrimitiveTypes.Float32), ListOfLength(func(i int) int { return 300 + i%2 }, f32)},
	}
	all := append(simple, rich()...)
	for _, c := range simple {
		all = append(all, Column{c.Name + " or null", c.Type, Nulls(c.Value)})
	}
	return all
}

// rich returns columns of types that only columnar formats have, and columns
// with nulls within lists.
func rich() []Column {
	i32 := Number[int32](0, -1, math.MaxInt32)
	pair := arrow.StructOf(arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		arrow.Field{Name: "list", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	appendPair := func(b array.Builder, i int) {
		s := b.(*array.StructBuilder)
		s.Append(true)
		Nulls(i32)(s.FieldBuilder(0), i)
		Nulls(List5(text))(s.FieldBuilder(1), i+1)
	}
	return []Column{
		{"nulls in lists", arrow.ListOf(arrow.PrimitiveTypes.Int32), Nulls(List5(Nulls(i32)))},
		{"nulls in lists of strings", arrow.ListOf(arrow.BinaryTypes.String), Nulls(List5(Nulls(text)))},
		{"lists of lists", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int32)), Nulls(List5(Nulls(List5(Nulls(i32)))))},
		{"struct", pair, Nulls(appendPair)},
		{"structs", arrow.ListOf(pair), Nulls(List5(Nulls(appendPair)))},
		{"map", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32), Nulls(func(b array.Builder, i int) {
			m := b.(*array.MapBuilder)
			m.Append(true)
			for k := range i % 3 {
				m.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint(k))
				Nulls(i32)(m.ItemBuilder(), i+k)
			}
		})},
		{"date", arrow.FixedWidthTypes.Date32, Nulls(Number[arrow.Date32](0, -1, 20000))},
		{"timestamp", arrow.FixedWidthTypes.Timestamp_us, Nulls(Number[arrow.Timestamp](0, -1, 1<<50))},
		{"local time", &arrow.TimestampType{Unit: arrow.Millisecond}, Nulls(Number[arrow.Timestamp](0, -1, 1<<40))},
		{"times", arrow.ListOf(&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Berlin"}), List5(Number[arrow.Timestamp](0, -1, 1<<50))},
		{"decimal", &arrow.Decimal128Type{Precision: 20, Scale: 2}, Nulls(Number(decimal128.FromI64(0), decimal128.FromI64(-12345), decimal128.FromI64(math.MaxInt64)))},
	}
}

// RowsOf returns the rows [from, from+n) of two columns: id, which is the row's
// number, and c. The caller releases the record.
func RowsOf(mem memory.Allocator, c Column, from, n int) arrow.Record {
	b := array.NewRecordBuilder(mem, RowsSchema(c))
	defer b.Release()
	b.Reserve(n)
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		c.Value(b.Field(1), i)
	}
	return b.NewRecord()
}

func RowsSchema(c Column) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: c.Name, Type: c.Type, Nullable: true},
	}, nil)
}
