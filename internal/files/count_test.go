package files_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files"
)

func TestCountRows(t *testing.T) {
	dir := t.TempDir()
	writeParquet(t, filepath.Join(dir, "part-0.parquet"), 7)
	writeParquet(t, filepath.Join(dir, "part-1.parquet"), 0)
	writeParquet(t, filepath.Join(dir, "deeper", "part-2.parquet"), 5)
	for name, want := range map[string]int64{"": 12, "part-0.parquet": 7, "part-*.parquet": 7} {
		if rows, known := files.CountRows(t.Context(), filepath.Join(dir, name)); rows != want || !known {
			t.Errorf("%q: %d rows, known %t, want %d", name, rows, known, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.parquet"), []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deeper", "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "bad.parquet", "deeper", "absent", "none-*"} {
		if rows, known := files.CountRows(t.Context(), filepath.Join(dir, name)); known {
			t.Errorf("%q: %d rows said to be known", name, rows)
		}
	}
	if _, known := files.CountRows(t.Context(), "hdfs://nn/data"); known {
		t.Error("rows of a store that there is not are known")
	}
}

// TestCountRowsOfManyFiles: beyond 1,000 files, footers would take too long.
func TestCountRowsOfManyFiles(t *testing.T) {
	dir := t.TempDir()
	writeParquet(t, filepath.Join(dir, "0.parquet"), 2)
	for i := range 1000 {
		if err := os.Link(filepath.Join(dir, "0.parquet"), filepath.Join(dir, strconv.Itoa(i+1)+".parquet")); err != nil {
			t.Fatal(err)
		}
	}
	if rows, known := files.CountRows(t.Context(), dir); known {
		t.Errorf("%d rows of 1001 files said to be known", rows)
	}
	if rows, known := files.CountRows(t.Context(), filepath.Join(dir, "?.parquet")); rows != 20 || !known {
		t.Errorf("ten files: %d rows, known %t", rows, known)
	}
}

func writeParquet(t *testing.T, path string, rows int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	build := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer build.Release()
	for i := range rows {
		build.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	record := build.NewRecord()
	defer record.Release()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, file, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
