package filestest

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

	"tfos/internal/files"
	"tfos/internal/files/codec"
	"tfos/internal/files/jsontext"
)

// ArrayOf makes an array of JSON text. The caller releases it.
func ArrayOf(t *testing.T, mem memory.Allocator, dt arrow.DataType, text string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(mem, dt, strings.NewReader(text), array.WithUseNumber())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ReleaseRecords(records []arrow.Record) {
	for _, r := range records {
		r.Release()
	}
}

func CSVFile(t testing.TB, lines ...string) string {
	t.Helper()
	return File(t, "a.csv", []byte(strings.Join(lines, "\n")+"\n"))
}

func WithOptions(options ...string) files.ReadOptions {
	o := files.ReadOptions{Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		o.Options[options[i]] = options[i+1]
	}
	return o
}

func JSONFile(t testing.TB, lines ...string) string {
	t.Helper()
	return File(t, "a.json", []byte(strings.Join(lines, "\n")+"\n"))
}

// File writes a file and returns its path.
func File(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Checked returns an allocator. The test fails if memory of it is left at its
// end.
func Checked(t testing.TB) memory.Allocator {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

// SplitRows reads a split and returns each row as JSON.
func SplitRows(d *files.Dataset, s files.Split) (rows []string, err error) {
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

// rowText returns a row as JSON. Arrow's MarshalJSON panics for NaN.
func rowText(record arrow.Record, row int) (string, error) {
	var b []byte
	for c := range int(record.NumCols()) {
		b = fmt.Appendf(b, ",%q:", record.ColumnName(c))
		var err error
		if b, err = jsontext.NewEncode(record.Column(c))(b, row); err != nil {
			return "", err
		}
	}
	return "{" + strings.TrimPrefix(string(b), ",") + "}", nil
}

// OpenRows reads all files at path, each as one split, and returns the rows as
// JSON.
func OpenRows(t testing.TB, format files.Format, path string, o files.ReadOptions) (*files.Dataset, []string, error) {
	t.Helper()
	if o.Memory == nil {
		o.Memory = Checked(t)
	}
	d, err := files.Open(context.Background(), format, path, o)
	if err != nil {
		return nil, nil, err
	}
	splits, err := d.Splits(context.Background(), 0)
	if err != nil {
		return nil, nil, err
	}
	var all []string
	for _, s := range splits {
		rows, err := SplitRows(d, s)
		if err != nil {
			return d, nil, err
		}
		all = append(all, rows...)
	}
	return d, all, nil
}

// WantRows reads a file and compares schema and rows. Schema "" matches any.
func WantRows(t *testing.T, format files.Format, path string, o files.ReadOptions, schema string, want ...string) {
	t.Helper()
	d, got, err := OpenRows(t, format, path, o)
	if err != nil {
		t.Fatal(err)
	}
	if s := SchemaText(d.Schema()); schema != "" && s != schema {
		t.Errorf("schema\n %s\nwant\n %s", s, schema)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func SchemaText(s *arrow.Schema) string {
	var parts []string
	for _, f := range s.Fields() {
		parts = append(parts, fmt.Sprintf("%s:%s", f.Name, strings.ReplaceAll(f.Type.String(), "item: ", "")))
	}
	return strings.Join(parts, " ")
}

// WantError reads a file. It expects an *Error at this offset, whose text
// contains all of says.
func WantError(t *testing.T, format files.Format, path string, o files.ReadOptions, offset int64, says ...string) {
	t.Helper()
	_, _, err := OpenRows(t, format, path, o)
	var at *files.Error
	if !errors.As(err, &at) || at.Path != path || at.Offset != offset {
		t.Errorf("error %v; want one of %s at byte %d", err, path, offset)
	}
	for _, s := range says {
		if err != nil && !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

// Nullable returns a field that may be null.
func Nullable(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func SchemaOf(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

// Written writes rows given as JSON and returns the file's content.
func Written(format files.Format, schema *arrow.Schema, o files.WriteOptions, rows string) ([]byte, error) {
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows), array.WithUseNumber())
	if err != nil {
		return nil, err
	}
	defer record.Release()
	var b bytes.Buffer
	w, err := files.NewWriter(format, &b, schema, o)
	if err == nil {
		err = w.Write(record)
	}
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

func MustWrite(t testing.TB, format files.Format, schema *arrow.Schema, o files.WriteOptions, rows string) []byte {
	t.Helper()
	b, err := Written(format, schema, o, rows)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func GzipBytes(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func ZlibBytes(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// CutsAgree reads a file in splits of random sizes, and once in 200 splits of
// equal size, or of one byte for short files. It expects the rows of the whole
// file each time.
func CutsAgree(t testing.TB, format files.Format, path string, o files.ReadOptions, seed uint64) {
	t.Helper()
	d, want, err := OpenRows(t, format, path, o)
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
			rows, err := SplitRows(d, files.Split{Path: path, Offset: at, Length: length})
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

// ReadRepeatedly benchmarks reading a file of rows. All rows must fit into one
// record.
func ReadRepeatedly(b *testing.B, format files.Format, path string, rows int) {
	d, err := files.Open(context.Background(), format, path, files.ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := d.Read(context.Background(), codec.WholeFile(path))
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

// MustWriteSliced writes all rows except the first one, as a slice of a record.
func MustWriteSliced(t *testing.T, format files.Format, schema *arrow.Schema, rows string) []byte {
	t.Helper()
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	slice := record.NewSlice(1, record.NumRows())
	defer slice.Release()
	var b bytes.Buffer
	w, err := files.NewWriter(format, &b, schema, files.WriteOptions{})
	if err == nil {
		err = errors.Join(w.Write(slice), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
