package files_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// TestParquetOnAnObjectStore: rows that are read ahead in blocks are those of the local file,
// and a request has many pages.
func TestParquetOnAnObjectStore(t *testing.T) {
	const rows, groups = 40_000, 4
	content := randomParquet(t, rows, groups)
	local := t.TempDir() + "/a.parquet"
	if err := os.WriteFile(local, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string // method and range of each request
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

	want := readParquet(t, local)
	defer want.Release()
	got := readParquet(t, "s3://bucket/a.parquet")
	defer got.Release()
	if want.NumRows() != rows || !array.TableEqual(got, want) {
		t.Errorf("%d rows of %d, or other ones", got.NumRows(), want.NumRows())
	}
	reads := 0
	for _, one := range asked {
		if strings.HasPrefix(one, "GET bytes=") {
			reads++
		}
	}
	// The list column has 8 MB in each group, in pages of 1 MB; 2 columns are small.
	if least, most := groups*3, groups*(1+2+3); reads < least || reads > most {
		t.Errorf("%d reads, want %d to %d: %q", reads, least, most, asked)
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

// readParquet returns the rows of a file.
func readParquet(t *testing.T, path string) arrow.Table {
	t.Helper()
	d, err := files.Open(t.Context(), files.Parquet, path, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var records []arrow.Record
	for _, s := range splits {
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
	}
	table := array.NewTableFromRecords(records[0].Schema(), records)
	for _, record := range records {
		record.Release()
	}
	return table
}
