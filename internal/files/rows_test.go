package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files"
	"tfos/internal/files/codec"
	"tfos/internal/files/filestest"
	"tfos/internal/files/rowformat"
)

// A record ends when its bytes reach BatchBytes, even before BatchRows.
func TestRecordsAreBoundedInBytes(t *testing.T) {
	var b bytes.Buffer
	for range 5 {
		fmt.Fprintf(&b, "{\"s\":%q}\n", strings.Repeat("x", 20<<20))
	}
	d, err := files.Open(context.Background(), files.JSON, filestest.File(t, "a.json", b.Bytes()), files.ReadOptions{Memory: filestest.Checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Read(context.Background(), codec.WholeFile(d.Files()[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	record, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	if record.NumRows() != 4 {
		t.Errorf("a record of %d rows of 20 MiB, want 4", record.NumRows())
	}
}

func TestLargeCells(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: large cells in -short")
	}
	cell := strings.Repeat("0123456789abcdef", 64<<20/16)
	schema := filestest.SchemaOf(filestest.Nullable("s", arrow.BinaryTypes.String), filestest.Nullable("b", arrow.BinaryTypes.Binary))
	for _, format := range []files.Format{files.TFRecord, files.CSV, files.JSON} {
		t.Run(string(format), func(t *testing.T) {
			// With base64 and the string the row has 104 MiB.
			mem := filestest.Checked(t)
			b := array.NewRecordBuilder(mem, schema)
			b.Field(0).(*array.StringBuilder).Append(cell)
			b.Field(1).(*array.BinaryBuilder).Append([]byte(cell[:30<<20]))
			record := b.NewRecord()
			b.Release()
			defer record.Release()
			path := filepath.Join(t.TempDir(), "large")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			w, err := files.NewWriter(format, file, schema, files.WriteOptions{})
			if err == nil {
				err = errors.Join(w.Write(record), w.Close(), file.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			d, err := files.Open(context.Background(), format, path, files.ReadOptions{Schema: schema, Memory: mem})
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.Read(context.Background(), codec.WholeFile(path))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			defer got.Release()
			for c, f := range schema.Fields() {
				if !array.Equal(got.Column(int(d.Schema().FieldIndices(f.Name)[0])), record.Column(c)) {
					t.Errorf("column %s differs", f.Name)
				}
			}
		})
	}
}

func TestTooLongLine(t *testing.T) {
	long := bytes.Repeat([]byte("x"), rowformat.MaxUnit+2)
	for _, format := range []files.Format{files.CSV, files.JSON} {
		filestest.WantError(t, format, filestest.File(t, "long", long), files.ReadOptions{}, 0, "longer than 128 MiB")
	}
}
