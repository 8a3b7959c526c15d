package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
)

// binaryValues are strings and binary; a length of 4 bytes precedes each.
type binaryValues struct {
	dt      arrow.DataType
	dict    []byte
	ends    []int // of the dictionary's values, from 0
	at      pointers
	plain   []byte
	offsets growing
	data    growing
	mean    int // bytes of a value so far
}

func (v *binaryValues) begin() { v.dict, v.ends = nil, nil }

func (v *binaryValues) dictionary(body []byte, n int) error {
	if len(body)/4 < n {
		return errValues
	}
	v.dict, v.ends = make([]byte, 0, len(body)), make([]int, 1, n+1)
	for range n {
		value, rest, err := cutValue(body)
		if err != nil {
			return err
		}
		v.dict = append(v.dict, value...)
		v.ends = append(v.ends, len(v.dict))
		body = rest
	}
	return nil
}

// cutValue takes a value off the page.
func cutValue(b []byte) (value, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errValues
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errValues
	}
	return b[4 : 4+n], b[4+n:], nil
}

func (v *binaryValues) page(e parquet.Encoding, body []byte, n int) error {
	switch e {
	case parquet.Encodings.Plain:
		v.plain = body
	case parquet.Encodings.RLEDict, parquet.Encodings.PlainDict:
		if v.ends == nil && n > 0 {
			return errDictionary
		}
	default:
		return fmt.Errorf("values in the encoding %s", e)
	}
	return v.at.page(e, body, n)
}

func (v *binaryValues) take(n int) error {
	var at []uint32
	if v.at.on {
		var err error
		if at, err = v.at.take(n); err != nil {
			return err
		}
	}
	ends := arrow.Int32Traits.CastFromBytes(v.offsets.extend(4 * n))
	for i := range ends {
		value, err := v.value(at, i)
		if err != nil {
			return err
		}
		if len(value) > math.MaxInt32-v.data.len() {
			return errors.New("more than 2 GiB of values in one batch: ask for fewer rows")
		}
		copy(v.data.extend(len(value)), value)
		ends[i] = int32(v.data.len())
	}
	return nil
}

// value is the i-th of what is taken.
func (v *binaryValues) value(at []uint32, i int) (value []byte, err error) {
	if !v.at.on {
		value, v.plain, err = cutValue(v.plain)
		return value, err
	}
	if uint64(at[i])+1 >= uint64(len(v.ends)) {
		return nil, errIndex
	}
	return v.dict[v.ends[at[i]]:v.ends[at[i]+1]], nil
}

func (v *binaryValues) skip(n int) {
	ends := arrow.Int32Traits.CastFromBytes(v.offsets.extend(4 * n))
	for i := range ends {
		ends[i] = int32(v.data.len())
	}
}

func (v *binaryValues) reserve(n int) {
	v.offsets.reserve(4 * (n + 1))
	if v.offsets.len() == 0 {
		clear(v.offsets.extend(4)) // the first offset
	}
	v.data.reserve(n * v.mean)
}

func (v *binaryValues) finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData {
	if n > 0 {
		v.mean = v.data.len()/n + 1
	}
	return arrayData(v.dt, n, nulls, nil, validity, v.offsets.give(), v.data.give())
}

func (v *binaryValues) release() {
	v.offsets.release()
	v.data.release()
}
