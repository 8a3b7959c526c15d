package parquet_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/arrow/util"
	apache "github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files"
	"tfos/internal/files/codec"
	"tfos/internal/files/filestest"
	"tfos/internal/files/parquet"
)

// libraryFile writes records with the library, each as one row group.
func libraryFile(t *testing.T, path string, props []apache.WriterProperty, records ...arrow.Record) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stored := pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())
	w, err := pqarrow.NewFileWriter(records[0].Schema(), f, apache.NewWriterProperties(props...), stored)
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
	variants := map[string][]apache.WriterProperty{
		"plain":               {apache.WithDictionaryDefault(false)},
		"plain, version 2":    {apache.WithDictionaryDefault(false), apache.WithDataPageVersion(apache.DataPageV2)},
		"small":               {apache.WithDictionaryDefault(false), apache.WithDataPageSize(100), apache.WithBatchSize(3)},
		"dictionary, small":   {apache.WithDataPageSize(20), apache.WithBatchSize(5), apache.WithDataPageVersion(apache.DataPageV2)},
		"full dictionary":     {apache.WithDictionaryPageSizeLimit(64), apache.WithDataPageSize(64), apache.WithBatchSize(4)},
		"compressed":          {apache.WithCompression(compress.Codecs.Zstd), apache.WithDataPageVersion(apache.DataPageV2)},
		"compressed, version": {apache.WithCompression(compress.Codecs.Gzip), apache.WithDictionaryDefault(false)},
	}
	k := filestest.Of(files.Parquet)
	for name, props := range variants {
		for _, c := range filestest.Columns() {
			if strings.HasPrefix(c.Name, "fixed") || strings.Contains(c.Name, "time") {
				continue // the library cannot write it, or writes another type
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "a.parquet")
				libraryFile(t, path, props, filestest.RowsOf(memory.DefaultAllocator, c, 0, 200), filestest.RowsOf(memory.DefaultAllocator, c, 200, 0), filestest.RowsOf(memory.DefaultAllocator, c, 200, 37))
				want := filestest.RowsOf(memory.DefaultAllocator, c, 0, 237)
				defer want.Release()
				for _, batch := range []int{1000, 9} {
					filestest.Same(t, k.Must(t, path, 0, files.ReadOptions{BatchRows: batch}), want)
				}
			})
		}
	}
}

// TestParquetDeltas reads the DELTA encodings that the library writes, of numbers
// whose differences have every width and wrap around.
func TestParquetDeltas(t *testing.T) {
	const rows = 700
	i64, i32, text, binary := arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary
	wide := func(i int) int64 { return int64((uint64(i) * 0x9E3779B97F4A7C15) >> (i / 8 % 64)) }
	for name, c := range map[string]struct {
		encoding apache.Encoding
		column   filestest.Column
	}{
		"longs":         {apache.Encodings.DeltaBinaryPacked, filestest.Column{Name: "value", Type: i64, Value: func(b array.Builder, i int) { b.(*array.Int64Builder).Append(wide(i)) }}},
		"ints":          {apache.Encodings.DeltaBinaryPacked, filestest.Column{Name: "value", Type: i32, Value: filestest.Nulls(func(b array.Builder, i int) { b.(*array.Int32Builder).Append(int32(wide(i))) })}},
		"lengths":       {apache.Encodings.DeltaLengthByteArray, filestest.Column{Name: "value", Type: text, Value: func(b array.Builder, i int) { b.(*array.StringBuilder).Append(strings.Repeat("y", i%90)) }}},
		"same parts":    {apache.Encodings.DeltaByteArray, filestest.Column{Name: "value", Type: binary, Value: func(b array.Builder, i int) { b.(*array.BinaryBuilder).Append(fmt.Appendf(nil, "%0*d", i%60, i/7)) }}},
		"lists of them": {apache.Encodings.DeltaBinaryPacked, filestest.Column{Name: "value", Type: arrow.ListOf(i64), Value: filestest.List5(func(b array.Builder, i int) { b.(*array.Int64Builder).Append(wide(i)) })}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.parquet")
			stored := "value"
			if c.column.Type.ID() == arrow.LIST {
				stored = "value.list.element"
			}
			props := []apache.WriterProperty{apache.WithDictionaryDefault(false), apache.WithEncodingFor(stored, c.encoding), apache.WithDataPageSize(3000), apache.WithBatchSize(100)}
			libraryFile(t, path, props, filestest.RowsOf(memory.DefaultAllocator, c.column, 0, rows))
			r, err := file.OpenParquetFile(path, false)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			chunk, err := r.MetaData().RowGroup(0).ColumnChunk(1)
			if err != nil || !slices.Contains(chunk.Encodings(), c.encoding) {
				t.Fatalf("%s is stored as %v: %v", chunk.PathInSchema(), chunk.Encodings(), err)
			}
			want := filestest.RowsOf(memory.DefaultAllocator, c.column, 0, rows)
			defer want.Release()
			for _, batch := range []int{1000, 9} {
				filestest.Same(t, filestest.Of(files.Parquet).Must(t, path, 0, files.ReadOptions{BatchRows: batch}), want)
			}
		})
	}
}

