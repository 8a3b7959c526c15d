package files

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// csvColumn appends cells to a builder.
type csvColumn struct {
	guessed bool // its type is the sampled rows'
	field   arrow.Field
	builder array.Builder
	text    bool // "" is a value, not null
	value   func(text []byte) error
}

func newCSVColumn(b array.Builder, f arrow.Field) (c csvColumn, err error) {
	c = csvColumn{field: f, builder: b}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		c.value = csvBool(b)
	case *array.StringBuilder:
		c.text, c.value = true, csvText(b.BinaryBuilder.Append)
	case *array.LargeStringBuilder:
		c.text, c.value = true, csvText(b.BinaryBuilder.Append)
	case *array.BinaryBuilder:
		c.text, c.value = true, csvBinary(b)
	case array.ListLikeBuilder:
		c.value, err = csvList(b, f)
	default:
		if number := appendNumber(b); number != nil {
			c.value = func(text []byte) error { return number(bytes.TrimSpace(text)) }
		} else {
			err = fmt.Errorf("%s: %w", f.Type, ErrType)
		}
	}
	return c, err
}

// append appends a cell. Null is what is not quoted and equals null, and an
// empty cell where the type has no empty value.
func (c *csvColumn) append(cell csvCell, null string) *rowFault {
	var err error
	switch {
	case !cell.quoted && string(cell.text) == null, len(cell.text) == 0 && !c.text:
		if c.field.Nullable {
			c.builder.AppendNull()
		} else {
			err = errNulls
		}
	default:
		err = c.value(cell.text)
	}
	if err == nil {
		return nil
	}
	told := err
	if c.guessed && !c.text && !errors.Is(err, errNulls) {
		told = guessWrong(err, c.field, cell.text)
	}
	return &rowFault{column: c.field.Name, reason: err, err: fmt.Errorf("column %q: %w", c.field.Name, told)}
}

func csvText(appendText func([]byte)) func([]byte) error {
	return func(text []byte) error {
		if !utf8.Valid(text) {
			return fmt.Errorf("%s is not UTF-8: make the file UTF-8 (iconv -f latin1 -t utf-8)", clip(text))
		}
		appendText(text)
		return nil
	}
}

func csvBinary(b *array.BinaryBuilder) func([]byte) error {
	var decoded []byte
	return func(text []byte) (err error) {
		if decoded, err = base64.StdEncoding.AppendDecode(decoded[:0], text); err != nil {
			return fmt.Errorf("%s is not base64, as binary is written: %w", clip(text), err)
		}
		b.Append(decoded)
		return nil
	}
}

func csvBool(b *array.BooleanBuilder) func([]byte) error {
	return func(text []byte) error {
		v, ok := parseBool(bytes.TrimSpace(text))
		if !ok {
			return notA(b.Type(), text)
		}
		b.Append(v)
		return nil
	}
}

// parseBool takes true and false in any case: Spark and pyarrow write true,
// pandas True.
func parseBool(text []byte) (v, ok bool) {
	v = bytes.EqualFold(text, []byte("true"))
	return v, v || bytes.EqualFold(text, []byte("false"))
}

// csvList reads a cell as a JSON array.
func csvList(b array.Builder, f arrow.Field) (func([]byte) error, error) {
	value, err := newJSONAppend(b, f)
	if err != nil {
		return nil, err
	}
	text := &jsonText{}
	return func(cell []byte) error {
		text.b, text.i = cell, 0
		if err := value(text); err != nil {
			return err
		}
		return text.end()
	}, nil
}

// csvShape is what sampled cells of a column have in common.
type csvShape struct{ some, noBool, noInt, noFloat bool }

func (s *csvShape) see(cell csvCell, null string) {
	if len(cell.text) == 0 || !cell.quoted && string(cell.text) == null {
		return
	}
	text := bytes.TrimSpace(cell.text)
	_, isBool := parseBool(text)
	_, err := strconv.ParseInt(string(text), 10, 64)
	s.some, s.noBool = true, s.noBool || !isBool
	s.noInt = s.noInt || err != nil
	s.noFloat = s.noFloat || err != nil && !isFraction(text) || beyondFloats(text)
}

// isFraction says whether text is a number that a float holds as well as it is
// written: an integer beyond int64 is an identifier, and stays a string.
func isFraction(text []byte) bool {
	_, err := parseFloat(text, 64)
	return err == nil && (notFinite(text) || bytes.ContainsAny(text, ".eE"))
}

func (s *csvShape) dataType() arrow.DataType {
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
