package files

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/arrow/util"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// libraryFile writes records with the library, a row group each.
func libraryFile(t *testing.T, path string, props []parquet.WriterProperty, records ...arrow.Record) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stored := pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())
	w, err := pqarrow.NewFileWriter(records[0].Schema(), f, parquet.NewWriterProperties(props...), stored)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		err = errors.Join(err, w.Write(r))
		r.Release()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestParquetPages reads each column from pages of every kind that the library
// writes.
func TestParquetPages(t *testing.T) {
	variants := map[string][]parquet.WriterProperty{
		"plain":               {parquet.WithDictionaryDefault(false)},
		"plain, version 2":    {parquet.WithDictionaryDefault(false), parquet.WithDataPageVersion(parquet.DataPageV2)},
		"small":               {parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(100), parquet.WithBatchSize(3)},
		"dictionary, small":   {parquet.WithDataPageSize(20), parquet.WithBatchSize(5), parquet.WithDataPageVersion(parquet.DataPageV2)},
		"full dictionary":     {parquet.WithDictionaryPageSizeLimit(64), parquet.WithDataPageSize(64), parquet.WithBatchSize(4)},
		"compressed":          {parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV2)},
		"compressed, version": {parquet.WithCompression(compress.Codecs.Gzip), parquet.WithDictionaryDefault(false)},
	}
	k := kits[0]
	for name, props := range variants {
		for _, c := range columns() {
			if strings.HasPrefix(c.name, "fixed") || strings.Contains(c.name, "time") {
				continue // which the library cannot write, or as something else
			}
			t.Run(name+"/"+c.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.parquet")
				libraryFile(t, path, props, rowsOf(memory.DefaultAllocator, c, 0, 200), rowsOf(memory.DefaultAllocator, c, 200, 0), rowsOf(memory.DefaultAllocator, c, 200, 37))
				want := rowsOf(memory.DefaultAllocator, c, 0, 237)
				defer want.Release()
				for _, batch := range []int{1000, 9} {
					same(t, k.must(t, path, 0, ReadOptions{BatchRows: batch}), want)
				}
			})
		}
	}
}

// A column of lists that is declared to have so many values has them in each.
func TestDeclaredFixedSize(t *testing.T) {
	for _, k := range kits[:2] {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.write(t, path, rowsOf(memory.DefaultAllocator, column{"value", arrow.ListOf(arrow.PrimitiveTypes.Float32),
			nulls(listOfLength(func(i int) int { return 2 + i/90 }, number[float32](1, 2, 3)))}, 0, 100))
		for size, says := range map[int32]string{2: "a list of 3 values where each has 2", 3: "a list of 2 values where each has 3"} {
			schema := rowsSchema(column{"value", arrow.FixedSizeListOf(size, arrow.PrimitiveTypes.Float32), nil})
			_, err := k.read(t.Context(), path, 0, ReadOptions{Schema: schema})
			var damage *Error
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", k.format, err, says)
			}
		}
	}
}

