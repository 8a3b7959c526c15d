package parquet

import (
	"bytes"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
)

func TestGatherBeyondTheDictionary(t *testing.T) {
	for _, width := range []int{2, 4, 8} {
		v := &fixedValues{in: width, out: width, dict: make([]byte, 3*width)}
		if err := v.gather(make([]byte, 2*width), []uint32{2, 3}); !errors.Is(err, errIndex) {
			t.Errorf("%d bytes: %v", width, err)
		}
	}
}

// TestTexts decodes pages of texts, and what is damage in them.
func TestTexts(t *testing.T) {
	const ab = "\x01\x00\x00\x00a\x02\x00\x00\x00bc"
	plain, indices := parquet.Encodings.Plain, parquet.Encodings.RLEDict
	for name, c := range map[string]struct {
		dictionary string
		encoding   parquet.Encoding
		body       string
		n          int // values that the page has
		read       int
		want       []string // nil: an error
	}{
		"plain":                    {"", plain, ab, 2, 2, []string{"a", "bc", ""}},
		"plain, too few":           {"", plain, ab, 3, 3, nil},
		"plain, a length cut":      {"", plain, ab[:8], 2, 2, nil},
		"plain, a value cut":       {"", plain, ab[:10], 2, 2, nil},
		"plain, a length beyond":   {"", plain, "\xff\xff\xff\xffa", 1, 1, nil},
		"indices":                  {ab, indices, "\x02\x03\x11\x00", 3, 3, []string{"bc", "a", "bc", ""}},
		"an index beyond":          {ab, indices, "\x02\x03\x12\x00", 3, 3, nil},
		"fewer indices":            {ab, indices, "\x02\x03\x11\x00", 3, 4, nil},
		"a dictionary too short":   {ab[:10], indices, "\x02\x03\x11\x00", 3, 3, nil},
		"an index of all its bits": {ab, indices, "\x20\x02\xff\xff\xff\xff", 1, 1, nil},
		"another encoding":         {"", parquet.Encodings.DeltaByteArray, ab, 2, 2, nil},
	} {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		v := &binaryValues{dt: arrow.BinaryTypes.String, offsets: arrays.Buffer{Mem: mem}, data: arrays.Buffer{Mem: mem}}
		v.beginChunk()
		var err error
		if c.dictionary != "" {
			err = v.setDictionary([]byte(c.dictionary), 2)
		}
		if err == nil {
			err = v.beginPage(c.encoding, []byte(c.body), c.n)
		}
		v.reserve(c.read)
		if err == nil {
			err = v.appendValues(c.read)
		}
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err == nil {
			v.appendEmpty(1)
			data := v.finish(len(c.want), nil, 0)
			a := array.NewStringData(data)
			for i, want := range c.want {
				if got := a.Value(i); got != want {
					t.Errorf("%s: value %d is %q, want %q", name, i, got, want)
				}
			}
			a.Release()
			data.Release()
		}
		v.Release()
		mem.AssertSize(t, 0)
	}
}

// TestFixedValues decodes pages of values of a size, in two parts with an empty
// slot between, and what is damage in them.
func TestFixedValues(t *testing.T) {
	plain, indices := parquet.Encodings.Plain, parquet.Encodings.PlainDict
	for _, width := range []int{2, 3, 4, 8} {
		values := make([]byte, 4*width)
		for i := range values {
			values[i] = byte(i)
		}
		at := func(i int) []byte { return values[i*width : (i+1)*width] }
		zeros := make([]byte, width)
		for name, c := range map[string]struct {
			dictionary []byte
			encoding   parquet.Encoding
			body       []byte
			n          int
			want       [][]byte // nil: an error
		}{
			"plain":                  {nil, plain, values, 4, [][]byte{at(0), zeros, at(1), at(2)}},
			"plain, too few":         {nil, plain, values[:len(values)-1], 4, nil},
			"plain, fewer than read": {nil, plain, values, 2, nil},
			"indices":                {values, indices, []byte{2, 3, 0b00100111, 0}, 4, [][]byte{at(3), zeros, at(1), at(2)}},
			"an index beyond":        {values[:3*width], indices, []byte{2, 3, 0b00100111, 0}, 4, nil},
			"fewer than read":        {values, indices, []byte{2, 3, 0b00100111, 0}, 2, nil},
			"a dictionary too short": {values[:3*width-1], indices, []byte{2, 3, 0, 0}, 4, nil},
		} {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			v := &fixedValues{dt: &arrow.FixedSizeBinaryType{ByteWidth: width}, in: width, out: width, Buffer: arrays.Buffer{Mem: mem}}
			var err error
			if c.dictionary != nil {
				err = v.setDictionary(c.dictionary, (len(c.dictionary)+1)/width)
			}
			if err == nil {
				err = v.beginPage(c.encoding, c.body, c.n)
			}
			if err == nil {
				v.reserve(4)
				err = v.appendValues(1)
				v.appendEmpty(1)
			}
			if err == nil {
				err = v.appendValues(2)
			}
			if (err == nil) != (c.want != nil) {
				t.Errorf("%s of %d bytes: %v", name, width, err)
			}
			if err == nil {
				data := v.finish(4, nil, 0)
				if got := data.Buffers()[1].Bytes()[:4*width]; !bytes.Equal(got, bytes.Join(c.want, nil)) {
					t.Errorf("%s of %d bytes: %v, want %v", name, width, got, c.want)
				}
				data.Release()
			}
			v.Release()
			mem.AssertSize(t, 0)
		}
	}
}

