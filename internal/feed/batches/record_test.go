package batches

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/train"
)

// everyType has a column of each layout that can be fed.
var everyType = arrow.NewSchema([]arrow.Field{
	{Name: "int64", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "uint8", Type: arrow.PrimitiveTypes.Uint8, Nullable: true},
	{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "decimal", Type: &arrow.Decimal128Type{Precision: 20, Scale: 2}, Nullable: true},
	{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "large", Type: arrow.BinaryTypes.LargeBinary, Nullable: true},
	{Name: "digest", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}, Nullable: true},
	{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true},
	{Name: "texts", Type: arrow.LargeListOf(arrow.BinaryTypes.String), Nullable: true},
	{Name: "fixed", Type: arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Int16), Nullable: true},
	{Name: "lists", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int32)), Nullable: true},
	{Name: "struct", Type: arrow.StructOf(
		arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		arrow.Field{Name: "b", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}), Nullable: true},
	{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	{Name: "null", Type: arrow.Null, Nullable: true},
}, nil)

// randomRecord returns n rows of everyType. The caller releases it.
func randomRecord(random *rand.Rand, n int, nulls bool) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, everyType)
	defer b.Release()
	for i := range everyType.NumFields() {
		for range n {
			appendRandom(random, b.Field(i), nulls)
		}
	}
	return b.NewRecord()
}

func appendRandom(random *rand.Rand, b array.Builder, nulls bool) {
	if nulls && random.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	text := fmt.Sprint(random.IntN(1e6))
	inner := func(b array.Builder, n int) {
		for range n {
			appendRandom(random, b, nulls)
		}
	}
	switch b := b.(type) {
	case *array.Int64Builder:
		b.Append(random.Int64())
	case *array.Int32Builder:
		b.Append(random.Int32())
	case *array.Int16Builder:
		b.Append(int16(random.Int32()))
	case *array.Uint8Builder:
		b.Append(uint8(random.Int32()))
	case *array.BooleanBuilder:
		b.Append(random.IntN(2) == 0)
	case *array.Float32Builder:
		b.Append(random.Float32())
	case *array.Float64Builder:
		b.Append(random.Float64())
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(random.Int64N(1e9)))
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append([]byte(text))
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{1, 2, byte(random.Int32())})
	case *array.ListBuilder:
		b.Append(true)
		inner(b.ValueBuilder(), random.IntN(4))
	case *array.LargeListBuilder:
		b.Append(true)
		inner(b.ValueBuilder(), random.IntN(4))
	case *array.FixedSizeListBuilder:
		b.Append(true)
		inner(b.ValueBuilder(), 3)
	case *array.StructBuilder:
		b.Append(true)
		inner(b.FieldBuilder(0), 1)
		inner(b.FieldBuilder(1), 1)
	case *array.MapBuilder:
		b.Append(true)
		for k := range random.IntN(3) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint(k))
			b.ItemBuilder().(*array.Int64Builder).Append(random.Int64())
		}
	default:
		b.AppendNull()
	}
}

// encoded returns the schema and the record batch message of a record.
func encoded(t testing.TB, r arrow.Record) (schema, message []byte) {
	t.Helper()
	var empty, whole bytes.Buffer
	w := ipc.NewWriter(&empty, ipc.WithSchema(r.Schema()))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = ipc.NewWriter(&whole, ipc.WithSchema(r.Schema()))
	if err := w.Write(r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const end = 8
	at := empty.Len() - end
	return bytes.Clone(whole.Bytes()[:at]), bytes.Clone(whole.Bytes()[at : whole.Len()-end])
}

// TestDecode: a record is the one that was encoded, its buffers are the message's,
// and the message is free when the record is released.
func TestDecode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 100} {
		for _, nulls := range []bool{false, true} {
			want := randomRecord(random, n, nulls)
			schema, message := encoded(t, want)
			var d decoder
			freed := 0
			got, err := d.decode(schema, message, func() { freed++ })
			if err != nil {
				t.Fatal(err)
			}
			if !array.RecordEqual(got, want) {
				t.Errorf("%d rows: %v, want %v", n, got, want)
			}
			part := got.NewSlice(int64(n/3), int64(n))
			got.Release()
			if freed != 0 {
				t.Error("freed while a slice is in use")
			}
			if n > 0 {
				values := part.Column(0).Data().Buffers()[1].Bytes()
				first, at := uintptr(unsafe.Pointer(&message[0])), uintptr(unsafe.Pointer(&values[0]))
				if at < first || at >= first+uintptr(len(message)) {
					t.Error("the record has a copy of the message's bytes")
				}
			}
			part.Release()
			if freed != 1 {
				t.Errorf("freed %d times", freed)
			}
		}
	}
}

// TestDecodeDamaged: bytes that are no record batch are an error and are freed.
func TestDecodeDamaged(t *testing.T) {
	schema, message := encoded(t, randomRecord(rand.New(rand.NewPCG(1, 2)), 10, true))
	cut := func(n int) []byte { return bytes.Clone(message[:n]) }
	swapped := bytes.Clone(message)
	for i := 8; i < 64; i++ {
		swapped[i] ^= 0x55
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "prefix": cut(8), "metadata alone": cut(200), "half": cut(len(message) / 2),
		"a schema": bytes.Clone(schema), "other bytes": swapped,
	} {
		var d decoder
		freed := 0
		if _, err := d.decode(schema, data, func() { freed++ }); err == nil {
			t.Errorf("%s: decoded", name)
		}
		if freed != 1 {
			t.Errorf("%s: freed %d times", name, freed)
		}
	}
}

// TestJoin: runs of any pieces are joined as Arrow's library joins them.
func TestJoin(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for round := range 40 {
		var pieces []*piece
		for i := range 1 + random.IntN(4) {
			whole := randomRecord(random, 10+random.IntN(30), (round+i)%2 == 0)
			from := random.Int64N(5)
			pieces = append(pieces, newPiece(whole.NewSlice(from, whole.NumRows()-from), train.Place{}))
			whole.Release()
		}
		var runs []run
		for range 1 + random.IntN(20) {
			p := pieces[random.IntN(len(pieces))]
			from := random.Int64N(p.record.NumRows())
			runs = append(runs, run{p, from, random.Int64N(p.record.NumRows()-from) + 1, 0})
		}
		got, err := join(mem, runs)
		if err != nil {
			t.Fatal(err)
		}
		for i, column := range got.Columns() {
			var parts []arrow.Array
			for _, r := range runs {
				parts = append(parts, array.NewSlice(r.piece.record.Column(i), r.from, r.from+r.n))
			}
			want, err := array.Concatenate(parts, memory.DefaultAllocator)
			if err != nil {
				t.Fatal(err)
			}
			if !array.Equal(column, want) || column.NullN() != want.NullN() {
				t.Fatalf("%s: %v, want %v", got.ColumnName(i), column, want)
			}
		}
		got.Release()
		for _, p := range pieces {
			p.use(p.left)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	one := func(fields ...arrow.Field) run {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		for i := range fields {
			b.Field(i).AppendNull()
		}
		return run{newPiece(b.NewRecord(), train.Place{}), 0, 1, 0}
	}
	x := arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64}
	y := arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32}
	z := arrow.Field{Name: "z", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}}
	for _, runs := range [][]run{{one(x), one(y)}, {one(x), one(x, y)}, {one(z), one(z)}} {
		if _, err := join(memory.DefaultAllocator, runs); err == nil {
			t.Errorf("joined %v", runs)
		}
	}
}
