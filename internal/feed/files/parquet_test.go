package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
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
		r, err := (parquetCodec{}).open(t.Context(), Split{Path: other[10], Length: 1 << 20}, rowsSchema(c), ReadOptions{BatchRows: 100, Memory: memory.DefaultAllocator})
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
