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
}
