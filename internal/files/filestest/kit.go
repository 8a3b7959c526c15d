package filestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files"
)

// Kit describes a format for the suite.
type Kit struct {
	Format files.Format
	Ext    string
	// refuses are columns that no file of the format can hold.
	refuses []string
	// partial are columns with some values that the format refuses to write.
	partial []string
	// options are options with which every value can be written and read.
	options map[string]string
	// asLists are columns of fixed-size lists that are read back as plain
	// lists.
	asLists []string
	// typed formats store a schema and mark the file's end.
	typed bool
	// checked formats detect a changed byte of a value.
	checked bool
	// cutShort formats detect a missing end.
	cutShort bool
}

// nested are the columns whose types row formats do not have.
var nested = []string{"struct", "structs", "map", "date", "timestamp", "local time", "times", "decimal"}

var kits = []Kit{
	{Format: files.Parquet, Ext: ".parquet", typed: true, cutShort: true, asLists: []string{"fixed floats or null"}},
	{Format: files.Arrow, Ext: ".arrow", typed: true, cutShort: true},
	{Format: files.TFRecord, Ext: ".tfrecord", checked: true, cutShort: true, refuses: append(slices.Clone(nested), "lists of lists"),
		// Numbers are 32-bit floats, and elements cannot be null.
		partial: []string{"float64", "doubles", "float64 or null", "doubles or null", "nulls in lists", "nulls in lists of strings"}},
	{Format: files.CSV, Ext: ".csv", refuses: nested, options: map[string]string{"multiLine": "true"}},
	{Format: files.JSON, Ext: ".json", refuses: nested},
}

// Columnar returns the kits of the columnar formats.
func Columnar() []Kit { return []Kit{Of(files.Parquet), Of(files.Arrow)} }

// Of returns the Kit of a format.
func Of(format files.Format) Kit {
	for _, k := range kits {
		if k.Format == format {
			return k
		}
	}
	panic("no kit of the format " + string(format))
}

// Write writes one file of records and releases them.
func (k Kit) Write(t testing.TB, path string, records ...arrow.Record) {
	t.Helper()
	if err := k.tryWrite(path, files.WriteOptions{}, records...); err != nil {
		t.Fatal(err)
	}
}

func (k Kit) tryWrite(path string, o files.WriteOptions, records ...arrow.Record) error {
	defer func() {
		for _, r := range records {
			r.Release()
		}
	}()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := files.NewWriter(k.Format, f, records[0].Schema(), o)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.NumRows() == 0 {
			continue
		}
		if err := w.Write(r); err != nil {
			return err
		}
	}
	return w.Close()
}

// Open opens the first file of a data set, as one split.
func (k Kit) Open(t testing.TB, path string, o files.ReadOptions) files.Reader {
	t.Helper()
	d, err := files.Open(t.Context(), k.Format, path, o)
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Read(t.Context(), splits[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Read reads a data set split by split. The caller releases the records.
func (k Kit) Read(ctx context.Context, path string, bytes int64, o files.ReadOptions) (records []arrow.Record, err error) {
	d, err := files.Open(ctx, k.Format, path, o)
	if err != nil {
		return nil, err
	}
	splits, err := d.Splits(ctx, bytes)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, r := range records {
				r.Release()
			}
			records = nil
		}
	}()
	for _, s := range splits {
		r, err := d.Read(ctx, s)
		if err != nil {
			return records, err
		}
		for {
			record, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return records, errors.Join(err, r.Close())
			}
			records = append(records, record)
		}
		if err := r.Close(); err != nil {
			return records, err
		}
	}
	return records, nil
}

// Must is Read for a test: it fails the test at an error, and releases the
// records at the test's end.
func (k Kit) Must(t *testing.T, path string, bytes int64, o files.ReadOptions) []arrow.Record {
	t.Helper()
	records, err := k.Read(t.Context(), path, bytes, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range records {
			r.Release()
		}
	})
	return records
}

// Same compares the concatenated records with the wanted one.
func Same(t *testing.T, records []arrow.Record, want arrow.Record) {
	t.Helper()
	rows := int64(0)
	for _, r := range records {
		rows += r.NumRows()
	}
	if rows != want.NumRows() {
		t.Fatalf("%d rows, want %d", rows, want.NumRows())
	}
	at := int64(0)
	for _, r := range records {
		part := want.NewSlice(at, at+r.NumRows())
		for c := range int(r.NumCols()) {
			if !array.Equal(r.Column(c), part.Column(c)) {
				t.Fatalf("column %s, rows from %d:\n%.600s, want\n%.600s", r.ColumnName(c), at, fmt.Sprint(r.Column(c)), fmt.Sprint(part.Column(c)))
			}
		}
		part.Release()
		at += r.NumRows()
	}
}

func IDs(records []arrow.Record) []int64 {
	var all []int64
	for _, r := range records {
		all = append(all, r.Column(r.Schema().FieldIndices("id")[0]).(*array.Int64).Int64Values()...)
	}
	return all
}

func UpTo(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

// PlainColumn is for tests that do not concern types.
var PlainColumn = Column{"value", arrow.ListOf(arrow.PrimitiveTypes.Float32), List5(Number(float32Values[:5]...))}

// manyUnits writes a file of n rows that can be split in many places.
func (k Kit) manyUnits(t testing.TB, path string, c Column, n int) {
	var records []arrow.Record
	for at := 0; at < n; at += 10 {
		records = append(records, RowsOf(memory.DefaultAllocator, c, at, min(10, n-at)))
	}
	if k.Format != files.Parquet {
		k.Write(t, path, records...)
		return
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(RowsSchema(c), f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		err = errors.Join(err, w.Write(r)) // each record is one row group
		r.Release()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

// boundary reports whether the content may end at n: TFRecord has no end
// marker.
func (k Kit) boundary(content []byte, n int) bool {
	if k.Format != files.TFRecord {
		return false
	}
	at := 0
	for at < n {
		at += 16 + int(content[at]) + int(content[at+1])<<8
	}
	return at == n
}
