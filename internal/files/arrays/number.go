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

// Clip quotes the first 20 bytes of b for an error.
func Clip(b []byte) string {
	const most = 20
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// AppendNumber returns a function that parses a number's text and appends it to
// b. It returns nil if b holds no numbers.
//
// A number that the type cannot hold is an error: out of range, or with a
// fraction for an integer type. 1.0 and 1e3 are integers, because pandas writes
// integers so when some are missing. Fractions are rounded to the nearest
// float. An integer beyond 2^53 is an error for a float type: a double may not
// hold it.
func AppendNumber(b array.Builder) func(text []byte) error {
	switch b := b.(type) {
	case *array.Int8Builder:
		return appendIntegers(b.Type(), 8, func(v int64) { b.Append(int8(v)) })
	case *array.Int16Builder:
		return appendIntegers(b.Type(), 16, func(v int64) { b.Append(int16(v)) })
	case *array.Int32Builder:
		return appendIntegers(b.Type(), 32, func(v int64) { b.Append(int32(v)) })
	case *array.Int64Builder:
		return appendIntegers(b.Type(), 64, b.Append)
	case *array.Uint8Builder:
		return appendUnsigned(b.Type(), 8, func(v uint64) { b.Append(uint8(v)) })
	case *array.Uint16Builder:
		return appendUnsigned(b.Type(), 16, func(v uint64) { b.Append(uint16(v)) })
	case *array.Uint32Builder:
		return appendUnsigned(b.Type(), 32, func(v uint64) { b.Append(uint32(v)) })
	case *array.Uint64Builder:
		return appendUnsigned(b.Type(), 64, b.Append)
	case *array.Float16Builder:
		return appendFloats(b.Type(), 32, func(v float64) error {
			half := float16.New(float32(v))
			if math.IsInf(float64(half.Float32()), 0) && !math.IsInf(v, 0) {
				return strconv.ErrRange
			}
			b.Append(half)
			return nil
		})
	case *array.Float32Builder:
		return appendFloats(b.Type(), 32, func(v float64) error { b.Append(float32(v)); return nil })
	case *array.Float64Builder:
		return appendFloats(b.Type(), 64, func(v float64) error { b.Append(v); return nil })
	}
	return nil
}

func WrongTypeError(t arrow.DataType, text []byte) error {
	return fmt.Errorf("%s is not a %s", Clip(text), TypeDDL(t))
}

func appendIntegers(t arrow.DataType, bits int, appendValue func(int64)) func([]byte) error {
	return func(text []byte) error {
		v, err := strconv.ParseInt(string(text), 10, bits)
		if err != nil {
			whole, ok := wholeNumber(text)
			least := -int64(1) << (bits - 1)
			if v = int64(whole); !ok || v < least || v > -(least+1) {
				return WrongTypeError(t, text)
			}
		}
		appendValue(v)
		return nil
	}
}

func appendUnsigned(t arrow.DataType, bits int, appendValue func(uint64)) func([]byte) error {
	return func(text []byte) error {
		v, err := strconv.ParseUint(string(text), 10, bits)
		if err != nil {
			whole, ok := wholeNumber(text)
			if v = uint64(whole); !ok || whole < 0 || v > math.MaxUint64>>(64-bits) {
				return WrongTypeError(t, text)
			}
		}
		appendValue(v)
		return nil
	}
}

// wholeNumber reads an integer written as a fraction, up to 2^53. A larger
// float may not be the integer that was meant.
func wholeNumber(text []byte) (float64, bool) {
	v, err := ParseFloat(text, 64)
	return v, err == nil && v == math.Trunc(v) && math.Abs(v) <= 1<<53
}

func appendFloats(t arrow.DataType, bits int, appendValue func(float64) error) func([]byte) error {
	return func(text []byte) error {
		v, err := ParseFloat(text, bits)
		if err == nil && BeyondFloats(text) {
			err = errRounded
		}
		if err == nil {
			err = appendValue(v)
		}
		if err == errRounded {
			return fmt.Errorf("%w: %w", WrongTypeError(t, text), err)
		}
		if err != nil {
			return WrongTypeError(t, text)
		}
		return nil
	}
}

// BeyondFloats reports whether text is an integer beyond 2^53, which a double
// may not hold exactly.
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

// ParseFloat accepts decimal numbers and the words for NaN and infinity that
// Spark, pandas and pyarrow write. It refuses everything else that strconv
// accepts, such as hexadecimal.
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

// NotFinite reports whether text is a word for NaN or infinity: NaN, Infinity,
// nan, inf or Inf, the infinities with or without a sign.
func NotFinite(text []byte) bool {
	switch string(text) {
	case "NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf", "+inf", "Inf", "-Inf":
		return true
	}
	return false
}

// FormatFloat appends a float such that reading returns the same float. It
// writes 1.0, not 1.
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

// NonFiniteWord returns Spark's word for NaN or infinity, and "" for a finite
// float.
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
