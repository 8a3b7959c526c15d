package files

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"google.golang.org/protobuf/encoding/protowire"
)

// exampleEncoder encodes rows as tf.Examples. Features are written sorted by
// name, lists packed, and a null is a feature that is left out.
type exampleEncoder struct {
	columns []encodedColumn
	list    []byte // scratch: one list
	entries []byte // scratch: a row's map entries
	example []byte
}

type encodedColumn struct {
	index int
	field arrow.Field
	kind  kind
	list  bool
}

func newExampleEncoder(schema *arrow.Schema) (*exampleEncoder, error) {
	e := &exampleEncoder{}
	for i, f := range schema.Fields() {
		c := encodedColumn{index: i, field: f}
		t := f.Type
		if list, ok := t.(arrow.ListLikeType); ok && t.ID() != arrow.MAP {
			c.list, t = true, list.Elem()
		}
		if c.kind = exampleKind(t); c.kind == 0 {
			return nil, fmt.Errorf("column %q: %s in a tf.Example: %w", f.Name, f.Type, ErrType)
		}
		e.columns = append(e.columns, c)
	}
	slices.SortFunc(e.columns, func(a, b encodedColumn) int { return strings.Compare(a.field.Name, b.field.Name) })
	return e, nil
}

// exampleKind is the list that holds a type; 0: none does.
func exampleKind(t arrow.DataType) kind {
	switch t.ID() {
	case arrow.BOOL, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64,
		arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return int64Kind
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64:
		return floatKind
	case arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return bytesKind
	}
	return 0
}

// encode returns a row's Example, valid until the next call.
func (e *exampleEncoder) encode(record arrow.Record, row int) ([]byte, error) {
	e.entries = e.entries[:0]
	for i := range e.columns {
		c := &e.columns[i]
		column := record.Column(c.index)
		if column.IsNull(row) {
			continue
		}
		values, from, to := column, row, row+1
		if c.list {
			list := column.(array.ListLike)
			first, last := list.ValueOffsets(row)
			values, from, to = list.ListValues(), int(first), int(last)
		}
		var err error
		if e.list, err = appendList(e.list[:0], values, from, to); err != nil {
			return nil, fmt.Errorf("column %q: %w", c.field.Name, err)
		}
		e.entry(c)
	}
	e.example = protowire.AppendTag(e.example[:0], 1, protowire.BytesType)
	e.example = protowire.AppendBytes(e.example, e.entries)
	return e.example, nil
}

// entry appends the map entry of a column whose list is in e.list.
func (e *exampleEncoder) entry(c *encodedColumn) {
	const tag = 1 // bytes of each tag here
	feature := tag + protowire.SizeBytes(len(e.list))
	size := tag + protowire.SizeBytes(len(c.field.Name)) + tag + protowire.SizeBytes(feature)
	b := protowire.AppendTag(e.entries, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, c.field.Name)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(feature))
	b = protowire.AppendTag(b, protowire.Number(c.kind), protowire.BytesType)
	e.entries = protowire.AppendBytes(b, e.list)
}

// appendList appends values[from:to] as a BytesList, FloatList or Int64List.
func appendList(b []byte, values arrow.Array, from, to int) ([]byte, error) {
	if from == to {
		return b, nil
	}
	for i := from; i < to && values.NullN() > 0; i++ {
		if values.IsNull(i) {
			return nil, errors.New("a null in a list, which a tf.Example cannot hold")
		}
	}
	switch values := values.(type) {
	case *array.Float32:
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		return protowire.AppendBytes(b, arrow.Float32Traits.CastToBytes(values.Float32Values()[from:to])), nil
	case *array.Float16:
		return appendFloats(b, from, to, func(i int) float64 { return float64(values.Value(i).Float32()) })
	case *array.Float64:
		return appendFloats(b, from, to, values.Value)
	}
	if value := bytesOf(values); value != nil {
		for i := from; i < to; i++ {
			b = protowire.AppendTag(b, 1, protowire.BytesType)
			b = protowire.AppendBytes(b, value(i))
		}
		return b, nil
	}
	return appendInts(b, from, to, values)
}

// appendFloats rounds to float32, as TensorFlow's own writer does; what is
// finite stays finite or is refused.
func appendFloats(b []byte, from, to int, value func(int) float64) ([]byte, error) {
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(4*(to-from)))
	for i := from; i < to; i++ {
		v := float32(value(i))
		if math.IsInf(float64(v), 0) && !math.IsInf(value(i), 0) {
			return nil, fmt.Errorf("%g is beyond float32, which a tf.Example holds", value(i))
		}
		b = protowire.AppendFixed32(b, math.Float32bits(v))
	}
	return b, nil
}

func appendInts(b []byte, from, to int, values arrow.Array) ([]byte, error) {
	if values, ok := values.(*array.Uint64); ok {
		for i := from; i < to; i++ {
			if v := values.Value(i); v > math.MaxInt64 {
				return nil, fmt.Errorf("%d is beyond int64, which a tf.Example holds", v)
			}
		}
	}
	value := intOf(values)
	size := 0
	for i := from; i < to; i++ {
		size += protowire.SizeVarint(uint64(value(i)))
	}
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for i := from; i < to; i++ {
		b = protowire.AppendVarint(b, uint64(value(i)))
	}
	return b, nil
}

// intOf reads an array of integers or booleans.
func intOf(a arrow.Array) func(int) int64 {
	switch a := a.(type) {
	case *array.Int8:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int16:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int64:
		return a.Value
	case *array.Uint8:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint16:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint64:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Boolean:
		return func(i int) int64 {
			if a.Value(i) {
				return 1
			}
			return 0
		}
	}
	return nil
}

// bytesOf reads an array of strings or binaries; nil: it is none.
func bytesOf(a arrow.Array) func(int) []byte {
	switch a := a.(type) {
	case *array.String:
		return func(i int) []byte { return []byte(a.Value(i)) }
	case *array.LargeString:
		return func(i int) []byte { return []byte(a.Value(i)) }
	case *array.Binary:
		return a.Value
	case *array.LargeBinary:
		return a.Value
	case *array.FixedSizeBinary:
		return a.Value
	}
	return nil
}