// A column declared as a fixed-size list must have that many values in each
// list.
func TestDeclaredFixedSize(t *testing.T) {
	for _, k := range filestest.Columnar() {
		path := filepath.Join(t.TempDir(), "a"+k.Ext)
		k.Write(t, path, filestest.RowsOf(memory.DefaultAllocator, filestest.Column{Name: "value", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32),
			Value: filestest.Nulls(filestest.ListOfLength(func(i int) int { return 2 + i/90 }, filestest.Number[float32](1, 2, 3)))}, 0, 100))
		for size, says := range map[int32]string{2: "a list of 3 values where each has 2", 3: "a list of 2 values where each has 3"} {
			schema := filestest.RowsSchema(filestest.Column{Name: "value", Type: arrow.FixedSizeListOf(size, arrow.PrimitiveTypes.Float32)})
			_, err := k.Read(t.Context(), path, 0, files.ReadOptions{Schema: schema})
			var damage *files.Error
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", k.Format, err, says)
			}
		}
	}
}

// A footer that promises another number of rows is an error.
func TestParquetRowsOfTheFooter(t *testing.T) {
	dir := t.TempDir()
	c := filestest.Column{Name: "value", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Value: filestest.List5(filestest.Number[int32](1, 2))}
	other := map[int]string{}
	for _, n := range []int{9, 10, 11} {
		path := filepath.Join(dir, string(rune('a'+n)))
		libraryFile(t, path, nil, filestest.RowsOf(memory.DefaultAllocator, c, 0, n))
		other[n] = path
	}
	for n, says := range map[int]error{9: parquet.ErrMore, 11: parquet.ErrMissing} {
		r, err := (parquet.Codec{}).Open(t.Context(), files.Split{Path: other[10], Length: 1 << 20}, filestest.RowsSchema(c), files.ReadOptions{BatchRows: 100}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		parquet.PromiseRows(r, int64(n))
		if _, err := r.Next(); !errors.Is(err, says) {
			t.Errorf("%d rows promised: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Fixed-size lists with nulls are written as plain lists, at any depth: pyarrow
// cannot read others. Values below null lists are not written.
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
		{arrow.StructOf(filestest.Nullable("x", fixed)), `[{"x":[1,2]},null]`, false},
	} {
		path := filepath.Join(t.TempDir(), "a.parquet")
		a := filestest.ArrayOf(t, memory.DefaultAllocator, c.dt, c.values)
		filestest.Of(files.Parquet).Write(t, path, array.NewRecord(filestest.SchemaOf(filestest.Nullable("v", c.dt)), []arrow.Array{a}, int64(a.Len())))
		records := filestest.Of(files.Parquet).Must(t, path, 0, files.ReadOptions{})
		got := records[0].Column(0)
		if is := strings.Contains(got.DataType().String(), "fixed"); is != c.fixed {
			t.Errorf("%s as %s came back as %s", c.values, c.dt, got.DataType())
		}
		text, err := got.MarshalJSON()
		if err != nil || strings.ReplaceAll(string(text), "\n", "") != c.values {
			t.Errorf("%s, %v; want %s", text, err, c.values)
		}
		filestest.ReleaseRecords(records)
	}
}

// With a dictionary a file is far smaller than its rows. A batch is bounded
// nevertheless, also where row groups of large values follow row groups of
// small values.
func TestParquetExpands(t *testing.T) {
	const rows = 2000
	sizes := []int{10, 200_000}
	schema := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	props := apache.NewWriterProperties(apache.WithDictionaryDefault(true), apache.WithDictionaryPageSizeLimit(1<<30), apache.WithCompression(compress.Codecs.Snappy))
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
	r := filestest.Of(files.Parquet).Open(t, path, files.ReadOptions{BatchRows: 1000})
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
		if size := util.TotalRecordSize(record); size > 2*codec.MaxBatchBytes {
			t.Errorf("a record of %d bytes", size)
		}
		records++
		record.Release()
	}
	if read != 2*rows || records > 50 {
		t.Errorf("%d rows in %d records", read, records)
	}
}

// A value that a declared type cannot hold does not mean that the file is
// unreadable.
func TestParquetUnfit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	filestest.Of(files.Parquet).Write(t, path, filestest.RowsOf(memory.DefaultAllocator, filestest.PlainColumn, 0, 300))
	narrow := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int8, Nullable: true}}, nil)
	_, err := filestest.Of(files.Parquet).Read(t.Context(), path, 0, files.ReadOptions{Columns: []string{"id"}, Schema: narrow})
	if err == nil || errors.Is(err, parquet.ErrNotParquet) || !strings.Contains(err.Error(), "column id: int64 cannot be read as int8") {
		t.Error(err)
	}
}
