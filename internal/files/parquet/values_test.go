package parquet

import (
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
