package files

import (
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
)

// jsonKind is what sampled values of a column have in common.
type jsonKind int

const (
	jsonNull   jsonKind = iota // nothing but nulls
	jsonBool                   //
	jsonInt                    // a float holds it as well
	jsonLong                   // fits int64
	jsonWord                   // "NaN" and the like in quotes: a float among floats, else a string
	jsonFloat                  //
	jsonArray                  //
	jsonStrung                 // strings, objects, or kinds that have nothing in common
)

// jsonShape is a column's kind, and that of its elements.
type jsonShape struct {
	kind    jsonKind
	element *jsonShape // of jsonArray
}

// see consumes a value and widens the shape to hold it.
func (s *jsonShape) see(t *jsonText, depth int) error {
	if depth > jsonDepth {
		return errJSONDepth
	}
	switch t.next() {
	case 'n':
		return t.word("null")
	case 't':
		s.widen(jsonBool)
		return t.word("true")
	case 'f':
		s.widen(jsonBool)
		return t.word("false")
	case '"':
		text, err := t.str()
		if notFinite(text) {
			s.widen(jsonWord)
		} else {
			s.widen(jsonStrung)
		}
		return err
	case '{':
		s.widen(jsonStrung)
		return t.skip(depth)
	case '[':
		s.widen(jsonArray)
		if s.kind != jsonArray {
			return t.skip(depth)
		}
		if s.element == nil {
			s.element = &jsonShape{}
		}
		return t.array(func(int) error { return s.element.see(t, depth+1) })
	}
	text, err := t.number()
	s.widen(numberKind(text))
	return err
}

// numberKind takes an integer beyond int64 for an identifier, as CSV does: it
// stays a string.
func numberKind(text []byte) jsonKind {
	_, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case beyondFloats(text) && err == nil:
		return jsonLong
	case beyondFloats(text):
		return jsonStrung
	case err == nil:
		return jsonInt
	}
	return jsonFloat
}

func (s *jsonShape) widen(k jsonKind) {
	number := func(k jsonKind) bool { return k == jsonInt || k == jsonFloat || k == jsonWord }
	switch {
	case s.kind == jsonNull || s.kind == k:
		s.kind = k
	case s.kind == jsonInt && k == jsonLong || s.kind == jsonLong && k == jsonInt:
		s.kind = jsonLong
	case number(s.kind) && number(k):
		s.kind = jsonFloat
	default:
		s.kind = jsonStrung
	}
}

func (s *jsonShape) dataType() arrow.DataType {
	switch s.kind {
	case jsonBool:
		return arrow.FixedWidthTypes.Boolean
	case jsonInt, jsonLong:
		return arrow.PrimitiveTypes.Int64
	case jsonFloat:
		return arrow.PrimitiveTypes.Float64
	case jsonArray:
		return arrow.ListOf(s.element.dataType())
	}
	return arrow.BinaryTypes.String
}

// jsonColumns are the keys that sampled rows have, in the order in which they
// were met.
type jsonColumns struct {
	names  []string
	shapes map[string]*jsonShape
}

func (c *jsonColumns) add(t *jsonText) error {
	err := t.object(func(key []byte) error {
		shape := c.shapes[string(key)]
		if shape == nil {
			shape = &jsonShape{}
			c.names = append(c.names, string(key))
			c.shapes[string(key)] = shape
		}
		return shape.see(t, 0)
	})
	if err != nil {
		return err
	}
	return t.end()
}

func (c *jsonColumns) fields() []arrow.Field {
	var fields []arrow.Field
	for _, name := range c.names {
		fields = append(fields, arrow.Field{Name: name, Type: c.shapes[name].dataType(), Nullable: true})
	}
	return fields
}
