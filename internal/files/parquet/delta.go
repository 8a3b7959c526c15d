package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/parquet"
)

// The DELTA encodings (parquet-format, Encodings.md) are decoded page by page
// into the encoding PLAIN. So the rest of the package handles only one form of
// values.

var errDelta = errors.New("a page's deltas end too soon")

// maxDeltaPage bounds a page's decoded values, in bytes, because prefixes may
// repeat without end.
const maxDeltaPage = 1 << 30

// maxDeltaBlock bounds the values of a block. No writer uses more.
const maxDeltaBlock = 1 << 20

// deltas decodes a column's pages. It reuses its memory for the next page.
type deltas struct {
	physical         parquet.Type
	length           int // bytes of a fixed-length byte array
	plain            []byte
	numbers, lengths []int64
	block            []byte // scratch: a miniblock and padding
}

// decodePage returns a page's n values in the encoding PLAIN. They are valid
// until the next call.
func (d *deltas) decodePage(e parquet.Encoding, body []byte, n int) ([]byte, error) {
	d.plain = d.plain[:0]
	if n == 0 {
		return d.plain, nil
	}
	var err error
	switch e {
	case parquet.Encodings.DeltaBinaryPacked:
		err = d.decodePacked(body, n)
	case parquet.Encodings.DeltaLengthByteArray:
		err = d.decodeByteArrays(body, n, nil)
	case parquet.Encodings.DeltaByteArray:
		var rest []byte
		if d.lengths, rest, err = d.decodeIntegers(body, n, d.lengths); err == nil {
			err = d.decodeByteArrays(rest, n, d.lengths)
		}
	}
	return d.plain, err
}

func (d *deltas) decodePacked(body []byte, n int) (err error) {
	if d.numbers, _, err = d.decodeIntegers(body, n, d.numbers); err != nil {
		return err
	}
	for _, v := range d.numbers {
		switch d.physical {
		case parquet.Types.Int32: // sums wrap around, as the format says
			d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(v))
		case parquet.Types.Int64:
			d.plain = binary.LittleEndian.AppendUint64(d.plain, uint64(v))
		default:
			return fmt.Errorf("%s in the encoding DELTA_BINARY_PACKED", d.physical)
		}
	}
	return nil
}

// decodeByteArrays decodes n byte arrays: their lengths, then their bytes.
// prefixes may be nil. Each prefix is the number of bytes to take over from the
// previous value.
func (d *deltas) decodeByteArrays(body []byte, n int, prefixes []int64) (err error) {
	if d.numbers, body, err = d.decodeIntegers(body, n, d.numbers); err != nil {
		return err
	}
	fixed := d.physical == parquet.Types.FixedLenByteArray
	before := 0 // offset of the previous value in plain
	for i, suffix := range d.numbers {
		var prefix int64
		if prefixes != nil {
			prefix = prefixes[i]
		}
		last := d.plain[min(before, len(d.plain)):]
		switch {
		case suffix < 0 || suffix > int64(len(body)), prefix < 0 || prefix > int64(len(last)):
			return errDelta
		case int64(len(d.plain))+prefix+suffix > maxDeltaPage:
			return fmt.Errorf("a page of more than %d MiB of values", maxDeltaPage>>20)
		case fixed && prefix+suffix != int64(d.length):
			return fmt.Errorf("a value of %d bytes where each has %d", prefix+suffix, d.length)
		case !fixed:
			d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(prefix+suffix))
		}
		at := len(d.plain)
		d.plain = append(append(d.plain, last[:prefix]...), body[:suffix]...)
		before, body = at, body[suffix:]
	}
	return nil
}

// decodeIntegers decodes n numbers of DELTA_BINARY_PACKED into to, which it
// grows. rest is what follows the numbers.
func (d *deltas) decodeIntegers(b []byte, n int, to []int64) (_ []int64, rest []byte, err error) {
	var head [3]uint64 // values per block, miniblocks per block, values in total
	for i := range head {
		v, used := binary.Uvarint(b)
		if used <= 0 {
			return to, nil, errDelta
		}
		head[i], b = v, b[used:]
	}
	size, count := head[0], head[1]
	if count == 0 || size > maxDeltaBlock || count > size || size%count != 0 || size/count%8 != 0 || head[2] != uint64(n) {
		return to, nil, fmt.Errorf("deltas of %d values in blocks of %d in %d pieces, where there are %d values", head[2], size, count, n)
	}
	value, used := binary.Varint(b)
	if used <= 0 {
		return to, nil, errDelta
	}
	b = b[used:]
	to = append(to[:0], value)
	for len(to) < n {
		least, used := binary.Varint(b)
		if used <= 0 || uint64(len(b)-used) < count {
			return to, nil, errDelta
		}
		widths := b[used:][:count]
		b = b[used:][count:]
		for _, width := range widths {
			if len(to) == n {
				break // miniblocks without values are not stored
			}
			if to, b, err = d.decodeMiniblock(to, b, least, int(width), int(size/count), n); err != nil {
				return to, nil, err
			}
		}
	}
	return to, b, nil
}

// decodeMiniblock decodes a miniblock of up to size values; n is the total of
// the page. The page's last miniblock may be truncated.
func (d *deltas) decodeMiniblock(to []int64, b []byte, least int64, width, size, n int) ([]int64, []byte, error) {
	k := min(size, n-len(to))
	if width > 64 || len(b) < (k*width+7)/8 {
		return to, b, errDelta
	}
	whole := min(size*width/8, len(b))
	d.block = append(append(d.block[:0], b[:whole]...), make([]byte, 16)...)
	mask := uint64(math.MaxUint64)
	if width < 64 {
		mask = 1<<width - 1
	}
	value := to[len(to)-1]
	for i := range k {
		bit := i * width
		at, shift := bit/8, bit%8
		v := binary.LittleEndian.Uint64(d.block[at:]) >> shift
		if shift+width > 64 {
			v |= uint64(d.block[at+8]) << (64 - shift)
		}
		value += least + int64(v&mask)
		to = append(to, value)
	}
	return to, b[whole:], nil
}