// A footer that promises other rows than there are is an error.
func TestParquetRowsOfTheFooter(t *testing.T) {
	dir := t.TempDir()
	c := column{"value", arrow.ListOf(arrow.PrimitiveTypes.Int32), list5(number[int32](1, 2))}
	other := map[int]string{}
	for _, n := range []int{9, 10, 11} {
		path := filepath.Join(dir, string(rune('a'+n)))
		libraryFile(t, path, nil, rowsOf(memory.DefaultAllocator, c, 0, n))
		other[n] = path
	}
	for n, says := range map[int]error{9: errMore, 11: errMissing} {
		r, err := (parquetCodec{}).open(t.Context(), Split{Path: other[10], Length: 1 << 20}, rowsSchema(c), ReadOptions{BatchRows: 100}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		p := r.(*parquetReader)
		p.total = int64(n)
		for _, l := range p.leaves {
			open := l.open
			l.open = func(group int) (chunk, error) {
				got, err := open(group)
				got.rows = int64(n)
				return got, err
			}
		}
		if _, err := r.Next(); !errors.Is(err, says) {
			t.Errorf("%d rows promised: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Pages may say more values than their column has only of a dictionary.
func TestParquetDictionaryOfMoreValuesThanRows(t *testing.T) {
	h := []byte{0x15, 4, 0x15, 0, 0x15, 0, 0x4c, 0x15, 20, 0x15, 0, 0, 0} // DictionaryPageHeader of 10 values
	p := &pages{in: window{held: h}, values: 2}
	if got, err := p.header(); err != nil || got.values != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := (&binaryValues{}).dictionary(make([]byte, 40), 11); !errors.Is(err, errValues) {
		t.Errorf("a dictionary of 11 values in 40 bytes: %v", err)
	}
}

// A chunk's dictionary is not the next one's, and a page of nulls needs none.
func TestParquetDictionaries(t *testing.T) {
	for name, v := range map[string]values{
		"fixed":  &fixedValues{dt: arrow.PrimitiveTypes.Int32, in: 4, out: 4, growing: growing{mem: memory.DefaultAllocator}},
		"binary": &binaryValues{dt: arrow.BinaryTypes.String},
	} {
		if err := v.page(parquet.Encodings.RLEDict, nil, 0); err != nil {
			t.Errorf("%s: a page of nulls: %v", name, err)
		}
		if err := v.dictionary(make([]byte, 4), 1); err != nil {
			t.Fatal(err)
		}
		v.begin()
		if err := v.page(parquet.Encodings.RLEDict, []byte{0, 2}, 1); !errors.Is(err, errDictionary) {
			t.Errorf("%s: another chunk: %v", name, err)
		}
	}
}

// What a header or a footer says of sizes and depths is not believed.
func TestParquetHostile(t *testing.T) {
	if _, _, err := parseHeader(bytes.Repeat([]byte{0x19}, 1<<20)); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("nested lists: %v", err)
	}
	if _, err := levels([]byte{8 << 1, 200}, 1, 8, nil); err == nil {
		t.Error("a run of the level 200 of 1 is no error")
	}
	var g growing
	g.mem = memory.DefaultAllocator
	g.reserve(1 << 60)
	if g.buf.Cap() > 2*batchBytes {
		t.Errorf("%d bytes are reserved", g.buf.Cap())
	}
	g.release()
}

// Fixed-size lists of which some are null are written as plain ones, at any
// depth: pyarrow reads no others. Values under null lists are not written.
func TestParquetNullFixedSizeLists(t *testing.T) {
	fixed := arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64)
	for _, c := range []struct {
		dt     arrow.DataType
		values string
		fixed  bool
	}{
		{fixed, `[[1,2],[3,null]]`, true},
		{fixed, `[[1,2],null]`, false},
		{arrow.ListOf(fixed), `[[[1,2]],[],null]`, true},
		{arrow.ListOf(fixed), `[[[1,2],null],[]]`, false},
		{arrow.StructOf(nullable("x", fixed)), `[{"x":[1,2]},null]`, false},
	} {
		path := filepath.Join(t.TempDir(), "a.parquet")
		a := arrayOf(t, memory.DefaultAllocator, c.dt, c.values)
		kits[0].write(t, path, array.NewRecord(schemaOf(nullable("v", c.dt)), []arrow.Array{a}, int64(a.Len())))
		records := kits[0].must(t, path, 0, ReadOptions{})
		got := records[0].Column(0)
		if is := strings.Contains(got.DataType().String(), "fixed"); is != c.fixed {
			t.Errorf("%s as %s came back as %s", c.values, c.dt, got.DataType())
		}
		text, err := got.MarshalJSON()
		if err != nil || strings.ReplaceAll(string(text), "\n", "") != c.values {
			t.Errorf("%s, %v; want %s", text, err, c.values)
		}
		releaseRecords(records)
	}
}

// A dictionary makes files far smaller than their rows: a batch is bounded all
// the same, also where row groups with large values follow such with small ones.
func TestParquetExpands(t *testing.T) {
	const rows = 2000
	sizes := []int{10, 200_000}
	schema := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	props := parquet.NewWriterProperties(parquet.WithDictionaryDefault(true), parquet.WithDictionaryPageSizeLimit(1<<30), parquet.WithCompression(compress.Codecs.Snappy))
	w, err := pqarrow.NewFileWriter(schema, f, props, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		w.NewBufferedRowGroup()
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		for range rows / 100 {
			for i := range 100 {
				b.Field(0).(*array.StringBuilder).Append(strings.Repeat(string(rune('a'+i%2)), size))
			}
			record := b.NewRecord()
			if err := w.WriteBuffered(record); err != nil {
				t.Fatal(err)
			}
			record.Release()
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 10<<20 {
		t.Fatalf("%v: %v", info, err)
	}
	r := kits[0].open(t, path, ReadOptions{BatchRows: 1000})
	defer r.Close()
	var read, records int
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		texts := record.Column(0).(*array.String)
		for i := range texts.Len() {
			if got := texts.Value(i); got[0] != byte('a'+read%2) || len(got) != sizes[read/rows] {
				t.Fatalf("row %d: %d times %q", read, len(got), got[0])
			}
			read++
		}
		if size := util.TotalRecordSize(record); size > 2*batchBytes {
			t.Errorf("a record of %d bytes", size)
		}
		records++
		record.Release()
	}
	if read != 2*rows || records > 50 {
		t.Errorf("%d rows in %d records", read, records)
	}
}

// Values that a declared type cannot hold do not make a file unreadable.
func TestParquetUnfit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	kits[0].write(t, path, rowsOf(memory.DefaultAllocator, plainColumn, 0, 300))
	narrow := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int8, Nullable: true}}, nil)
	_, err := kits[0].read(t.Context(), path, 0, ReadOptions{Columns: []string{"id"}, Schema: narrow})
	if err == nil || errors.Is(err, errNotParquet) || !strings.Contains(err.Error(), "column id: int64 cannot be read as int8") {
		t.Error(err)
	}
}
