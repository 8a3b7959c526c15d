package files_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files"
	"tfos/internal/store"
)

// TestParquetOnAnObjectStore: rows of an object store are those of the local file. A split of at
// most 16 MiB is read by the request that opens it, and by one more for the footer if that is
// elsewhere. Of a larger one a request has many pages.
func TestParquetOnAnObjectStore(t *testing.T) {
	const groupRows = 10_000 // 8.26 MB in three columns. The list column has 8 MB of it, in pages of 1 MB
	for _, c := range []struct {
		name        string
		groups      int
		splitBytes  int64
		least, most int // requests for bytes by the readers
	}{
		{"a small file", 1, 0, 1, 1},
		{"small pieces of a file", 2, 1 << 20, 2, 2 + 1},
		{"a large file", 3, 0, 1 + 3*3 - 1, 1 + 3*3},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := randomParquet(t, c.groups*groupRows, c.groups)
			local := t.TempDir() + "/a.parquet"
			if err := os.WriteFile(local, content, 0o600); err != nil {
				t.Fatal(err)
			}
			asked := serveObject(t, content)
			want, _ := readParquet(t, local, c.splitBytes, asked)
			defer want.Release()
			got, requests := readParquet(t, "s3://bucket/a.parquet", c.splitBytes, asked)
			defer got.Release()
			if want.NumRows() != int64(c.groups*groupRows) || !array.TableEqual(got, want) {
				t.Errorf("%d rows of %d, or other ones", got.NumRows(), want.NumRows())
			}
			if n := len(requests); n < c.least || n > c.most || strings.Contains(fmt.Sprint(requests), "HEAD") {
				t.Errorf("%d requests, want %d to %d reads: %q", n, c.least, c.most, requests)
			}
		})
	}
}

// TestParquetOfAnotherSize: a file whose size is not the listed one is read as it is when it is
// opened.
func TestParquetOfAnotherSize(t *testing.T) {
	content := randomParquet(t, 2_000, 2)
	serveObject(t, content)
	size := int64(len(content))
	for _, c := range []struct{ length, rows int64 }{
		{1000, 1_000}, // the first of two row groups begins there
		{size, 2_000}, {size + 1, 2_000}, {size + 1<<20, 2_000}, {1 << 40, 2_000}, {math.MaxInt64, 2_000},
	} {
		d, err := files.Open(t.Context(), files.Parquet, "s3://bucket/a.parquet", files.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if records := readSplit(t, d, files.Split{Path: "s3://bucket/a.parquet", Length: c.length}); rowsOf(records) != c.rows {
			t.Errorf("listed with %d bytes of %d: not %d rows", c.length, size, c.rows)
		}
	}
}

// serveObject serves content as s3://bucket/a.parquet until the test ends. The function that it
// returns has the method and range of each request since its last call.
func serveObject(t *testing.T, content []byte) func() []string {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.Header.Get("Range"))
		mu.Unlock()
		if !strings.HasSuffix(r.URL.Path, "/bucket/a.parquet") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	store.Configure(store.Settings{
		"fs.s3a.endpoint": server.URL, "fs.s3a.path.style.access": "true", "fs.s3a.access.key": "k", "fs.s3a.secret.key": "s",
	})
	t.Cleanup(func() { store.Configure(nil) })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := asked
		asked = nil
		return all
	}
}

// randomParquet returns a file of three columns, in so many row groups.
func randomParquet(t *testing.T, rows, groups int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "image", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32)},
		{Name: "name", Type: arrow.BinaryTypes.String},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	images := b.Field(1).(*array.ListBuilder)
	values := images.ValueBuilder().(*array.Float32Builder)
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("name %d", i))
		images.Append(true)
		for range 200 {
			values.Append(rand.Float32())
		}
	}
	record := b.NewRecord()
	defer record.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(1<<20)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		part := record.NewSlice(int64(rows*i/groups), int64(rows*(i+1)/groups))
		err = errors.Join(err, w.Write(part))
		part.Release()
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readParquet returns the rows of a file that is cut into splits of about so many bytes, and what
// asked returns of the reading.
func readParquet(t *testing.T, path string, splitBytes int64, asked func() []string) (arrow.Table, []string) {
	t.Helper()
	d, err := files.Open(t.Context(), files.Parquet, path, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), splitBytes)
	if err != nil {
		t.Fatal(err)
	}
	asked()
	var records []arrow.Record
	for _, s := range splits {
		records = append(records, readSplit(t, d, s)...)
	}
	table := array.NewTableFromRecords(records[0].Schema(), records)
	for _, record := range records {
		record.Release()
	}
	return table, asked()
}

func readSplit(t *testing.T, d *files.Dataset, s files.Split) (records []arrow.Record) {
	t.Helper()
	r, err := d.Read(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for {
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return records
}

func rowsOf(records []arrow.Record) (rows int64) {
	for _, record := range records {
		rows += record.NumRows()
		record.Release()
	}
	return rows
}
