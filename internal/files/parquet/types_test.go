package parquet

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
)

// TestConversions: numbers that a file stores in another form than the array.
func TestConversions(t *testing.T) {
	little := func(v ...int32) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		return b
	}
	longs := func(v ...int64) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		return b
	}
	// INT96: nanoseconds of the day, then the Julian day.
	int96 := func(at time.Time) []byte {
		day := int64(math.Floor(float64(at.Unix()) / 86400))
		return append(longs(at.UnixNano()-day*86400*1e9), little(int32(day+2440588))...)
	}
	before, after := time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2024, 2, 29, 12, 0, 0, 1000, time.UTC)
	decimal := &arrow.Decimal128Type{Precision: 30, Scale: 2}
	for name, c := range map[string]struct {
		physical  parquet.Type
		in        int
		dt        arrow.FixedWidthDataType
		src, want []byte // want nil: there is no conversion
	}{
		"int8":                     {parquet.Types.Int32, 4, &arrow.Int8Type{}, little(-1, 127, -128), []byte{0xff, 0x7f, 0x80}},
		"uint16":                   {parquet.Types.Int32, 4, &arrow.Uint16Type{}, little(65535, 1), []byte{0xff, 0xff, 1, 0}},
		"decimal of int32":         {parquet.Types.Int32, 4, decimal, little(-2, 3), longs(-2, -1, 3, 0)},
		"decimal of int64":         {parquet.Types.Int64, 8, decimal, longs(-2, math.MaxInt64), longs(-2, -1, math.MaxInt64, 0)},
		"decimal of bytes":         {parquet.Types.FixedLenByteArray, 3, decimal, []byte{0xff, 0xff, 0xfe, 0x01, 0, 0}, longs(-2, -1, 1<<16, 0)},
		"decimal of as many bytes": {parquet.Types.FixedLenByteArray, 16, decimal, slices.Concat(slices.Repeat([]byte{0xff}, 15), []byte{0xfe}), longs(-2, -1)},
		"decimal of more bytes":    {parquet.Types.FixedLenByteArray, 17, decimal, nil, nil},
		"INT96":                    {parquet.Types.Int96, 12, &arrow.TimestampType{Unit: arrow.Microsecond}, append(int96(before), int96(after)...), longs(before.UnixMicro(), after.UnixMicro())},
		"INT96 of a number":        {parquet.Types.Int96, 12, &arrow.Int64Type{}, nil, nil},
		"days as milliseconds":     {parquet.Types.Int32, 4, &arrow.Date64Type{}, little(-1, 2), longs(-86_400_000, 2*86_400_000)},
		"a long of an int":         {parquet.Types.Int32, 4, &arrow.Int64Type{}, nil, nil},
		"half of a float":          {parquet.Types.Float, 4, &arrow.Float16Type{}, nil, nil},
		"short of a long":          {parquet.Types.Int64, 8, &arrow.Int16Type{}, nil, nil},
		"int32":                    {parquet.Types.Int32, 4, &arrow.Int32Type{}, little(-5), little(-5)},
	} {
		v := &fixedValues{dt: c.dt, in: c.in, out: c.dt.Bytes()}
		if ok := v.chooseConversion(c.physical); ok != (c.want != nil) {
			t.Errorf("%s: there is a conversion: %t", name, ok)
			continue
		}
		got := slices.Repeat([]byte{0xaa}, len(c.want))
		if v.convertInto(got, c.src); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// BYTE_STREAM_SPLIT stores the first bytes of all values, then the second ones.
func TestByteStreamSplit(t *testing.T) {
	v := &fixedValues{in: 3, out: 3}
	body := []byte{1, 4, 2, 5, 3, 6, 99} // and a byte that no value needs
	if err := v.beginPage(byteStreamSplit, body, 2); err != nil || !slices.Equal(v.plain, []byte{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v, %v", v.plain, err)
	}
	if err := v.beginPage(byteStreamSplit, body[:5], 2); err == nil {
		t.Error("two values of three bytes in five bytes")
	}
}
