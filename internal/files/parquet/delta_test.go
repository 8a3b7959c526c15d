package parquet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/pierrec/lz4/v4"
)

// The examples of parquet-format's Encodings.md.
func TestDeltasOfTheFormat(t *testing.T) {
	d := deltas{physical: parquet.Types.Int64}
	// 1 to 5: block of 128 in 4 pieces, 5 values, first 1; least 1, no bits.
	got, err := d.decodePage(parquet.Encodings.DeltaBinaryPacked, []byte{0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0}, 5)
	if want := []int64{1, 2, 3, 4, 5}; err != nil || !slices.Equal(arrow.Int64Traits.CastFromBytes(got), want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
	// 7 5 3 1 2 3 4 5: deltas -2 -2 -2 1 1 1 1, least -2, two bits: 0 0 0 3 3 3 3.
	packed := append([]byte{0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f}, make([]byte, 6)...)
	got, err = d.decodePage(parquet.Encodings.DeltaBinaryPacked, packed, 8)
	if want := []int64{7, 5, 3, 1, 2, 3, 4, 5}; err != nil || !slices.Equal(arrow.Int64Traits.CastFromBytes(got), want) {
		t.Errorf("%v (%v), want %v", arrow.Int64Traits.CastFromBytes(got), err, want)
	}
	// axis axle babble babyhood: prefixes 0 2 0 3, suffixes "axis" "le" "babble" "yhood".
	numbers := func(first byte, least byte, width byte, bits ...byte) []byte {
		return append([]byte{0x80, 1, 4, 4, first, least, width, 0, 0, 0}, append(bits, make([]byte, 32*int(width)/8-len(bits))...)...)
	}
	prefixes := numbers(0, 3, 3, 0b01_000_100, 1) // deltas 2 -2 3, least -2: 4 0 5
	lengths := numbers(8, 3, 3, 0b01_110_000, 0)  // deltas -2 4 -1, least -2: 0 6 1
	body := slices.Concat(prefixes, lengths, []byte("axislebabbleyhood"))
	d.physical = parquet.Types.ByteArray
	got, err = d.decodePage(parquet.Encodings.DeltaByteArray, body, 4)
	if want := "\x04\x00\x00\x00axis\x04\x00\x00\x00axle\x06\x00\x00\x00babble\x08\x00\x00\x00babyhood"; err != nil || string(got) != want {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
	for n := range body { // a truncated page is an error
		if got, err := d.decodePage(parquet.Encodings.DeltaByteArray, body[:n], 4); err == nil {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
	d.physical, d.length = parquet.Types.FixedLenByteArray, 4
	if got, err := d.decodePage(parquet.Encodings.DeltaByteArray, body, 4); err == nil {
		t.Errorf("values of 4 bytes: %q", got)
	}
}

// packed encodes up to 33 numbers in DELTA_BINARY_PACKED, with deltas of 64 bits.
func packed(numbers ...int64) []byte {
	b := []byte{0x80, 1, 4, byte(len(numbers))}
	b = binary.AppendVarint(b, numbers[0])
	if len(numbers) == 1 {
		return b
	}
	b = append(b, 0, 64, 0, 0, 0) // the least delta, and the widths
	for i, v := range numbers[1:] {
		b = binary.LittleEndian.AppendUint64(b, uint64(v-numbers[i]))
	}
	return append(b, make([]byte, 8*(33-len(numbers)))...)
}

// TestDamagedDeltas: what lengths and prefixes may say. A page that ends too soon
// is an error.
func TestDamagedDeltas(t *testing.T) {
	bytesOf, fixed := parquet.Types.ByteArray, parquet.Types.FixedLenByteArray
	for name, c := range map[string]struct {
		physical parquet.Type
		encoding parquet.Encoding
		n        int
		body     []byte
		want     string // "": an error
	}{
		"longs":                     {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 2, packed(1, -1), "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
		"ints":                      {parquet.Types.Int32, parquet.Encodings.DeltaBinaryPacked, 2, packed(1, -1), "\x01\x00\x00\x00\xff\xff\xff\xff"},
		"doubles":                   {parquet.Types.Double, parquet.Encodings.DeltaBinaryPacked, 2, packed(1, -1), ""},
		"more longs":                {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 3, packed(1, -1), ""},
		"fewer longs":               {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 1, packed(1, -1), ""},
		"longs cut":                 {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 2, packed(1, -1)[:16], ""},
		"no longs":                  {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 1, nil, ""},
		"a width of 65":             {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 2, append([]byte{0x80, 1, 4, 2, 2, 0, 65, 0, 0, 0}, make([]byte, 300)...), ""},
		"pieces of no eights":       {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 2, append([]byte{0x84, 1, 4, 2, 2, 0, 0, 0, 0, 0}, make([]byte, 300)...), ""},
		"no pieces":                 {parquet.Types.Int64, parquet.Encodings.DeltaBinaryPacked, 2, append([]byte{0x80, 1, 0, 2, 2, 0, 0, 0, 0, 0}, make([]byte, 300)...), ""},
		"lengths":                   {bytesOf, parquet.Encodings.DeltaLengthByteArray, 2, append(packed(1, 2), "abc"...), "\x01\x00\x00\x00a\x02\x00\x00\x00bc"},
		"lengths beyond the page":   {bytesOf, parquet.Encodings.DeltaLengthByteArray, 2, append(packed(1, 3), "abc"...), ""},
		"a length below 0":          {bytesOf, parquet.Encodings.DeltaLengthByteArray, 2, append(packed(-1, 2), "abc"...), ""},
		"lengths cut":               {bytesOf, parquet.Encodings.DeltaLengthByteArray, 2, packed(1, 2)[:9], ""},
		"prefixes":                  {bytesOf, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, 2), packed(2, 1), []byte("abc")), "\x02\x00\x00\x00ab\x03\x00\x00\x00abc"},
		"a prefix of nothing":       {bytesOf, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(1, 0), packed(2, 1), []byte("abc")), ""},
		"a prefix beyond the value": {bytesOf, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, 3), packed(2, 1), []byte("abc")), ""},
		"a prefix below 0":          {bytesOf, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, -1), packed(2, 1), []byte("abc")), ""},
		"of a fixed length":         {fixed, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, 2), packed(3, 1), []byte("abcd")), "abcabd"},
		"of another length":         {fixed, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, 2), packed(3, 2), []byte("abcde")), ""},
		"a suffix below its prefix": {fixed, parquet.Encodings.DeltaByteArray, 2, slices.Concat(packed(0, 2), packed(3, -1), []byte("abcd")), ""},
	} {
		d := &deltas{physical: c.physical, length: 3}
		got, err := d.decodePage(c.encoding, c.body, c.n)
		if (err == nil) != (c.want != "") || err == nil && string(got) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, c.want)
		}
	}
}

