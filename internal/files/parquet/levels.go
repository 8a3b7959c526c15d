package parquet

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Levels and dictionary indices are stored as runs: one repeated value, or
// groups of eight values packed in bits (parquet-format, Encodings.md, "RLE").
// They are expanded to one number each, a run at a time. Searches over them
// (bytes.IndexByte, bytes.Count) are then limited only by the speed of memory.

var errRuns = errors.New("a page's levels or indices end too soon")

// bitBytes has the bits of a byte as eight bytes, lowest first.
var bitBytes = func() (table [256]uint64) {
	for b := range table {
		for i := range 8 {
			table[b] |= uint64(b>>i&1) << (8 * i)
		}
	}
	return table
}()

// walkRuns calls repeated or packed for each run of values of width bits, until
// n values are read. repeated gets a value and its count. packed gets the bytes
// of groups of eight values, and the number of values wanted.
func walkRuns(b []byte, width, n int, repeated func(v uint32, n int), packed func(b []byte, n int)) error {
	for n > 0 {
		head, used := binary.Uvarint(b)
		if used <= 0 || head>>1 == 0 {
			return errRuns
		}
		b = b[used:]
		count := head >> 1
		if head&1 == 0 {
			size := (width + 7) / 8
			if len(b) < size {
				return errRuns
			}
			var v uint32
			for i := range size {
				v |= uint32(b[i]) << (8 * i)
			}
			k := int(min(count, uint64(n)))
			repeated(v, k)
			n, b = n-k, b[size:]
			continue
		}
		size := min(count, uint64(n+7)/8) * uint64(width)
		if uint64(len(b)) < size {
			return errRuns
		}
		k := int(min(count*8, uint64(n)))
		packed(b[:size], k)
		n, b = n-k, b[size:]
	}
	return nil
}

// expandLevels expands n levels into to, which it grows. A level above most is
// an error.
func expandLevels(b []byte, most uint8, n int, to []byte) ([]byte, error) {
	width := bits.Len8(most)
	if cap(to) < n+8 { // eight are stored at once
		to = make([]byte, n+8)
	}
	to = to[:cap(to)]
	at, tooHigh := 0, false
	err := walkRuns(b, width, n, func(v uint32, k int) {
		tooHigh = tooHigh || v > uint32(most) // a repeated value is stored in whole bytes
		fillBytes(to[at:at+k], uint8(v))
		at += k
	}, func(b []byte, k int) {
		unpackLevels(to[at:], b, width, k)
		at += k
	})
	if err != nil {
		return to, err
	}
	to = to[:n]
	if most&(most+1) != 0 { // the width can express levels above most
		for _, v := range to {
			if v > most {
				tooHigh = true
			}
		}
	}
	if tooHigh {
		return to, errors.New("a level is too high")
	}
	return to, nil
}

// allHighest reports whether b begins with one run of n levels or more that are all most. So
// most writers store the definition levels of a page without nulls and empty lists.
func allHighest(b []byte, most uint8, n int) bool {
	head, used := binary.Uvarint(b)
	return used > 0 && head&1 == 0 && head>>1 >= uint64(n) && n > 0 && used < len(b) && b[used] == most
}

func fillBytes(to []byte, v uint8) {
	if len(to) == 0 {
		return
	}
	to[0] = v
	for n := 1; n < len(to); n *= 2 {
		copy(to[n:], to[:n])
	}
}

// unpackLevels stores n values, and up to seven more.
func unpackLevels(to, b []byte, width, n int) {
	if width == 1 {
		for i := 0; i*8 < n; i++ {
			binary.LittleEndian.PutUint64(to[i*8:], bitBytes[b[i]])
		}
		return
	}
	mask := uint64(1)<<width - 1
	for at := 0; at < n; at += 8 {
		var v uint64
		for i := range width {
			v |= uint64(b[i]) << (8 * i)
		}
		b = b[width:]
		for i := range 8 {
			to[at+i] = uint8(v >> (i * width) & mask)
		}
	}
}

// expandIndices expands n dictionary indices into to, which it grows. The first
// byte of b is their width.
func expandIndices(b []byte, n int, to []uint32) ([]uint32, error) {
	if cap(to) < n {
		to = make([]uint32, n)
	}
	to = to[:n]
	if n == 0 {
		return to, nil
	}
	if len(b) == 0 || b[0] > 32 {
		return to, errRuns
	}
	width, at := int(b[0]), 0
	err := walkRuns(b[1:], width, n, func(v uint32, k int) {
		for i := range to[at : at+k] {
			to[at+i] = v
		}
		at += k
	}, func(b []byte, k int) {
		unpackIndices(to[at:at+k], b, width)
		at += k
	})
	return to, err
}

// unpackIndices stores the first len(to) values of width bits, at most 32 each. b has all
// of their bits.
func unpackIndices(to []uint32, b []byte, width int) {
	mask := uint64(1)<<width - 1
	fast := 0 // so many values are in eight bytes that begin with their first bit
	if len(b) >= 8 {
		fast = len(to)
		if width > 0 {
			fast = min(fast, (len(b)-8)*8/width+1)
		}
	}
	for i := range to[:fast] {
		bit := i * width
		to[i] = uint32(binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & mask)
	}
	for i := fast; i < len(to); i++ {
		bit := i * width
		var held uint64
		for k, one := range b[bit>>3 : (bit+width+7)>>3] {
			held |= uint64(one) << (8 * k)
		}
		to[i] = uint32(held >> (bit & 7) & mask)
	}
}
