package parquet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
)

// values decodes the values of one leaf column, page by page, into the buffers
// of one array after another.
type values interface {
	// beginChunk begins a column chunk, which has no dictionary yet.
	beginChunk()
	// setDictionary stores n values for the pages with indices.
	setDictionary(body []byte, n int) error
	// beginPage begins a page with n values. body is valid until the next page.
	beginPage(e parquet.Encoding, body []byte, n int) error
	// appendValues appends the page's next n values.
	appendValues(n int) error
	// appendEmpty appends n slots without a value.
	appendEmpty(n int)
	// reserve makes room for n slots, limited to codec.MaxBatchBytes because n
	// comes from a footer.
	reserve(n int)
	// finish returns the appended n slots as an array that the caller releases.
	finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData
	// Release frees what was appended and not finished.
	Release()
}

var (
	errValues     = errors.New("a page has fewer values than it says")
	errIndex      = errors.New("an index points beyond the dictionary")
	errDictionary = errors.New("indices without a dictionary")
)

// byteStreamSplit is an encoding that the library has no name for.
const byteStreamSplit parquet.Encoding = 9

// dictIndices are the indices of a page with a dictionary.
type dictIndices struct {
	all, rest []uint32
	active    bool // the page has indices
}

func (p *dictIndices) beginPage(e parquet.Encoding, body []byte, n int) (err error) {
	p.active = e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict
	if p.active {
		p.all, err = expandIndices(body, n, p.all)
		p.rest = p.all
	}
	return err
}

func (p *dictIndices) next(n int) ([]uint32, error) {
	if n > len(p.rest) {
		return nil, errValues
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken, nil
}

// fixedValues decodes values of a fixed size: in bytes in the file, out bytes
// in the array.
type fixedValues struct {
	dt      arrow.DataType
	in, out int
	convert func(dst, src []byte) // converts several values; nil: copy them
	dict    []byte                // already converted; its memory is kept for the next chunk's
	hasDict bool                  // the chunk has a dictionary
	indices dictIndices
	plain   []byte // values left in the page
	scratch []byte
	arrays.Buffer
}

func (v *fixedValues) beginChunk() { v.dict, v.hasDict = v.dict[:0], false }

func (v *fixedValues) setDictionary(body []byte, n int) error {
	if len(body)/v.in < n {
		return errValues
	}
	v.dict = slices.Grow(v.dict[:0], n*v.out)[:n*v.out]
	v.hasDict = true
	v.convertInto(v.dict, body[:n*v.in])
	return nil
}

func (v *fixedValues) convertInto(dst, src []byte) {
	if v.convert == nil {
		copy(dst, src)
		return
	}
	v.convert(dst, src)
}

func (v *fixedValues) beginPage(e parquet.Encoding, body []byte, n int) error {
	switch e {
	case parquet.Encodings.Plain, byteStreamSplit:
		if len(body)/v.in < n {
			return errValues
		}
		v.plain = body[:n*v.in]
		if e == byteStreamSplit {
			v.plain = v.joinStreams(v.plain, n)
		}
	case parquet.Encodings.RLEDict, parquet.Encodings.PlainDict:
		if !v.hasDict && n > 0 {
			return errDictionary
		}
	default:
		return fmt.Errorf("values in the encoding %s", e)
	}
	return v.indices.beginPage(e, body, n)
}

// joinStreams joins the bytes of each value. BYTE_STREAM_SPLIT stores them in
// as many streams.
func (v *fixedValues) joinStreams(body []byte, n int) []byte {
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

func (v *fixedValues) appendValues(n int) error {
	if !v.indices.active {
		if len(v.plain) < n*v.in {
			return errValues
		}
		v.convertInto(v.Extend(n*v.out), v.plain[:n*v.in])
		v.plain = v.plain[n*v.in:]
		return nil
	}
	at, err := v.indices.next(n)
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

func (v *fixedValues) appendEmpty(n int) { clear(v.Extend(n * v.out)) }

func (v *fixedValues) reserve(n int) { v.Buffer.Reserve(n * v.out) }

func (v *fixedValues) finish(n int, validity *memory.Buffer, nulls int) arrow.ArrayData {
	return arrays.ArrayData(v.dt, n, nulls, nil, validity, v.Detach())
}

// boolValues decodes booleans into bits.
type boolValues struct {
	all, rest []byte // the page's values, one byte each
	n         int
	arrays.Buffer
}

func (v *boolValues) beginChunk() {}

func (v *boolValues) setDictionary([]byte, int) error {
	return errors.New("a dictionary of booleans")
}

func (v *boolValues) beginPage(e parquet.Encoding, body []byte, n int) (err error) {
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
		v.all, err = expandLevels(body, 1, n, v.all)
	default:
		return fmt.Errorf("booleans in the encoding %s", e)
	}
	v.rest = v.all
	return err
}

func (v *boolValues) appendValues(n int) error {
	if n > len(v.rest) {
		return errValues
	}
	v.extendBits(n)
	for i, b := range v.rest[:n] {
		bitutil.SetBitTo(v.Buf.Bytes(), v.n+i, b != 0)
	}
	v.rest = v.rest[n:]
	v.n += n
	return nil
}

// extendBits appends the bytes that n more bits need.
func (v *boolValues) extendBits(n int) {
	if more := int(bitutil.BytesForBits(int64(v.n+n))) - v.Len(); more > 0 {
		clear(v.Extend(more))
	}
}

func (v *boolValues) appendEmpty(n int) {
	v.extendBits(n)
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

// noValues is the decoder of a column of type null.
type noValues struct{}

func (noValues) beginChunk() {}

func (noValues) setDictionary([]byte, int) error { return nil }

func (noValues) beginPage(parquet.Encoding, []byte, int) error { return nil }

func (noValues) appendValues(int) error { return errors.New("a value in a column of nulls") }

func (noValues) appendEmpty(int) {}

func (noValues) reserve(int) {}

func (noValues) Release() {}

func (noValues) finish(n int, validity *memory.Buffer, _ int) arrow.ArrayData {
	return arrays.ArrayData(arrow.Null, n, n, nil, validity)
}
