package parquet

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
)

// values decodes the values of one leaf column, page by page, into the buffers
// of one array after another.
type values interface {
	// begin begins a column chunk, which has no dictionary yet.
	begin()
	// dictionary takes over n values that pages may point at.
	dictionary(body []byte, n int) error
	// page begins a page with n values; body holds until the next one.
	page(e parquet.Encoding, body []byte, n int) error
	// take appends the page's next n values.
	take(n int) error
	// skip appends n slots without a value.
	skip(n int)
	// reserve makes room for n slots, as far as codec.MaxBatchBytes go: n is what a
	// footer says.
	reserve(n int)
	// finish hands over what was appended, n slots, as the caller's array.
	finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData
	// Release lets go of what was appended and not finished.
	Release()
}

var (
	errValues     = errors.New("a page has fewer values than it says")
	errIndex      = errors.New("an index points beyond the dictionary")
	errDictionary = errors.New("indices without a dictionary")
)

// byteStreamSplit is an encoding that the library has no name for.
const byteStreamSplit parquet.Encoding = 9

// pointers are the indices of a page that has a dictionary.
type pointers struct {
	all, rest []uint32
	on        bool // the page is one of indices
}

func (p *pointers) page(e parquet.Encoding, body []byte, n int) (err error) {
	p.on = e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict
	if p.on {
		p.all, err = indices(body, n, p.all)
		p.rest = p.all
	}
	return err
}

func (p *pointers) take(n int) ([]uint32, error) {
	if n > len(p.rest) {
		return nil, errValues
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken, nil
}

// fixedValues are values of in bytes in the file and out bytes in the array.
type fixedValues struct {
	dt      arrow.DataType
	in, out int
	convert func(dst, src []byte) // of several values; nil: they are the same
	dict    []byte                // converted
	at      pointers
	plain   []byte // the page's values that are left
	scratch []byte
	arrays.Buffer
}

func (v *fixedValues) begin() { v.dict = nil }

func (v *fixedValues) dictionary(body []byte, n int) error {
	if len(body)/v.in < n {
		return errValues
	}
	v.dict = make([]byte, n*v.out)
	v.put(v.dict, body[:n*v.in])
	return nil
}

func (v *fixedValues) put(dst, src []byte) {
	if v.convert == nil {
		copy(dst, src)
		return
	}
	v.convert(dst, src)
}

func (v *fixedValues) page(e parquet.Encoding, body []byte, n int) error {
	switch e {
	case parquet.Encodings.Plain, byteStreamSplit:
		if len(body)/v.in < n {
			return errValues
		}
		v.plain = body[:n*v.in]
		if e == byteStreamSplit {
			v.plain = v.unsplit(v.plain, n)
		}
	case parquet.Encodings.RLEDict, parquet.Encodings.PlainDict:
		if v.dict == nil && n > 0 {
			return errDictionary
		}
	default:
		return fmt.Errorf("values in the encoding %s", e)
	}
	return v.at.page(e, body, n)
}

// unsplit puts the bytes of each value together, which BYTE_STREAM_SPLIT keeps
// in as many streams.
func (v *fixedValues) unsplit(body []byte, n int) []byte {
	if cap(v.scratch) < len(body) {
		v.scratch = make([]byte, len(body))
	}
	to := v.scratch[:len(body)]
	for k := range v.in {
		for i, b := range body[k*n : (k+1)*n] {
			to[i*v.in+k] = b
		}
	}
	return to
}

func (v *fixedValues) take(n int) error {
	if !v.at.on {
		if len(v.plain) < n*v.in {
			return errValues
		}
		v.put(v.Extend(n*v.out), v.plain[:n*v.in])
		v.plain = v.plain[n*v.in:]
		return nil
	}
	at, err := v.at.take(n)
	if err != nil {
		return err
	}
	return v.gather(v.Extend(n*v.out), at)
}

func (v *fixedValues) gather(dst []byte, at []uint32) error {
	switch v.out {
	case 4:
		return gather(arrow.Uint32Traits.CastFromBytes(dst), arrow.Uint32Traits.CastFromBytes(v.dict), at)
	case 8:
		return gather(arrow.Uint64Traits.CastFromBytes(dst), arrow.Uint64Traits.CastFromBytes(v.dict), at)
	}
	n := uint32(len(v.dict) / v.out)
	for i, k := range at {
		if k >= n {
			return errIndex
		}
		copy(dst[i*v.out:(i+1)*v.out], v.dict[int(k)*v.out:])
	}
	return nil
}

func gather[T uint32 | uint64](dst, dict []T, at []uint32) error {
	for i, k := range at {
		if int(k) >= len(dict) {
			return errIndex
		}
		dst[i] = dict[k]
	}
	return nil
}

func (v *fixedValues) skip(n int) { clear(v.Extend(n * v.out)) }

func (v *fixedValues) reserve(n int) { v.Buffer.Reserve(n * v.out) }

func (v *fixedValues) finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData {
	return arrays.ArrayData(v.dt, n, nulls, nil, validity, v.Detach())
}

// boolValues are bits.
type boolValues struct {
	all, rest []byte // the page's values, a byte each
	n         int
	arrays.Buffer
}

func (v *boolValues) begin() {}

func (v *boolValues) dictionary([]byte, int) error {
	return errors.New("a dictionary of booleans")
}

func (v *boolValues) page(e parquet.Encoding, body []byte, n int) (err error) {
	switch e {
	case parquet.Encodings.Plain:
		if len(body)*8 < n {
			return errValues
		}
		if cap(v.all) < n+8 {
			v.all = make([]byte, n+8)
		}
		unpackLevels(v.all[:cap(v.all)], body, 1, n)
		v.all = v.all[:n]
	case parquet.Encodings.RLE:
		if body, _, err = levelBytes(e, body); err != nil {
			return err
		}
		v.all, err = levels(body, 1, n, v.all)
	default:
		return fmt.Errorf("booleans in the encoding %s", e)
	}
	v.rest = v.all
	return err
}

func (v *boolValues) take(n int) error {
	if n > len(v.rest) {
		return errValues
	}
	v.room8(n)
	for i, b := range v.rest[:n] {
		bitutil.SetBitTo(v.Buf.Bytes(), v.n+i, b != 0)
	}
	v.rest = v.rest[n:]
	v.n += n
	return nil
}

// room8 appends the bytes that n more bits need.
func (v *boolValues) room8(n int) {
	if more := int(bitutil.BytesForBits(int64(v.n+n))) - v.Len(); more > 0 {
		clear(v.Extend(more))
	}
}

func (v *boolValues) skip(n int) {
	v.room8(n)
	v.n += n
}

func (v *boolValues) reserve(n int) { v.Buffer.Reserve(n/8 + 1) }

func (v *boolValues) finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData {
	v.n = 0
	return arrays.ArrayData(arrow.FixedWidthTypes.Boolean, n, nulls, nil, validity, v.Detach())
}

func (v *boolValues) Release() {
	v.n = 0
	v.Buffer.Release()
}

// noValues are of a column of which the file knows only that it has nulls.
type noValues struct{}

func (noValues) begin() {}

func (noValues) dictionary([]byte, int) error { return nil }

func (noValues) page(parquet.Encoding, []byte, int) error { return nil }

func (noValues) take(int) error { return errors.New("a value in a column of nulls") }

func (noValues) skip(int) {}

func (noValues) reserve(int) {}

func (noValues) Release() {}

func (noValues) finish(n int, validity *memory.Buffer, _ int) arrow.ArrayData {
	return arrays.ArrayData(arrow.Null, n, n, nil, validity)
}