// TestBooleans decodes pages of booleans, in two parts with empty slots between,
// for two arrays.
func TestBooleans(t *testing.T) {
	plain, runs := parquet.Encodings.Plain, parquet.Encodings.RLE
	for name, c := range map[string]struct {
		encoding parquet.Encoding
		body     []byte
		n        int
		fits     bool
	}{
		"plain":                  {plain, []byte{0b10110101, 0b01}, 10, true},
		"plain, too few":         {plain, []byte{0b10110101}, 10, false},
		"plain, fewer than read": {plain, []byte{0b10110101}, 8, false},
		"runs":                   {runs, []byte{5, 0, 0, 0, 2<<1 | 1, 0b10110101, 0b01, 0, 0}, 10, true},
		"runs, too few":          {runs, []byte{3, 0, 0, 0, 1<<1 | 1, 0b10110101, 0b01}, 10, false},
		"runs, their length":     {runs, []byte{6, 0, 0, 0, 2<<1 | 1, 0b10110101, 0b01, 0, 0}, 10, false},
		"another encoding":       {parquet.Encodings.RLEDict, []byte{0b10110101, 0b01}, 10, false},
	} {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		v := &boolValues{Buffer: arrays.Buffer{Mem: mem}}
		for range 2 { // a second array begins at its first bit
			err := v.beginPage(c.encoding, c.body, c.n)
			if err == nil {
				v.reserve(13)
				err = v.appendValues(3)
				v.appendEmpty(3)
			}
			if err == nil {
				err = v.appendValues(7)
			}
			if (err == nil) != c.fits {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				data := v.finish(13, nil, 0)
				a := array.NewBooleanData(data)
				for i, want := range []bool{true, false, true, false, false, false, false, true, true, false, true, true, false} {
					if a.Value(i) != want {
						t.Errorf("%s: value %d is %t", name, i, a.Value(i))
					}
				}
				a.Release()
				data.Release()
			}
		}
		v.Release()
		mem.AssertSize(t, 0)
	}
}

// TestPageDecoder: a page whose levels are damaged is an error, and so is a
// dictionary that is encoded as one.
func TestPageDecoder(t *testing.T) {
	v1 := func(body string, encoding int) []byte {
		return append(headerOf(dataPageV1, len(body), len(body), nil, 5, 2, encoding, 3, 3), body...)
	}
	const one, zeros = "\x02\x00\x00\x00\x04\x01", "\x02\x00\x00\x00\x04\x00" // two levels each
	for name, c := range map[string]struct {
		b    []byte
		fits bool
	}{
		"levels and values":          {v1(zeros+one+"vv", 0), true},
		"repetition too high":        {v1("\x02\x00\x00\x00\x04\x02"+one+"vv", 0), false},
		"definition too high":        {v1(zeros+"\x02\x00\x00\x00\x04\x02"+"vv", 0), false},
		"repetition cut":             {v1("\x02\x00\x00\x00\x04", 0), false},
		"definition cut":             {v1(zeros+"\x02\x00\x00\x00\x04", 0), false},
		"few levels":                 {v1(zeros+"\x02\x00\x00\x00\x02\x01"+"vv", 0), false},
		"version 2":                  {append(headerOf(dataPageV2, 6, 6, nil, 8, 2, 0, 0, 0, 2, 2, false), "\x04\x00\x04\x01vv"...), true},
		"version 2, too high":        {append(headerOf(dataPageV2, 6, 6, nil, 8, 2, 0, 0, 0, 2, 2, false), "\x04\x00\x04\x02vv"...), false},
		"a dictionary":               {append(headerOf(dictionaryPage, 2, 2, nil, 7, 1, 0), "dd"...), true},
		"a dictionary in dictionary": {append(headerOf(dictionaryPage, 2, 2, nil, 7, 1, 8), "dd"...), false},
		"damaged deltas":             {v1(zeros+one+"vv", 5), false},
	} {
		p := pagesOf(c.b)
		p.unpack = nil
		d := &pageDecoder{pages: *p, maxRep: 1, maxDef: 1}
		got, err := d.next()
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && !got.dictionary && (string(got.values) != "vv" || got.present != 2 || got.def != nil || !bytes.Equal(got.rep, []byte{0, 0})) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
