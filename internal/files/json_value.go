package files

import (
	"encoding/base64"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// jsonAppend consumes the value at the cursor and appends it to a builder.
type jsonAppend func(t *jsonText) error

// newJSONAppend is for a column, or the elements of one, of a type.
func newJSONAppend(b array.Builder, f arrow.Field) (jsonAppend, error) {
	value, err := jsonValue(b, f.Type)
	if err != nil {
		return nil, err
	}
	return func(t *jsonText) error {
		switch {
		case t.next() != 'n':
			return value(t)
		case !f.Nullable:
			return fmt.Errorf("null, and the schema declares that there is none")
		}
		b.AppendNull()
		return t.word("null")
	}, nil
}

func jsonValue(b array.Builder, dt arrow.DataType) (jsonAppend, error) {
	if number := appendNumber(b); number != nil {
		return jsonNumber(number, arrow.IsFloating(dt.ID())), nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		return func(t *jsonText) error {
			if t.next() == 't' {
				b.Append(true)
				return t.word("true")
			}
			b.Append(false)
			return t.word("false")
		}, nil
	case *array.StringBuilder:
		return jsonString(b.BinaryBuilder.Append), nil
	case *array.LargeStringBuilder:
		return jsonString(b.BinaryBuilder.Append), nil
	case *array.BinaryBuilder:
		return jsonBinary(b), nil
	case array.ListLikeBuilder:
		if list, ok := dt.(arrow.ListLikeType); ok && dt.ID() != arrow.MAP {
			return jsonList(b, list)
		}
	}
	return nil, fmt.Errorf("%s: %w", dt, ErrType)
}

// jsonNumber takes the words of what is not finite in quotes too, as Spark
// writes them.
func jsonNumber(appendText func([]byte) error, float bool) jsonAppend {
	return func(t *jsonText) error {
		var text []byte
		var err error
		if float && t.next() == '"' {
			if text, err = t.str(); err == nil && !notFinite(text) {
				err = fmt.Errorf("the string %s where a number should be", clip(text))
			}
		} else {
			text, err = t.number()
		}
		if err != nil {
			return err
		}
		return appendText(text)
	}
}

// jsonString takes what is no string as its JSON text, as Spark does.
func jsonString(appendText func([]byte)) jsonAppend {
	return func(t *jsonText) error {
		read := t.value
		if t.next() == '"' {
			read = t.str
		}
		text, err := read()
		if err == nil {
			appendText(text)
		}
		return err
	}
}

func jsonBinary(b *array.BinaryBuilder) jsonAppend {
	var decoded []byte
	return func(t *jsonText) error {
		text, err := t.str()
		if err != nil {
			return err
		}
		if decoded, err = base64.StdEncoding.AppendDecode(decoded[:0], text); err != nil {
			return fmt.Errorf("%s is not base64, as binary is written: %w", clip(text), err)
		}
		b.Append(decoded)
		return nil
	}
}

func jsonList(b array.ListLikeBuilder, dt arrow.ListLikeType) (jsonAppend, error) {
	element, err := newJSONAppend(b.ValueBuilder(), dt.ElemField())
	if err != nil {
		return nil, err
	}
	size := -1
	if fixed, ok := dt.(*arrow.FixedSizeListType); ok {
		size = int(fixed.Len())
	}
	return func(t *jsonText) error {
		b.Append(true)
		n := 0
		err := t.array(func(i int) error {
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
