package model

import (
	"encoding/binary"
	"math"
)

// floatFormat is a binary format of IEEE 754: the number of stored bits of its
// significand, and the exponents of its normal numbers.
type floatFormat struct{ fraction, minExponent, maxExponent int }

var floatFormats = map[DType]floatFormat{
	Float16: {10, -14, 15}, BFloat16: {7, -126, 127}, Float32: {23, -126, 127}, Float64: {52, -1022, 1023},
}

func (d DType) floating() bool { _, ok := floatFormats[d]; return ok }

// AppendFloat appends v as an element of a floating type, rounded to the nearest
// value, ties to even. It returns false, and appends nothing, if v is finite and
// beyond the type's range.
func (d DType) AppendFloat(to []byte, v float64) ([]byte, bool) {
	if d == Float64 {
		return binary.LittleEndian.AppendUint64(to, math.Float64bits(v)), true
	}
	f := floatFormats[d]
	rounded := f.round(v)
	if math.IsInf(rounded, 0) && !math.IsInf(v, 0) {
		return to, false
	}
	bits := math.Float32bits(float32(rounded)) // exact
	switch d {
	case Float32:
		return binary.LittleEndian.AppendUint32(to, bits), true
	case BFloat16: // a float32's upper half
		return binary.LittleEndian.AppendUint16(to, uint16(bits>>16)), true
	}
	return binary.LittleEndian.AppendUint16(to, halfBits(rounded)), true
}

// round returns the nearest value of the format. It is infinite beyond the range.
func (f floatFormat) round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	_, exponent := math.Frexp(v) // v = m·2^exponent with m in [½,1)
	unit := max(exponent-1, f.minExponent) - f.fraction
	rounded := math.Ldexp(math.RoundToEven(math.Ldexp(v, -unit)), unit)
	if math.Abs(rounded) >= math.Ldexp(1, f.maxExponent+1) {
		return math.Inf(int(math.Copysign(1, v)))
	}
	return math.Copysign(rounded, v)
}

// halfBits returns the bits of the float16 v. v must be a value of float16.
func halfBits(v float64) uint16 {
	var sign uint16
	if math.Signbit(v) {
		sign = 1 << 15
	}
	v = math.Abs(v)
	switch {
	case math.IsNaN(v):
		return sign | 0x7e00
	case math.IsInf(v, 0):
		return sign | 0x7c00
	case v < math.Ldexp(1, -14): // subnormal
		return sign | uint16(math.Ldexp(v, 24))
	}
	m, exponent := math.Frexp(v)
	return sign | uint16(exponent-1+15)<<10 | uint16(math.Ldexp(m, 11))&0x3ff
}

// HalfFloat returns the value of the float16 with these bits. Arrow's own conversion
// turns subnormal numbers into 0.
func HalfFloat(bits uint16) float32 {
	sign := uint32(bits&0x8000) << 16
	exponent, fraction := bits>>10&0x1f, uint32(bits&0x3ff)
	switch exponent {
	case 0: // zero, or subnormal
		v := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(v))
	case 0x1f: // infinite, or not a number
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (uint32(exponent)-15+127)<<23 | fraction<<13)
}
