package jsontext

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
)

// Holds reports whether JSON can hold a type.
func Holds(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST:
		return Holds(t.(arrow.ListLikeType).Elem())
	}
	switch t.ID() {
	case arrow.BOOL, arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return true
	}
	return arrow.IsInteger(t.ID()) || arrow.IsFloating(t.ID())
}

// Encode appends the JSON text of the i-th value of an array.
type Encode func(b []byte, i int) ([]byte, error)

// NewEncode returns the Encode of an array. Holds must be true for its type.
func NewEncode(a arrow.Array) Encode {
	value := newValueEncode(a)
	return func(b []byte, i int) ([]byte, error) {
		if a.IsNull(i) {
			return append(b, "null"...), nil
		}
		return value(b, i)
	}
}

func newValueEncode(a arrow.Array) Encode {
	switch a := a.(type) {
	case *array.Boolean:
		return func(b []byte, i int) ([]byte, error) { return strconv.AppendBool(b, a.Value(i)), nil }
	case *array.Uint64:
		return func(b []byte, i int) ([]byte, error) { return strconv.AppendUint(b, a.Value(i), 10), nil }
	case *array.Float16:
		return encodeFloats(32, func(i int) float64 { return float64(a.Value(i).Float32()) })
	case *array.Float32:
		return encodeFloats(32, func(i int) float64 { return float64(a.Value(i)) })
	case *array.Float64:
		return encodeFloats(64, a.Value)
	case *array.String:
		return func(b []byte, i int) ([]byte, error) { return Quote(b, a.Value(i)) }
	case *array.LargeString:
		return func(b []byte, i int) ([]byte, error) { return Quote(b, a.Value(i)) }
	case array.ListLike:
		return encodeLists(a)
	}
	if value := arrays.Bytes(a); value != nil {
		return func(b []byte, i int) ([]byte, error) {
			return append(base64.StdEncoding.AppendEncode(append(b, '"'), value(i)), '"'), nil
		}
	}
	value := arrays.Ints(a)
	return func(b []byte, i int) ([]byte, error) { return strconv.AppendInt(b, value(i), 10), nil }
}

func encodeFloats(bits int, value func(int) float64) Encode {
	return func(b []byte, i int) ([]byte, error) {
		v := value(i)
		if word := arrays.NonFiniteWord(v); word != "" {
			return append(append(append(b, '"'), word...), '"'), nil
		}
		return arrays.FormatFloat(b, v, bits), nil
	}
}

func encodeLists(a array.ListLike) Encode {
	element := NewEncode(a.ListValues())
	return func(b []byte, i int) (_ []byte, err error) {
		from, to := a.ValueOffsets(i)
		b = append(b, '[')
		for j := from; j < to; j++ {
			if j > from {
				b = append(b, ',')
			}
			if b, err = element(b, int(j)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
}

// Quote appends a string in quotes. It escapes only what JSON requires, and
// refuses text that is not UTF-8.
func Quote(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("the string %s is not UTF-8; make the column binary", arrays.Clip([]byte(s)))
	}
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"'), nil
}
