package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"

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

// headerOf encodes a page header: the fields of PageHeader up to the checksum, and
// then the struct of the page's kind. Zigzag numbers, as Thrift's compact protocol
// has them.
func headerOf(kind, size, compressed int, crc *uint32, part byte, fields ...any) (b []byte) {
	number := func(v int) { b = binary.AppendVarint(b, int64(v)) }
	for _, v := range []int{kind, size, compressed} {
		b = append(b, 0x15)
		number(v)
	}
	last := byte(3)
	if crc != nil {
		b, last = append(b, 0x15), 4
		number(int(int32(*crc)))
	}
	b = append(b, (part-last)<<4|thriftStruct)
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = append(b, 0x15)
			number(f)
		case bool:
			b = append(b, map[bool]byte{true: 0x11, false: 0x12}[f])
		case []byte: // statistics: a struct with a binary
			b = append(b, 0x1c, 0x18)
			b = append(binary.AppendUvarint(b, uint64(len(f))), f...)
			b = append(b, 0)
		}
	}
	return append(b, 0, 0)
}

// pagesOf reads a chunk of these bytes. unpack doubles each byte.
func pagesOf(b []byte) *pages {
	return &pages{in: window{r: bytes.NewReader(b), end: int64(len(b))}, values: 10, maxSize: 1 << 20, unpack: func(dst, src []byte) ([]byte, error) {
		return bytes.Join([][]byte{src, src}, nil), nil
	}}
}

// TestPages reads pages of each kind one after another, whatever the size of
// their headers.
func TestPages(t *testing.T) {
	body := []byte("abc")
	crc := crc32.ChecksumIEEE(body)
	large := bytes.Repeat([]byte{'s'}, 100_000)
	var b []byte
	offsets := []int64{}
	add := func(header []byte, body string) {
		offsets = append(offsets, int64(len(b)))
		b = append(append(b, header...), body...)
	}
	add(headerOf(dictionaryPage, 6, 3, &crc, 7, 200, 0), "abc")
	add(headerOf(indexPage, 2, 2, nil, 6), "ii") // is skipped
	add(headerOf(dataPageV1, 6, 3, &crc, 5, 10, 0, 3, 3, large), "abc")
	add(headerOf(dataPageV2, 3+6, 3+3, nil, 8, 10, 0, 0, 0, 2, 1), "ddrabc") // repetition is first
	add(headerOf(dataPageV2, 3, 3, nil, 8, 10, 0, 0, 0, 0, 0, false), "abc")
	add(headerOf(dataPageV2, 0, 0, nil, 8, 10, 10, 0, 0, 0, 0), "")
	p := pagesOf(b)
	for i, want := range []struct {
		at             int
		kind           int32
		rep, def, body string
	}{
		{0, dictionaryPage, "", "", "abcabc"}, {2, dataPageV1, "", "", "abcabc"}, {3, dataPageV2, "d", "dr", "abcabc"},
		{4, dataPageV2, "", "", "abc"}, {5, dataPageV2, "", "", ""},
	} {
		pg, err := p.next()
		if err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		if p.start != offsets[want.at] || pg.kind != want.kind || string(pg.rep) != want.rep || string(pg.def) != want.def || string(pg.body) != want.body {
			t.Errorf("page %d at %d: %q %q %q of kind %d; want %+v at %d", i, p.start, pg.rep, pg.def, pg.body, pg.kind, want, offsets[want.at])
		}
	}
	if _, err := p.next(); err != io.EOF {
		t.Errorf("behind the last page: %v", err)
	}
}

