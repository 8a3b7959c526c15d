package jsontext

import (
	"encoding/base64"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// Append consumes the value at the cursor and appends it to a builder.
type Append func(t *Text) error

// NewAppend returns the Append of a column, or of a list's elements. A type
// that JSON cannot hold is ErrType.
func NewAppend(b array.Builder, f arrow.Field) (Append, error) {
	value, err := newValueAppend(b, f.Type)
	if err != nil {
		return nil, err
	}
	return func(t *Text) error {
		switch {
		case t.Next() != 'n':
			return value(t)
		case !f.Nullable:
			return fmt.Errorf("null, and the schema declares that there is none")
		}
		b.AppendNull()
		return t.Word("null")
	}, nil
}

func newValueAppend(b array.Builder, dt arrow.DataType) (Append, error) {
	if number := arrays.AppendNumber(b); number != nil {
		return numberAppend(number, arrow.IsFloating(dt.ID())), nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		return func(t *Text) error {
			if t.Next() == 't' {
				b.Append(true)
				return t.Word("true")
			}
			b.Append(false)
			return t.Word("false")
		}, nil
	case *array.StringBuilder:
		return stringAppend(b.BinaryBuilder.Append), nil
	case *array.LargeStringBuilder:
		return stringAppend(b.BinaryBuilder.Append), nil
	case *array.BinaryBuilder:
		return binaryAppend(b), nil
	case array.ListLikeBuilder:
		if list, ok := dt.(arrow.ListLikeType); ok && dt.ID() != arrow.MAP {
			return listAppend(b, list)
		}
	}
	return nil, fmt.Errorf("%s: %w", dt, codec.ErrType)
}

// numberAppend also accepts NaN and infinity in quotes, as Spark writes them,
// for floats.
func numberAppend(appendText func([]byte) error, float bool) Append {
	return func(t *Text) error {
		var text []byte
		var err error
		if float && t.Next() == '"' {
			if text, err = t.Str(); err == nil && !arrays.NotFinite(text) {
				err = fmt.Errorf("the string %s where a number should be", arrays.Clip(text))
			}
		} else {
			text, err = t.Number()
		}
		if err != nil {
			return err
		}
		return appendText(text)
	}
}

// stringAppend reads a value that is not a string as its JSON text, as Spark
// does.
func stringAppend(appendText func([]byte)) Append {
	return func(t *Text) error {
		read := t.rawValue
		if t.Next() == '"' {
			read = t.Str
		}
		text, err := read()
		if err == nil {
			appendText(text)
		}
		return err
	}
}

func binaryAppend(b *array.BinaryBuilder) Append {
	var decoded []byte
	return func(t *Text) error {
		text, err := t.Str()
		if err != nil {
			return err
		}
		if decoded, err = base64.StdEncoding.AppendDecode(decoded[:0], text); err != nil {
			return fmt.Errorf("%s is not base64, as binary is written: %w", arrays.Clip(text), err)
		}
		b.Append(decoded)
		return nil
	}
}

func listAppend(b array.ListLikeBuilder, dt arrow.ListLikeType) (Append, error) {
	element, err := NewAppend(b.ValueBuilder(), dt.ElemField())
	if err != nil {
		return nil, err
	}
	size := -1
	if fixed, ok := dt.(*arrow.FixedSizeListType); ok {
		size = int(fixed.Len())
	}
	return func(t *Text) error {
		b.Append(true)
		n := 0
		err := t.Array(func(i int) error {
			n = i + 1
			if err := element(t); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
			return nil
		})
		if err == nil && size >= 0 && n != size {
			err = fmt.Errorf("a list of %d values where %d should be", n, size)
		}
		return err
	}, nil
}
