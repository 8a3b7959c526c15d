package files

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// fileOf writes a file and returns its path.
func fileOf(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// checked is an allocator that the test's end finds empty.
func checked(t testing.TB) memory.Allocator {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

// splitRows reads a split and returns each row as JSON.
func splitRows(d *Dataset, s Split) (rows []string, err error) {
	r, err := d.Read(context.Background(), s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		record, err := r.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		if record.NumRows() == 0 {
			err = errors.New("a record without a row")
		}
		for i := 0; err == nil && i < int(record.NumRows()); i++ {
			var row string
			row, err = rowText(record, i)
			rows = append(rows, row)
		}
		record.Release()
		if err != nil {
			return rows, err
		}
	}
}

// rowText is a row as JSON: arrow's MarshalJSON panics over NaN.
func rowText(record arrow.Record, row int) (string, error) {
	var b []byte
	for c := range int(record.NumCols()) {
		b = fmt.Appendf(b, ",%q:", record.ColumnName(c))
		var err error
		if b, err = newJSONEncode(record.Column(c))(b, row); err != nil {
			return "", err
		}
	}
	return "{" + strings.TrimPrefix(string(b), ",") + "}", nil
}

// openRows reads all files at path, one split each.
func openRows(t testing.TB, format Format, path string, o ReadOptions) (*Dataset, []string, error) {
	t.Helper()
	if o.Memory == nil {
		o.Memory = checked(t)
	}
	d, err := Open(context.Background(), format, path, o)
	if err != nil {
		return nil, nil, err
	}
	splits, err := d.Splits(context.Background(), 0)
	if err != nil {
		return nil, nil, err
	}
	var all []string
	for _, s := range splits {
		rows, err := splitRows(d, s)
		if err != nil {
			return d, nil, err
		}
		all = append(all, rows...)
	}
	return d, all, nil
}

// wantRows reads a file and compares schema and rows; schema "": any.
func wantRows(t *testing.T, format Format, path string, o ReadOptions, schema string, want ...string) {
	t.Helper()
	d, got, err := openRows(t, format, path, o)
	if err != nil {
		t.Fatal(err)
	}
	if s := schemaText(d.Schema()); schema != "" && s != schema {
		t.Errorf("schema\n %s\nwant\n %s", s, schema)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func schemaText(s *arrow.Schema) string {
	var parts []string
	for _, f := range s.Fields() {
		parts = append(parts, fmt.Sprintf("%s:%s", f.Name, strings.ReplaceAll(f.Type.String(), "item: ", "")))
	}
	return strings.Join(parts, " ")
}

// wantError reads a file and wants an *Error at an offset that says all of
// these.
func wantError(t *testing.T, format Format, path string, o ReadOptions, offset int64, says ...string) {
	t.Helper()
	_, _, err := openRows(t, format, path, o)
	var at *Error
	if !errors.As(err, &at) || at.Path != path || at.Offset != offset {
		t.Errorf("error %v; want one of %s at byte %d", err, path, offset)
	}
	for _, s := range says {
		if err != nil && !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

// nullable is a field that may be null.
func nullable(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func schemaOf(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

// written writes rows of JSON as a file.
func written(format Format, schema *arrow.Schema, o WriteOptions, rows string) ([]byte, error) {
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows), array.WithUseNumber())
	if err != nil {
		return nil, err
	}
	defer record.Release()
	var b bytes.Buffer
	w, err := NewWriter(format, &b, schema, o)
	if err == nil {
		err = w.Write(record)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func mustWrite(t testing.TB, format Format, schema *arrow.Schema, o WriteOptions, rows string) []byte {
	t.Helper()
	b, err := written(format, schema, o, rows)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func gzipBytes(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zlibBytes(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// cutsAgree reads a file cut at random places, and in pieces of one byte when
// it is short, and wants the rows of the whole file each time.
func cutsAgree(t testing.TB, format Format, path string, o ReadOptions, seed uint64) {
	t.Helper()
	d, want, err := openRows(t, format, path, o)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range 3 {
		var got []string
		for at := int64(0); at < info.Size(); {
			length := 1 + random.Int64N(info.Size())
			if round == 0 {
				length = 1 + info.Size()/200
			}
			length = min(length, info.Size()-at)
			rows, err := splitRows(d, Split{Path: path, Offset: at, Length: length})
			if err != nil {
				t.Fatalf("split [%d, %d): %v", at, at+length, err)
			}
			got = append(got, rows...)
			at += length
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("cut into ranges: %d rows\n%s\nwhole: %d rows\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
	}
}

// A record ends when its rows' bytes do, before BatchRows.
func TestRecordsAreBoundedInBytes(t *testing.T) {
	var b bytes.Buffer
	for range 5 {
		fmt.Fprintf(&b, "{\"s\":%q}\n", strings.Repeat("x", 20<<20))
	}
	d, err := Open(context.Background(), JSON, fileOf(t, "a.json", b.Bytes()), ReadOptions{Memory: checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Read(context.Background(), wholeFile(d.Files()[0].Path))
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
	schema := schemaOf(nullable("s", arrow.BinaryTypes.String), nullable("b", arrow.BinaryTypes.Binary))
	for _, format := range []Format{TFRecord, CSV, JSON} {
		t.Run(string(format), func(t *testing.T) {
			// In base64 and with the string the row is 104 MiB.
			mem := checked(t)
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
			w, err := NewWriter(format, file, schema, WriteOptions{})
			if err == nil {
				err = errors.Join(w.Write(record), w.Close(), file.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			d, err := Open(context.Background(), format, path, ReadOptions{Schema: schema, Memory: mem})
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.Read(context.Background(), wholeFile(path))
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

func TestCancelledReadIsNoDamage(t *testing.T) {
	path := fileOf(t, "a.json", []byte(strings.Repeat("{\"a\":1}\n", 100_000)))
	ctx, cancel := context.WithCancel(context.Background())
	d, err := Open(ctx, JSON, path, ReadOptions{Memory: checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Read(ctx, wholeFile(path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	for err == nil {
		var record arrow.Record
		if record, err = r.Next(); err == nil {
			record.Release()
		}
	}
	var damage *Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &damage) {
		t.Errorf("error %v, want context.Canceled and no *Error", err)
	}
}

func TestTooLongLine(t *testing.T) {
	long := bytes.Repeat([]byte("x"), maxUnit+2)
	for _, format := range []Format{CSV, JSON} {
		wantError(t, format, fileOf(t, "long", long), ReadOptions{}, 0, "longer than 128 MiB")
	}
}

// benchmarkRead reads a file of rows again and again.
func benchmarkRead(b *testing.B, format Format, path string, rows int) {
	d, err := Open(context.Background(), format, path, ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := d.Read(context.Background(), wholeFile(path))
		if err != nil {
			b.Fatal(err)
		}
		record, err := r.Next()
		if err != nil || record.NumRows() != int64(rows) {
			b.Fatal(record, err)
		}
		record.Release()
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

// mustWriteSliced writes all rows but the first, as a slice of the record.
func mustWriteSliced(t *testing.T, format Format, schema *arrow.Schema, rows string) []byte {
	t.Helper()
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	slice := record.NewSlice(1, record.NumRows())
	defer slice.Release()
	var b bytes.Buffer
	w, err := NewWriter(format, &b, schema, WriteOptions{})
	if err == nil {
		err = errors.Join(w.Write(slice), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
