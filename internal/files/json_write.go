package files

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// jsonHolds says whether JSON can hold a type.
func jsonHolds(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST:
		return jsonHolds(t.(arrow.ListLikeType).Elem())
	}
	switch t.ID() {
	case arrow.BOOL, arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return true
	}
	return arrow.IsInteger(t.ID()) || arrow.IsFloating(t.ID())
}

// jsonEncode appends the JSON text of an array's value.
type jsonEncode func(b []byte, i int) ([]byte, error)

// newJSONEncode is for arrays of types that jsonHolds.
func newJSONEncode(a arrow.Array) jsonEncode {
	value := jsonEncodeValue(a)
	return func(b []byte, i int) ([]byte, error) {
		if a.IsNull(i) {
			return append(b, "null"...), nil
		}
		return value(b, i)
	}
}

func jsonEncodeValue(a arrow.Array) jsonEncode {
	switch a := a.(type) {
	case *array.Boolean:
		return func(b []byte, i int) ([]byte, error) { return strconv.AppendBool(b, a.Value(i)), nil }
	case *array.Uint64:
		return func(b []byte, i int) ([]byte, error) { return strconv.AppendUint(b, a.Value(i), 10), nil }
	case *array.Float16:
		return jsonFloats(32, func(i int) float64 { return float64(a.Value(i).Float32()) })
	case *array.Float32:
		return jsonFloats(32, func(i int) float64 { return float64(a.Value(i)) })
	case *array.Float64:
		return jsonFloats(64, a.Value)
	case *array.String:
		return func(b []byte, i int) ([]byte, error) { return quoteJSON(b, a.Value(i)) }
	case *array.LargeString:
		return func(b []byte, i int) ([]byte, error) { return quoteJSON(b, a.Value(i)) }
	case array.ListLike:
		return jsonLists(a)
	}
	if value := bytesOf(a); value != nil {
		return func(b []byte, i int) ([]byte, error) {
			return append(base64.StdEncoding.AppendEncode(append(b, '"'), value(i)), '"'), nil
		}
	}
	value := intOf(a)
	return func(b []byte, i int) ([]byte, error) { return strconv.AppendInt(b, value(i), 10), nil }
}

func jsonFloats(bits int, value func(int) float64) jsonEncode {
	return func(b []byte, i int) ([]byte, error) {
		v := value(i)
		if word := nonFiniteWord(v); word != "" {
			return append(append(append(b, '"'), word...), '"'), nil
		}
		return formatFloat(b, v, bits), nil
	}
}

func jsonLists(a array.ListLike) jsonEncode {
	element := newJSONEncode(a.ListValues())
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

// quoteJSON appends a string with what JSON wants escaped, and nothing else.
func quoteJSON(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("the string %s is not UTF-8; make the column binary", clip([]byte(s)))
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