// A page of nulls alone has no deltas.
func TestDeltasOfNulls(t *testing.T) {
	for _, e := range []parquet.Encoding{parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray} {
		if got, err := (&deltas{physical: parquet.Types.Int64, plain: []byte{1}}).decodePage(e, nil, 0); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
}

// Damaged deltas are an error for any bytes. They do not cause large
// allocations.
func FuzzDeltas(f *testing.F) {
	f.Add([]byte{0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0}, 5)
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		n &= 0xfff
		for _, physical := range []parquet.Type{parquet.Types.Int32, parquet.Types.Int64, parquet.Types.ByteArray, parquet.Types.FixedLenByteArray} {
			d := deltas{physical: physical, length: 3}
			for _, e := range []parquet.Encoding{parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray} {
				_, _ = d.decodePage(e, body, n)
			}
		}
	})
}

// LZ4 pages of every known writer are read, although the writers understood the
// codec differently.
func TestLZ4OfEveryWriter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	page := bytes.Repeat([]byte("values that repeat, "), 5000)
	for i := range 1000 {
		page[i*7] = byte(random.Uint32())
	}
	block := func(b []byte) []byte {
		to := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := lz4.CompressBlock(b, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		return to[:n]
	}
	sized := func(size int, b []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(size)), b...)
	}
	piece := func(b []byte) []byte { c := block(b); return sized(len(c), c) }
	half := len(page) / 2
	var frame bytes.Buffer
	w := lz4.NewWriter(&frame)
	if _, err := w.Write(page); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{
		"Hadoop's block":      sized(len(page), piece(page)),
		"Hadoop's two blocks": append(sized(half, piece(page[:half])), sized(len(page)-half, piece(page[half:]))...),
		"a block of pieces":   sized(len(page), append(piece(page[:half]), piece(page[half:])...)),
		"an LZ4 frame":        frame.Bytes(),
		"a bare block":        block(page),
	} {
		got, err := unpackHadoop(make([]byte, len(page)), packed)
		if err != nil || !bytes.Equal(got, page) {
			t.Errorf("%s: %d bytes (%v)", name, len(got), err)
		}
		if got, err := unpackHadoop(make([]byte, len(page)), packed[:len(packed)-1]); err == nil && len(got) == len(page) {
			t.Errorf("%s, cut short, is taken for whole", name)
		}
	}
	for name, packed := range map[string][]byte{
		"half of the page":           sized(half, piece(page[:half])),
		"more than the page":         append(sized(len(page), piece(page)), sized(1, piece(page[:1]))...),
		"a size beyond the page":     sized(len(page)+1, piece(page)),
		"a piece beyond the bytes":   sized(len(page), sized(1<<20, block(page))),
		"a piece of another size":    sized(half, piece(page)),
		"a piece of nothing":         sized(len(page), sized(0, nil)),
		"a size and three bytes":     sized(len(page), []byte{0, 0, 0}),
		"three bytes behind a block": append(sized(len(page), piece(page)), 0, 0, 0),
	} {
		if _, err := unpackHadoop(make([]byte, len(page)), packed); err == nil {
			t.Errorf("%s is taken for whole", name)
		}
	}
}
