package files

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/arrays"
)

// folderKind is the type of a column in folder names, as Spark infers it
// (PartitioningUtils.inferPartitionColumnValue).
type folderKind struct {
	class  folderClass
	digits int // precision of a folderDecimal
}

type folderClass int

const (
	folderNull folderClass = iota // only nulls so far
	folderInt
	folderLong
	folderDecimal // of scale 0
	folderDouble
	folderDate
	folderTimestamp
	folderString
)

// Decimal precisions that hold every int and every bigint, and Spark's largest
// precision.
const intDigits, longDigits, maxDigits = 10, 20, 38

// kindOf returns the type of one value.
func kindOf(raw string) folderKind {
	if raw == nullFolder {
		return folderKind{class: folderNull}
	}
	if _, err := strconv.ParseInt(raw, 10, 32); err == nil {
		return folderKind{class: folderInt}
	}
	if _, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return folderKind{class: folderLong}
	}
	if _, digits, ok := parseFolderInteger(raw); ok && digits <= maxDigits {
		return folderKind{folderDecimal, digits}
	}
	if _, ok := parseJavaDouble(raw); ok {
		return folderKind{class: folderDouble}
	}
	if _, ok := parseFolderTime(unescapeFolder(raw), time.UTC); ok {
		return folderKind{class: folderTimestamp}
	}
	if _, err := time.Parse(time.DateOnly, raw); err == nil {
		return folderKind{class: folderDate}
	}
	return folderKind{class: folderString}
}

// wider returns the type of a column that has values of both types.
func (k folderKind) wider(o folderKind) folderKind {
	if k.class > o.class {
		k, o = o, k
	}
	if k.class == folderNull || k == o {
		return o
	}
	switch o.class {
	case folderLong:
		return o
	case folderDecimal:
		digits := map[folderClass]int{folderInt: intDigits, folderLong: longDigits, folderDecimal: k.digits}[k.class]
		return folderKind{folderDecimal, max(digits, o.digits)}
	case folderDouble:
		if k.class == folderInt {
			return o
		}
	case folderTimestamp:
		if k.class == folderDate {
			return o
		}
	}
	return folderKind{class: folderString}
}

// dataType returns the column's Arrow type. A column of nulls only is void in
// Spark. No file format holds void, so it is string here.
func (k folderKind) dataType() arrow.DataType {
	switch k.class {
	case folderInt:
		return arrow.PrimitiveTypes.Int32
	case folderLong:
		return arrow.PrimitiveTypes.Int64
	case folderDecimal:
		return &arrow.Decimal128Type{Precision: int32(k.digits)}
	case folderDouble:
		return arrow.PrimitiveTypes.Float64
	case folderDate:
		return arrow.FixedWidthTypes.Date32
	case folderTimestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return arrow.BinaryTypes.String
}

var wholeForm = regexp.MustCompile(`^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$`)

// parseFolderInteger reads a number that Java's BigDecimal accepts and that has
// no fraction. digits is the precision that Spark gives it.
func parseFolderInteger(raw string) (n *big.Int, digits int, ok bool) {
	m := wholeForm.FindStringSubmatch(raw)
	if m == nil || m[2]+m[3] == "" {
		return nil, 0, false
	}
	exponent, _ := strconv.Atoi(m[4])
	zeros := exponent - len(m[3])
	unscaled := strings.TrimLeft(m[2]+m[3], "0")
	if unscaled == "" {
		unscaled = "0"
	}
	if digits = len(unscaled) + zeros; zeros < 0 || digits > math.MaxInt16 {
		return nil, 0, false
	}
	n, ok = new(big.Int).SetString(strings.TrimPrefix(m[1], "+")+unscaled+strings.Repeat("0", zeros), 10)
	return n, digits, ok
}

var doubleForm = regexp.MustCompile(`^[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFdD]?)$`)

// parseJavaDouble reads a number as Java's Double.parseDouble does.
func parseJavaDouble(raw string) (float64, bool) {
	text := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	m := doubleForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	if m[2] != "" {
		text = strings.TrimRight(text, "fFdD")
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil || math.IsInf(v, 0)
}

var stampForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d)?$`)

// parseFolderTime reads Spark's pattern for timestamps in folder names. text
// has no escapes.
func parseFolderTime(text string, zone *time.Location) (time.Time, bool) {
	if !stampForm.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(time.DateTime, text, zone)
	return t, err == nil
}

// unescapeFolder undoes escapeFolder: %XX is the character with that code.
// Other text stays as it is.
func unescapeFolder(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out.WriteRune(rune(code))
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// folderArray returns an array of one row: a folder's value as type t.
func folderArray(mem memory.Allocator, raw string, t arrow.DataType, zone *time.Location) (arrow.Array, error) {
	b := array.NewBuilder(mem, t)
	defer b.Release()
	if raw == nullFolder {
		b.AppendNull()
		return b.NewArray(), nil
	}
	if ok := appendFolderValue(b, raw, zone); ok {
		return b.NewArray(), nil
	}
	text := array.NewStringBuilder(mem)
	defer text.Release()
	text.Append(unescapeFolder(raw))
	a := text.NewArray()
	defer a.Release()
	return arrays.Cast(mem, a, t)
}

// appendFolderValue appends a value of a type whose text is read differently in
// folder names. It returns false for other types and for text that does not
// fit.
func appendFolderValue(b array.Builder, raw string, zone *time.Location) bool {
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(unescapeFolder(raw))
		return true
	case *array.Float64Builder:
		v, ok := parseJavaDouble(raw)
		if ok {
			b.Append(v)
		}
		return ok
	case *array.Float32Builder:
		v, ok := parseJavaDouble(raw)
		if ok {
			b.Append(float32(v))
		}
		return ok
	case *array.Date32Builder:
		t, err := time.Parse(time.DateOnly, raw)
		if err == nil {
			b.Append(arrow.Date32FromTime(t))
		}
		return err == nil
	case *array.TimestampBuilder:
		return appendFolderTime(b, raw, zone)
	case *array.Decimal128Builder:
		return appendFolderDecimal(b, raw)
	}
	n, _, ok := parseFolderInteger(raw)
	return ok && appendWhole(b, n)
}

func appendFolderTime(b *array.TimestampBuilder, raw string, zone *time.Location) bool {
	t, ok := parseFolderTime(unescapeFolder(raw), zone)
	if !ok {
		var err error
		if t, err = time.ParseInLocation(time.DateOnly, raw, zone); err != nil {
			return false
		}
	}
	unit := b.Type().(*arrow.TimestampType).Unit
	stamp, err := arrow.TimestampFromTime(t, unit)
	if err == nil {
		b.Append(stamp)
	}
	return err == nil
}

// decimalForm is a number that appendFolderDecimal reads. Its exponent has at most
// two digits, as no decimal type holds more.
var decimalForm = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$`)

