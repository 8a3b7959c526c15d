package arrays

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/float16"
)

// Clip quotes the beginning of b for an error.
func Clip(b []byte) string {
	const most = 20
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// AppendNumber returns what appends a number's text to a builder; nil: the
// builder holds no numbers. A number that the type cannot hold is an error: out
// of its range, or with a fraction where it is an integer (1.0 and 1e3 are
// integers: pandas writes integers so when some are missing). Fractions are
// rounded to the nearest float; integers up to 2^53, which a double holds, are
// too, and those beyond are no floats.
func AppendNumber(b array.Builder) func(text []byte) error {
	switch b := b.(type) {
	case *array.Int8Builder:
		return integers(b.Type(), 8, func(v int64) { b.Append(int8(v)) })
	case *array.Int16Builder:
		return integers(b.Type(), 16, func(v int64) { b.Append(int16(v)) })
	case *array.Int32Builder:
		return integers(b.Type(), 32, func(v int64) { b.Append(int32(v)) })
	case *array.Int64Builder:
		return integers(b.Type(), 64, b.Append)
	case *array.Uint8Builder:
		return naturals(b.Type(), 8, func(v uint64) { b.Append(uint8(v)) })
	case *array.Uint16Builder:
		return naturals(b.Type(), 16, func(v uint64) { b.Append(uint16(v)) })
	case *array.Uint32Builder:
		return naturals(b.Type(), 32, func(v uint64) { b.Append(uint32(v)) })
	case *array.Uint64Builder:
		return naturals(b.Type(), 64, b.Append)
	case *array.Float16Builder:
		return floats(b.Type(), 32, func(v float64) error {
			half := float16.New(float32(v))
			if math.IsInf(float64(half.Float32()), 0) && !math.IsInf(v, 0) {
				return strconv.ErrRange
			}
			b.Append(half)
			return nil
		})
	case *array.Float32Builder:
		return floats(b.Type(), 32, func(v float64) error { b.Append(float32(v)); return nil })
	case *array.Float64Builder:
		return floats(b.Type(), 64, func(v float64) error { b.Append(v); return nil })
	}
	return nil
}

func NotA(t arrow.DataType, text []byte) error {
	return fmt.Errorf("%s is not a %s", Clip(text), TypeDDL(t))
}

func integers(t arrow.DataType, bits int, appendValue func(int64)) func([]byte) error {
	return func(text []byte) error {
		v, err := strconv.ParseInt(string(text), 10, bits)
		if err != nil {
			whole, ok := wholeNumber(text)
			least := -int64(1) << (bits - 1)
			if v = int64(whole); !ok || v < least || v > -(least+1) {
				return NotA(t, text)
			}
		}
		appendValue(v)
		return nil
	}
}

func naturals(t arrow.DataType, bits int, appendValue func(uint64)) func([]byte) error {
	return func(text []byte) error {
		v, err := strconv.ParseUint(string(text), 10, bits)
		if err != nil {
			whole, ok := wholeNumber(text)
			if v = uint64(whole); !ok || whole < 0 || v > math.MaxUint64>>(64-bits) {
				return NotA(t, text)
			}
		}
		appendValue(v)
		return nil
	}
}

// wholeNumber reads an integer that is written as a fraction, up to 2^53: no
// float beyond is sure to be the integer that was meant.
func wholeNumber(text []byte) (float64, bool) {
	v, err := ParseFloat(text, 64)
	return v, err == nil && v == math.Trunc(v) && math.Abs(v) <= 1<<53
}

func floats(t arrow.DataType, bits int, appendValue func(float64) error) func([]byte) error {
	return func(text []byte) error {
		v, err := ParseFloat(text, bits)
		if err == nil && BeyondFloats(text) {
			err = errRounded
		}
		if err == nil {
			err = appendValue(v)
		}
		if err == errRounded {
			return fmt.Errorf("%w: %w", NotA(t, text), err)
		}
		if err != nil {
			return NotA(t, text)
		}
		return nil
	}
}

// BeyondFloats says whether text is an integer beyond 2^53, of which a double
// may hold a neighbour only.
func BeyondFloats(text []byte) bool {
	if len(text) < 16 {
		return false
	}
	digits := bytes.TrimLeft(text, "+-")
	if bytes.ContainsFunc(digits, func(c rune) bool { return c < '0' || c > '9' }) {
		return false
	}
	v, err := strconv.ParseUint(string(digits), 10, 64)
	return err != nil || v > 1<<53
}

var (
	errNoNumber = errors.New("not a number")
	errRounded  = errors.New("it would be rounded; declare the column as bigint or string")
)

// ParseFloat takes decimal numbers and the words that Spark, pandas and pyarrow
// write for what is not finite, and nothing else that strconv would take.
func ParseFloat(text []byte, bits int) (float64, error) {
	for _, c := range text {
		if c > 'E' && c != 'e' || c == ' ' {
			if !NotFinite(text) {
				return 0, errNoNumber
			}
			break
		}
	}
	return strconv.ParseFloat(string(text), bits)
}

// NotFinite says whether text is NaN, Infinity, -Infinity, nan, inf or -inf.
func NotFinite(text []byte) bool {
	switch string(text) {
	case "NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf", "+inf", "Inf", "-Inf":
		return true
	}
	return false
}

// FormatFloat appends a float so that it reads back the same, and as a float:
// 1.0, not 1.
func FormatFloat(b []byte, v float64, bits int) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, bits)
	for _, c := range b[from:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, '.', '0')
}

// NonFiniteWord is how Spark writes a float that is not finite; "": it is.
func NonFiniteWord(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return ""
}
