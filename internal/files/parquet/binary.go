package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
)

// binaryValues decodes strings and binary. In the encoding PLAIN a length of 4
// bytes precedes each value.
type binaryValues struct {
	dt      arrow.DataType
	dict    []byte
	ends    []int // end of each dictionary value in dict; starts with 0
	indices dictIndices
	plain   []byte
	offsets arrays.Buffer
	data    arrays.Buffer
	mean    int // mean bytes of a value in the last batch
}

func (v *binaryValues) beginChunk() { v.dict, v.ends = nil, nil }

func (v *binaryValues) setDictionary(body []byte, n int) error {
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

// cutValue splits the first value off a page's bytes.
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

func (v *binaryValues) beginPage(e parquet.Encoding, body []byte, n int) error {
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
	return v.indices.beginPage(e, body, n)
}

func (v *binaryValues) appendValues(n int) error {
	var at []uint32
	if v.indices.active {
		var err error
		if at, err = v.indices.next(n); err != nil {
			return err
		}
	}
	ends := arrow.Int32Traits.CastFromBytes(v.offsets.Extend(4 * n))
	for i := range ends {
		value, err := v.value(at, i)
		if err != nil {
			return err
		}
		if len(value) > math.MaxInt32-v.data.Len() {
			return errors.New("more than 2 GiB of values in one batch: ask for fewer rows")
		}
		copy(v.data.Extend(len(value)), value)
		ends[i] = int32(v.data.Len())
	}
	return nil
}

// value returns the i-th value of the current batch.
func (v *binaryValues) value(at []uint32, i int) (value []byte, err error) {
	if !v.indices.active {
		value, v.plain, err = cutValue(v.plain)
		return value, err
	}
	if uint64(at[i])+1 >= uint64(len(v.ends)) {
		return nil, errIndex
	}
	return v.dict[v.ends[at[i]]:v.ends[at[i]+1]], nil
}

func (v *binaryValues) appendEmpty(n int) {
	ends := arrow.Int32Traits.CastFromBytes(v.offsets.Extend(4 * n))
	for i := range ends {
		ends[i] = int32(v.data.Len())
	}
}

func (v *binaryValues) reserve(n int) {
	v.offsets.Reserve(4 * (n + 1))
	if v.offsets.Len() == 0 {
		clear(v.offsets.Extend(4)) // the first offset
	}
	v.data.Reserve(n * v.mean)
}

func (v *binaryValues) finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData {
	if n > 0 {
		v.mean = v.data.Len()/n + 1
	}
	return arrays.ArrayData(v.dt, n, nulls, nil, validity, v.offsets.Detach(), v.data.Detach())
}

func (v *binaryValues) Release() {
	v.offsets.Release()
	v.data.Release()
}
