package tfrecord

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"google.golang.org/protobuf/encoding/protowire"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// exampleEncoder encodes rows as tf.Examples or tf.SequenceExamples. Features
// are sorted by name and lists are packed. A null is omitted. A list of lists
// becomes a feature list with one Feature for each inner list. Other columns go
// into the context.
type exampleEncoder struct {
	columns []encodedColumn
	list    []byte                // scratch: one list
	feature []byte                // scratch: one Feature
	steps   []byte                // scratch: one FeatureList
	entries [listsPart + 1][]byte // scratch: a row's map entries, by part
	example []byte
}

type encodedColumn struct {
	index int
	field arrow.Field
	kind  kind
	list  bool
	part  part
}

func newExampleEncoder(schema *arrow.Schema, sequence bool) (*exampleEncoder, error) {
	e := &exampleEncoder{}
	for i, f := range schema.Fields() {
		c := encodedColumn{index: i, field: f, part: contextPart}
		t := f.Type
		if list, ok := t.(arrow.ListLikeType); ok && t.ID() != arrow.MAP {
			c.list, t = true, list.Elem()
			if steps, ok := t.(arrow.ListLikeType); ok && t.ID() != arrow.MAP {
				if !sequence {
					return nil, fmt.Errorf("column %q: %s in a tf.Example: %w; the option recordType: %s writes it as a feature list", f.Name, f.Type, codec.ErrType, recordSequence)
				}
				c.part, t = listsPart, steps.Elem()
			}
		}
		if c.kind = exampleKind(t); c.kind == 0 {
			return nil, fmt.Errorf("column %q: %s in a tf.Example: %w", f.Name, f.Type, codec.ErrType)
		}
		e.columns = append(e.columns, c)
	}
	slices.SortFunc(e.columns, func(a, b encodedColumn) int { return strings.Compare(a.field.Name, b.field.Name) })
	return e, nil
}

// exampleKind returns the kind of list that holds a type, or 0.
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

// encode returns a row's message, which is valid until the next call.
func (e *exampleEncoder) encode(record arrow.Record, row int) ([]byte, error) {
	for p := range e.entries {
		e.entries[p] = e.entries[p][:0]
	}
	for i := range e.columns {
		c := &e.columns[i]
		column := record.Column(c.index)
		if column.IsNull(row) {
			continue
		}
		var value []byte
		var err error
		if c.part == listsPart {
			value, err = e.encodeSteps(c, column.(array.ListLike), row)
		} else {
			value, err = e.encodeFeature(c, column, row, c.list)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.field.Name, err)
		}
		e.entries[c.part] = appendEntry(e.entries[c.part], c.field.Name, value)
	}
	e.example = e.example[:0]
	for _, p := range []part{contextPart, listsPart} {
		if p == contextPart || len(e.entries[p]) > 0 {
			e.example = protowire.AppendTag(e.example, protowire.Number(p), protowire.BytesType)
			e.example = protowire.AppendBytes(e.example, e.entries[p])
		}
	}
	return e.example, nil
}

// encodeFeature returns the Feature of a row, which is valid until the next
// call. It holds the list at row, or the single value.
func (e *exampleEncoder) encodeFeature(c *encodedColumn, values arrow.Array, row int, list bool) (_ []byte, err error) {
	from, to := row, row+1
	if list {
		rows := values.(array.ListLike)
		first, last := rows.ValueOffsets(row)
		values, from, to = rows.ListValues(), int(first), int(last)
	}
	if e.list, err = appendList(e.list[:0], values, from, to); err != nil {
		return nil, err
	}
	e.feature = protowire.AppendTag(e.feature[:0], protowire.Number(c.kind), protowire.BytesType)
	e.feature = protowire.AppendBytes(e.feature, e.list)
	return e.feature, nil
}

// encodeSteps returns a row's FeatureList, which is valid until the next call.
func (e *exampleEncoder) encodeSteps(c *encodedColumn, column array.ListLike, row int) ([]byte, error) {
	e.steps = e.steps[:0]
	steps := column.ListValues()
	first, last := column.ValueOffsets(row)
	for i := int(first); i < int(last); i++ {
		if steps.IsNull(i) {
			return nil, errors.New("a null in a list, which a tf.SequenceExample cannot hold")
		}
		feature, err := e.encodeFeature(c, steps, i, true)
		if err != nil {
			return nil, err
		}
		e.steps = protowire.AppendTag(e.steps, 1, protowire.BytesType)
		e.steps = protowire.AppendBytes(e.steps, feature)
	}
	return e.steps, nil
}

// appendEntry appends a map entry.
func appendEntry(b []byte, name string, value []byte) []byte {
	const tag = 1 // bytes of each tag here
	size := tag + protowire.SizeBytes(len(name)) + tag + protowire.SizeBytes(len(value))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, name)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendBytes(b, value)
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
	if value := arrays.Bytes(values); value != nil {
		for i := from; i < to; i++ {
			b = protowire.AppendTag(b, 1, protowire.BytesType)
			b = protowire.AppendBytes(b, value(i))
		}
		return b, nil
	}
	return appendInts(b, from, to, values)
}

// appendFloats rounds to float32, as TensorFlow's own writer does. A finite
// value beyond float32 is an error.
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
	value := arrays.Ints(values)
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
