package parquet

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// newValues returns the decoder of a leaf column whose array has type dt.
func newValues(col *schema.Column, dt arrow.DataType, mem memory.Allocator) (values, error) {
	if dt.ID() == arrow.NULL {
		return noValues{}, nil
	}
	v := &fixedValues{dt: dt, Buffer: arrays.Buffer{Mem: mem}}
	switch col.PhysicalType() {
	case parquet.Types.Boolean:
		if dt.ID() == arrow.BOOL {
			return &boolValues{Buffer: arrays.Buffer{Mem: mem}}, nil
		}
	case parquet.Types.ByteArray:
		if dt.ID() == arrow.STRING || dt.ID() == arrow.BINARY {
			return &binaryValues{dt: dt, offsets: arrays.Buffer{Mem: mem}, data: arrays.Buffer{Mem: mem}}, nil
		}
	case parquet.Types.Int32, parquet.Types.Float:
		v.in = 4
	case parquet.Types.Int64, parquet.Types.Double:
		v.in = 8
	case parquet.Types.Int96:
		v.in = 12
	case parquet.Types.FixedLenByteArray:
		v.in = col.TypeLength()
	}
	if fixed, ok := dt.(arrow.FixedWidthDataType); ok && v.in > 0 {
		v.out = fixed.Bytes()
		if v.chooseConversion(col.PhysicalType()) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%w: %s stored as %s", codec.ErrType, dt, col.PhysicalType())
}

// chooseConversion sets v.convert. It returns false if there is no conversion.
func (v *fixedValues) chooseConversion(physical parquet.Type) bool {
	integer := physical == parquet.Types.Int32 || physical == parquet.Types.Int64
	id := v.dt.ID()
	switch {
	case id == arrow.DECIMAL128 || id == arrow.DECIMAL256:
		v.convert = v.widen
		if !integer {
			v.convert = v.reverse
		}
		return v.in <= v.out
	case physical == parquet.Types.Int96:
		v.convert = microseconds
		return id == arrow.TIMESTAMP
	case v.in == v.out:
		return true
	case physical == parquet.Types.Int32 && arrow.IsInteger(id) && v.out < 4:
		v.convert = v.narrow
		return true
	case physical == parquet.Types.Int32 && id == arrow.DATE64:
		v.convert = milliseconds
		return true
	}
	return false
}

// narrow keeps the low bytes of little-endian numbers.
func (v *fixedValues) narrow(dst, src []byte) {
	for ; len(dst) > 0; dst, src = dst[v.out:], src[v.in:] {
		copy(dst[:v.out], src)
	}
}

// widen extends the sign of little-endian numbers.
func (v *fixedValues) widen(dst, src []byte) {
	for ; len(dst) > 0; dst, src = dst[v.out:], src[v.in:] {
		n := copy(dst, src[:v.in])
		fillSign(dst[n:v.out], src[v.in-1])
	}
}

// reverse converts big-endian numbers to little-endian ones and extends the
// sign.
func (v *fixedValues) reverse(dst, src []byte) {
	for ; len(dst) > 0; dst, src = dst[v.out:], src[v.in:] {
		n := copy(dst, src[:v.in])
		slices.Reverse(dst[:n])
		fillSign(dst[n:v.out], src[0])
	}
}

func fillSign(dst []byte, highest byte) {
	for i := range dst {
		dst[i] = byte(int8(highest) >> 7)
	}
}

// julianEpoch is 1970-01-01 as a day number of INT96.
const julianEpoch = 2440588

// microseconds converts INT96 (nanoseconds of the day, and the day) to
// timestamps. Nanoseconds since 1970 could not hold every year that Spark
// writes.
func microseconds(dst, src []byte) {
	for ; len(dst) > 0; dst, src = dst[8:], src[12:] {
		nanos := int64(binary.LittleEndian.Uint64(src))
		day := int64(int32(binary.LittleEndian.Uint32(src[8:]))) - julianEpoch
		binary.LittleEndian.PutUint64(dst, uint64(day*24*60*60*1e6+nanos/1000))
	}
}

// milliseconds converts days to milliseconds.
func milliseconds(dst, src []byte) {
	for ; len(dst) > 0; dst, src = dst[8:], src[4:] {
		day := int64(int32(binary.LittleEndian.Uint32(src)))
		binary.LittleEndian.PutUint64(dst, uint64(day*24*60*60*1000))
	}
}
