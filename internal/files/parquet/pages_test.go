package parquet

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
)

// Only a dictionary page may have more values than its column.
func TestParquetDictionaryOfMoreValuesThanRows(t *testing.T) {
	h := []byte{0x15, 4, 0x15, 0, 0x15, 0, 0x4c, 0x15, 20, 0x15, 0, 0, 0} // DictionaryPageHeader of 10 values
	p := &pages{in: window{held: h}, values: 2}
	if got, err := p.readHeader(); err != nil || got.values != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := (&binaryValues{}).setDictionary(make([]byte, 40), 11); !errors.Is(err, errValues) {
		t.Errorf("a dictionary of 11 values in 40 bytes: %v", err)
	}
}

// A chunk's dictionary does not hold for the next chunk. A page of nulls needs
// no dictionary.
func TestParquetDictionaries(t *testing.T) {
	for name, v := range map[string]values{
		"fixed":  &fixedValues{dt: arrow.PrimitiveTypes.Int32, in: 4, out: 4, Buffer: arrays.Buffer{Mem: memory.DefaultAllocator}},
		"binary": &binaryValues{dt: arrow.BinaryTypes.String},
	} {
		if err := v.beginPage(parquet.Encodings.RLEDict, nil, 0); err != nil {
			t.Errorf("%s: a page of nulls: %v", name, err)
		}
		if err := v.setDictionary(make([]byte, 4), 1); err != nil {
			t.Fatal(err)
		}
		v.beginChunk()
		if err := v.beginPage(parquet.Encodings.RLEDict, []byte{0, 2}, 1); !errors.Is(err, errDictionary) {
			t.Errorf("%s: another chunk: %v", name, err)
		}
	}
}

// Sizes and depths in headers and footers are checked.
func TestParquetHostile(t *testing.T) {
	if _, _, err := parseHeader(bytes.Repeat([]byte{0x19}, 1<<20)); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("nested lists: %v", err)
	}
	if _, err := expandLevels([]byte{8 << 1, 200}, 1, 8, nil); err == nil {
		t.Error("a run of the level 200 of 1 is no error")
	}
	var g arrays.Buffer
	g.Mem = memory.DefaultAllocator
	g.Reserve(1 << 60)
	if g.Buf.Cap() > 2*codec.MaxBatchBytes {
		t.Errorf("%d bytes are reserved", g.Buf.Cap())
	}
	g.Release()
}
