package jsonl

import (
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/arrays"
	"tfos/internal/files/jsontext"
)

// kind is the common type of a column's sampled values.
type kind int

const (
	nullKind kind = iota // only nulls so far
	boolKind
	intKind  // fits int64, and a double holds it exactly
	longKind // fits int64, but a double may not hold it exactly
	wordKind // "NaN" and the like in quotes: a float among floats, else a string
	floatKind
	arrayKind
	stringKind // strings, objects, or values without a common type
)

// valueShape is the kind of a column, and of its list elements.
type valueShape struct {
	kind    kind
	element *valueShape // for arrayKind
}

// addValue consumes a value and widens the shape to include it.
func (s *valueShape) addValue(t *jsontext.Text, depth int) error {
	if depth > jsontext.MaxDepth {
		return jsontext.ErrDepth
	}
	switch t.Next() {
	case 'n':
		return t.Word("null")
	case 't':
		s.widen(boolKind)
		return t.Word("true")
	case 'f':
		s.widen(boolKind)
		return t.Word("false")
	case '"':
		text, err := t.Str()
		if arrays.NotFinite(text) {
			s.widen(wordKind)
		} else {
			s.widen(stringKind)
		}
		return err
	case '{':
		s.widen(stringKind)
		return t.Skip(depth)
	case '[':
		s.widen(arrayKind)
		if s.kind != arrayKind {
			return t.Skip(depth)
		}
		if s.element == nil {
			s.element = &valueShape{}
		}
		return t.Array(func(int) error { return s.element.addValue(t, depth+1) })
	}
	text, err := t.Number()
	s.widen(numberKind(text))
	return err
}

// numberKind returns the kind of a number. An integer beyond int64 is an
// identifier and stays a string, as in CSV.
func numberKind(text []byte) kind {
	_, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case arrays.BeyondFloats(text) && err == nil:
		return longKind
	case arrays.BeyondFloats(text):
		return stringKind
	case err == nil:
		return intKind
	}
	return floatKind
}

func (s *valueShape) widen(k kind) {
	number := func(k kind) bool { return k == intKind || k == floatKind || k == wordKind }
	switch {
	case s.kind == nullKind || s.kind == k:
		s.kind = k
	case s.kind == intKind && k == longKind || s.kind == longKind && k == intKind:
		s.kind = longKind
	case number(s.kind) && number(k):
		s.kind = floatKind
	default:
		s.kind = stringKind
	}
}

func (s *valueShape) dataType() arrow.DataType {
	switch s.kind {
	case boolKind:
		return arrow.FixedWidthTypes.Boolean
	case intKind, longKind:
		return arrow.PrimitiveTypes.Int64
	case floatKind:
		return arrow.PrimitiveTypes.Float64
	case arrayKind:
		return arrow.ListOf(s.element.dataType())
	}
	return arrow.BinaryTypes.String
}

// sampledColumns are the keys of sampled rows, in the order in which they first
// occur.
type sampledColumns struct {
	names  []string
	shapes map[string]*valueShape
}

func (c *sampledColumns) addObject(t *jsontext.Text) error {
	err := t.Object(func(key []byte) error {
		shape := c.shapes[string(key)]
		if shape == nil {
			shape = &valueShape{}
			c.names = append(c.names, string(key))
			c.shapes[string(key)] = shape
		}
		return shape.addValue(t, 0)
	})
	if err != nil {
		return err
	}
	return t.End()
}

func (c *sampledColumns) fields() []arrow.Field {
	var fields []arrow.Field
	for _, name := range c.names {
		fields = append(fields, arrow.Field{Name: name, Type: c.shapes[name].dataType(), Nullable: true})
	}
	return fields
}