// TestHeadersOfLaterVersions: fields that this package does not know, of any
// type, are skipped.
func TestHeadersOfLaterVersions(t *testing.T) {
	known := headerOf(dataPageV2, 6, 3, nil, 8, 10, 0, 0, 5, 2, 1, false)
	want, n, err := parseHeader(known)
	if err != nil || n != len(known) || want.values != 10 || want.encoding != 5 || want.defBytes != 2 || want.repBytes != 1 || want.valuesPacked {
		t.Fatalf("%+v, %d of %d bytes, %v", want, n, len(known), err)
	}
	fields := map[string]string{
		"true": "\x11", "false": "\x12", "byte": "\x13\x07", "short": "\x14\x80\x01", "int": "\x15\x07", "long": "\x16\xff\xff\xff\x01",
		"double": "\x1712345678", "binary": "\x18\x03abc", "empty": "\x18\x00",
		"list": "\x19\x25\x80\x01\x02", "list of bools": "\x19\x31\x01\x02\x01", "long list": "\x19\xf3\x1012345678abcdefgh", "set": "\x1a\x18\x01a", "no list": "\x19\x05",
		"struct": "\x1c\x15\x02\x18\x01a\x00", "struct in a list": "\x19\x2c\x15\x02\x00\x00", "a number far away": "\x05\xc8\x01\x07",
	}
	for name, field := range fields {
		later := slices.Concat(known[:len(known)-1], []byte(field), []byte{0})
		if got, n, err := parseHeader(later); err != nil || n != len(later) || got != want {
			t.Errorf("%s: %+v, %d of %d bytes, %v", name, got, n, len(later), err)
		}
		for cut := len(known); cut < len(later); cut++ {
			if _, _, err := parseHeader(later[:cut]); !errors.Is(err, errShort) {
				t.Errorf("%s: %d of %d bytes: %v", name, cut, len(later), err)
			}
		}
	}
	for name, field := range map[string]string{"map": "\x1b\x01", "no type": "\x1d", "a number too long": "\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, _, err := parseHeader(slices.Concat(known[:len(known)-1], []byte(field), []byte{0})); err == nil || errors.Is(err, errShort) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamagedPages: what a header says is checked against its page and column.
func TestDamagedPages(t *testing.T) {
	crc := crc32.ChecksumIEEE([]byte("abc"))
	other := crc + 1
	data := func(size, compressed, values int, crc *uint32) []byte {
		return headerOf(dataPageV1, size, compressed, crc, 5, values, 0, 3, 3)
	}
	levels := func(size, compressed, def, rep int) []byte {
		return headerOf(dataPageV2, size, compressed, nil, 8, 1, 0, 0, 0, def, rep, false)
	}
	for name, c := range map[string]struct {
		b    []byte
		fits bool
	}{
		"intact":                 {append(data(6, 3, 10, &crc), "abc"...), true},
		"another checksum":       {append(data(6, 3, 10, &other), "abc"...), false},
		"more values":            {append(data(6, 3, 11, nil), "abc"...), false},
		"fewer bytes":            {append(data(7, 3, 10, nil), "abc"...), false},
		"more bytes":             {append(data(5, 3, 10, nil), "abc"...), false},
		"beyond the column":      {append(data(1<<20+1, 3, 10, nil), "abc"...), false},
		"it ends in its body":    {append(data(6, 3, 10, nil), "ab"...), false},
		"it ends in its header":  {data(6, 3, 10, nil)[:8], false},
		"no size":                {append(data(-1, 3, 10, nil), "abc"...), false},
		"a size of 33 bits":      {append(data(6+1<<32, 3, 10, nil), "abc"...), false},
		"no values":              {append(data(6, 3, -1, nil), "abc"...), false},
		"of no values":           {append(data(6, 3, 0, nil), "abc"...), true},
		"no kind":                {append(headerOf(-1, 6, 3, nil, 5, 1, 0, 3, 3), "abc"...), false},
		"no compressed size":     {append(data(6, -1, 10, nil), "abc"...), false},
		"a dictionary of none":   {append(headerOf(dictionaryPage, 6, 3, nil, 7, -1, 0), "abc"...), false},
		"no values, version 2":   {append(headerOf(dataPageV2, 3, 3, nil, 8, -1, 0, 0, 0, 1, 2, false), "abc"...), false},
		"only levels":            {append(levels(3, 3, 1, 2), "abc"...), true},
		"longer levels":          {append(levels(3, 3, 2, 2), "abc"...), false},
		"levels beyond the body": {append(levels(4, 3, 2, 2), "abc"...), false},
		"levels of fewer bytes":  {append(levels(3, 3, -1, 2), "abc"...), false},
		"repetition of fewer":    {append(levels(3, 3, 2, -1), "abc"...), false},
	} {
		if _, err := pagesOf(c.b).next(); (err == nil) != c.fits || err == io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLevelBytes: the levels of a version 1 page follow their length.
func TestLevelBytes(t *testing.T) {
	for name, c := range map[string]struct {
		encoding parquet.Encoding
		body     string
		fits     bool
	}{
		"levels and values": {parquet.Encodings.RLE, "\x02\x00\x00\x00llvv", true}, "only levels": {parquet.Encodings.RLE, "\x02\x00\x00\x00ll", true},
		"too long": {parquet.Encodings.RLE, "\x03\x00\x00\x00ll", false}, "far too long": {parquet.Encodings.RLE, "\x02\x00\x00\x80ll", false},
		"no length": {parquet.Encodings.RLE, "\x00\x00\x00", false}, "another encoding": {parquet.Encodings.BitPacked, "\x02\x00\x00\x00ll", false},
	} {
		levels, rest, err := levelBytes(c.encoding, []byte(c.body))
		if (err == nil) != c.fits || c.fits && (string(levels) != "ll" || string(rest) != c.body[6:]) {
			t.Errorf("%s: %q, %q, %v", name, levels, rest, err)
		}
	}
}

// TestOpenPages: a column chunk lies in its file. Its dictionary comes first.
func TestOpenPages(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "repeats", Type: arrow.BinaryTypes.String}, {Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	var content bytes.Buffer
	w, err := Codec{}.Create(&content, schema, codec.WriteOptions{Memory: memory.DefaultAllocator, Distinct: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range 100 {
		b.Field(0).(*array.StringBuilder).Append("same")
		b.Field(1).(*array.Int64Builder).Append(int64(i))
	}
	record := b.NewRecord()
	defer record.Release()
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(content.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for column, kinds := range [][]int32{{dictionaryPage, dataPageV2}, {dataPageV2}} {
		chunk, err := r.MetaData().RowGroup(0).ColumnChunk(column)
		if err != nil {
			t.Fatal(err)
		}
		begin := chunk.DataPageOffset()
		if len(kinds) == 2 {
			begin = chunk.DictionaryPageOffset()
		}
		end := begin + chunk.TotalCompressedSize()
		source := &codec.Source{Size: end, Read: bytes.NewReader(content.Bytes()).ReadAt}
		p := &pages{}
		if err := p.open(source, source.Size, chunk); err != nil || p.start != begin {
			t.Fatalf("column %d: %+v, %v", column, p, err)
		}
		for _, kind := range kinds {
			if pg, err := p.next(); err != nil || pg.kind != kind {
				t.Errorf("column %d: %+v, %v; want a page of kind %d", column, pg, err, kind)
			}
		}
		if _, err := p.next(); err != io.EOF {
			t.Errorf("column %d: more pages, %v", column, err)
		}
		source.Size--
		if err := p.open(source, source.Size, chunk); err == nil {
			t.Errorf("column %d: a chunk to byte %d in a file of %d", column, end, source.Size)
		}
	}
}