// appendFolderDecimal appends a number rounded to the type's scale, half away from zero
// (Spark's Decimal.toPrecision), if the type holds it.
func appendFolderDecimal(b *array.Decimal128Builder, raw string) bool {
	if !decimalForm.MatchString(raw) {
		return false
	}
	value, ok := new(big.Rat).SetString(raw)
	if !ok {
		return false
	}
	t := b.Type().(*arrow.Decimal128Type)
	shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)
	// Twice the value and one, halved, is the value rounded half up.
	twice := new(big.Int).Mul(new(big.Int).Abs(value.Num()), shift)
	twice.Lsh(twice, 1).Add(twice, value.Denom())
	n := twice.Quo(twice, new(big.Int).Lsh(value.Denom(), 1))
	if value.Sign() < 0 {
		n.Neg(n)
	}
	if n.BitLen() > 127 || !decimal128.FromBigInt(n).FitsInPrecision(t.Precision) {
		return false
	}
	b.Append(decimal128.FromBigInt(n))
	return true
}

// appendWhole appends an integer if the builder's type holds it.
func appendWhole(b array.Builder, n *big.Int) bool {
	if !n.IsInt64() {
		return false
	}
	v := n.Int64()
	switch b := b.(type) {
	case *array.Int64Builder:
		b.Append(v)
	case *array.Int32Builder:
		if v != int64(int32(v)) {
			return false
		}
		b.Append(int32(v))
	case *array.Int16Builder:
		if v != int64(int16(v)) {
			return false
		}
		b.Append(int16(v))
	case *array.Int8Builder:
		if v != int64(int8(v)) {
			return false
		}
		b.Append(int8(v))
	default:
		return false
	}
	return true
}

// repeatValue returns an array of at least n rows that all have the value of a.
func repeatValue(mem memory.Allocator, a arrow.Array, n int) (arrow.Array, error) {
	if a.IsNull(0) {
		return array.MakeArrayOfNull(mem, a.DataType(), n), nil
	}
	whole := a
	whole.Retain()
	for whole.Len() < n {
		twice, err := array.Concatenate([]arrow.Array{whole, whole}, mem)
		whole.Release()
		if err != nil {
			return nil, fmt.Errorf("files: repeat a folder's value: %w", err)
		}
		whole = twice
	}
	return whole, nil
}
