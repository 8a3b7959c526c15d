package csv

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

// column appends cells to a builder.
type column struct {
	guessed bool // its type was inferred from sampled rows
	field   arrow.Field
	builder array.Builder
	text    bool // "" is a value, not null
	value   func(text []byte) error
}

func newColumn(b array.Builder, f arrow.Field) (c column, err error) {
	c = column{field: f, builder: b}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		c.value = boolValue(b)
	case *array.StringBuilder:
		c.text, c.value = true, textValue(b.BinaryBuilder.Append)
	case *array.LargeStringBuilder:
		c.text, c.value = true, textValue(b.BinaryBuilder.Append)
	case *array.BinaryBuilder:
		c.text, c.value = true, binaryValue(b)
	case array.ListLikeBuilder:
		c.value, err = listValue(b, f)
	default:
		if number := arrays.AppendNumber(b); number != nil {
			c.value = func(text []byte) error { return number(bytes.TrimSpace(text)) }
		} else {
			err = fmt.Errorf("%s: %w", f.Type, codec.ErrType)
		}
	}
	return c, err
}

// append appends a cell. Null is an unquoted cell that equals null. An empty
// cell is null too if the type has no empty value.
func (c *column) append(cell cell, null string) *rowformat.Fault {
	var err error
	switch {
	case !cell.quoted && string(cell.text) == null, len(cell.text) == 0 && !c.text:
		if c.field.Nullable {
			c.builder.AppendNull()
		} else {
			err = arrays.ErrNulls
		}
	default:
		err = c.value(cell.text)
	}
	if err == nil {
		return nil
	}
	message := err
	if c.guessed && !c.text && !errors.Is(err, arrays.ErrNulls) {
		message = rowformat.WrongGuessError(err, c.field, cell.text)
	}
	return &rowformat.Fault{Column: c.field.Name, Reason: err, Err: fmt.Errorf("column %q: %w", c.field.Name, message)}
}

func textValue(appendText func([]byte)) func([]byte) error {
	return func(text []byte) error {
		if !utf8.Valid(text) {
			return fmt.Errorf("%s is not UTF-8: make the file UTF-8 (iconv -f latin1 -t utf-8)", arrays.Clip(text))
		}
		appendText(text)
		return nil
	}
}

func binaryValue(b *array.BinaryBuilder) func([]byte) error {
	var decoded []byte
	return func(text []byte) (err error) {
		if decoded, err = base64.StdEncoding.AppendDecode(decoded[:0], text); err != nil {
			return fmt.Errorf("%s is not base64, as binary is written: %w", arrays.Clip(text), err)
		}
		b.Append(decoded)
		return nil
	}
}

func boolValue(b *array.BooleanBuilder) func([]byte) error {
	return func(text []byte) error {
		v, ok := parseBool(bytes.TrimSpace(text))
		if !ok {
			return arrays.WrongTypeError(b.Type(), text)
		}
		b.Append(v)
		return nil
	}
}

// parseBool accepts true and false in any letter case: Spark and pyarrow write
// true, pandas True.
func parseBool(text []byte) (v, ok bool) {
	v = bytes.EqualFold(text, []byte("true"))
	return v, v || bytes.EqualFold(text, []byte("false"))
}

// listValue reads a cell as a JSON array.
func listValue(b array.Builder, f arrow.Field) (func([]byte) error, error) {
	value, err := jsontext.NewAppend(b, f)
	if err != nil {
		return nil, err
	}
	text := &jsontext.Text{}
	return func(cell []byte) error {
		text.Bytes, text.At = cell, 0
		if err := value(text); err != nil {
			return err
		}
		return text.End()
	}, nil
}

// cellShape says which types the sampled cells of a column exclude. some is
// true once a cell had a value.
type cellShape struct{ some, noBool, noInt, noFloat bool }

func (s *cellShape) addCell(cell cell, null string) {
	if len(cell.text) == 0 || !cell.quoted && string(cell.text) == null {
		return
	}
	text := bytes.TrimSpace(cell.text)
	_, isBool := parseBool(text)
	_, err := strconv.ParseInt(string(text), 10, 64)
	s.some, s.noBool = true, s.noBool || !isBool
	s.noInt = s.noInt || err != nil
	s.noFloat = s.noFloat || err != nil && !isFraction(text) || arrays.BeyondFloats(text)
}

// isFraction reports whether text is a number that a float may hold. An integer
// beyond int64 is not: it is an identifier, and stays a string.
func isFraction(text []byte) bool {
	_, err := arrays.ParseFloat(text, 64)
	return err == nil && (arrays.NotFinite(text) || bytes.ContainsAny(text, ".eE"))
}

func (s *cellShape) dataType() arrow.DataType {
	switch {
	case !s.some:
	case !s.noBool:
		return arrow.FixedWidthTypes.Boolean
	case !s.noInt:
		return arrow.PrimitiveTypes.Int64
	case !s.noFloat:
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.BinaryTypes.String
}
