package files

import (
	"bytes"
	"context"
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
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// kit is what the suite knows of a format.
type kit struct {
	format Format
	ext    string
	// refuses are columns that no file of the format can hold.
	refuses []string
	// partial are columns of which the format refuses some values, when they
	// are written.
	partial []string
	// options are what every value can be written and read with.
	options map[string]string
	// asLists are columns of fixed-size lists that come back as plain ones.
	asLists []string
	// typed files have a schema, and end where they say.
	typed bool
	// checked files say when a byte of a value was changed.
	checked bool
	// cutShort files say when their end is missing.
	cutShort bool
}

// nested are the types that row formats do not have.
var nested = []string{"struct", "structs", "map", "date", "timestamp", "local time", "times", "decimal"}

var kits = []kit{
	{format: Parquet, ext: ".parquet", typed: true, cutShort: true, asLists: []string{"fixed floats or null"}},
	{format: Arrow, ext: ".arrow", typed: true, cutShort: true},
	{format: TFRecord, ext: ".tfrecord", checked: true, cutShort: true, refuses: append(slices.Clone(nested), "lists of lists"),
		// 32-bit floats; no null elements.
		partial: []string{"float64", "doubles", "float64 or null", "doubles or null", "nulls in lists", "nulls in lists of strings"}},
	{format: CSV, ext: ".csv", refuses: nested, options: map[string]string{"multiLine": "true"}},
	{format: JSON, ext: ".json", refuses: nested},
}

// eachKit runs a test for each format that there is.
func eachKit(t *testing.T, test func(t *testing.T, k kit)) {
	for _, k := range kits {
		t.Run(string(k.format), func(t *testing.T) { test(t, k) })
	}
}

// write makes one file of records and releases them.
func (k kit) write(t testing.TB, path string, records ...arrow.Record) {
	t.Helper()
	if err := k.tryWrite(path, WriteOptions{}, records...); err != nil {
		t.Fatal(err)
	}
}

func (k kit) tryWrite(path string, o WriteOptions, records ...arrow.Record) error {
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
	w, err := NewWriter(k.format, f, records[0].Schema(), o)
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

// open begins to read a file whole.
func (k kit) open(t testing.TB, path string, o ReadOptions) Reader {
	t.Helper()
	d, err := Open(t.Context(), k.format, path, o)
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

// read reads a data set, split by split, and returns the records.
func (k kit) read(ctx context.Context, path string, bytes int64, o ReadOptions) (records []arrow.Record, err error) {
	d, err := Open(ctx, k.format, path, o)
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

// must reads, and has the records released at the test's end.
func (k kit) must(t *testing.T, path string, bytes int64, o ReadOptions) []arrow.Record {
	t.Helper()
	records, err := k.read(t.Context(), path, bytes, o)
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

// same compares records, joined, with the wanted one.
func same(t *testing.T, records []arrow.Record, want arrow.Record) {
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

func ids(records []arrow.Record) []int64 {
	var all []int64
	for _, r := range records {
		all = append(all, r.Column(r.Schema().FieldIndices("id")[0]).(*array.Int64).Int64Values()...)
	}
	return all
}

func upTo(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

// plainColumn is there for tests that are not about types.
var plainColumn = column{"value", arrow.ListOf(arrow.PrimitiveTypes.Float32), list5(number(float32Values[:5]...))}

// TestFormatsColumns writes and reads each column, in batches of several sizes, with
// its schema declared and, where the file has one, not.
func TestFormatsColumns(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		for _, c := range columns() {
			t.Run(c.name, func(t *testing.T) {
				mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
				t.Cleanup(func() { mem.AssertSize(t, 0) })
				path := filepath.Join(t.TempDir(), "a"+k.ext)
				err := k.tryWrite(path, WriteOptions{Memory: mem, Options: k.options}, rowsOf(mem, c, 0, 500), rowsOf(mem, c, 500, 1), rowsOf(mem, c, 501, 99))
				refused, partial := slices.Contains(k.refuses, c.name), slices.Contains(k.partial, c.name)
				if refused != errors.Is(err, ErrType) || (refused || partial) != (err != nil) {
					t.Fatalf("write: %v", err)
				}
				if err != nil {
					return
				}
				want := rowsOf(mem, c, 0, 600)
				t.Cleanup(want.Release)
				for _, batch := range []int{0, 1, 7, 512} {
					o := ReadOptions{BatchRows: batch, Memory: mem, Schema: rowsSchema(c), Columns: []string{"id", c.name}, Options: k.options}
					records := k.must(t, path, 0, o)
					same(t, records, want)
					if k.typed && !slices.Contains(k.asLists, c.name) {
						o.Schema = nil
						same(t, k.must(t, path, 0, o), want)
					}
					for _, r := range records {
						if batch > 0 && r.NumRows() > int64(batch) || r.NumRows() == 0 {
							t.Fatalf("a record of %d rows where %d were asked for", r.NumRows(), batch)
						}
					}
				}
			})
		}
	})
}

// TestFormatsNoRows reads files without rows, and data sets of which some have none.
func TestFormatsNoRows(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		dir := t.TempDir()
		none, some := filepath.Join(dir, "a"+k.ext), filepath.Join(dir, "b"+k.ext)
		k.write(t, none, rowsOf(memory.DefaultAllocator, plainColumn, 0, 0))
		o := ReadOptions{Schema: rowsSchema(plainColumn)}
		if k.typed {
			o = ReadOptions{}
		}
		if n := len(k.must(t, none, 0, o)); n != 0 {
			t.Errorf("%d records", n)
		}
		d, err := Open(t.Context(), k.format, none, o)
		if err != nil || d.Schema().NumFields() != 2 || !arrow.TypeEqual(d.Schema().Field(1).Type, plainColumn.dt) {
			t.Errorf("schema %v, %v", d.Schema(), err)
		}
		k.write(t, some, rowsOf(memory.DefaultAllocator, plainColumn, 0, 10))
		if got := ids(k.must(t, dir, 0, ReadOptions{Schema: rowsSchema(plainColumn)})); !slices.Equal(got, upTo(10)) {
			t.Errorf("beside an empty file: %v", got)
		}
	})
}

// TestFormatsEmptyFile reads a file of no bytes: damage where the format has a frame.
func TestFormatsEmptyFile(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		records, err := k.read(t.Context(), path, 0, ReadOptions{Schema: rowsSchema(plainColumn)})
		var damage *Error
		if k.typed && (!errors.As(err, &damage) || damage.Path != path) || !k.typed && err != nil || len(records) != 0 {
			t.Errorf("%d records, %v", len(records), err)
		}
	})
}

// TestFormatsManyFiles reads a folder of 1,000 files in their order.
func TestFormatsManyFiles(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		dir := t.TempDir()
		first := filepath.Join(dir, "00000"+k.ext)
		for i := range 1000 {
			k.write(t, filepath.Join(dir, fmt.Sprintf("%05d%s", i, k.ext)), rowsOf(memory.DefaultAllocator, plainColumn, i*3, 3))
		}
		if _, err := os.Stat(first); err != nil {
			t.Fatal(err)
		}
		o := ReadOptions{Columns: []string{"value", "id"}, Schema: rowsSchema(plainColumn)}
		records := k.must(t, dir, 1<<20, o)
		if got := ids(records); !slices.Equal(got, upTo(3000)) {
			t.Errorf("%d ids, out of order", len(got))
		}
		if names := names(records[0].Schema()); names != "value, id" {
			t.Errorf("columns %s", names)
		}
	})
}

// manyUnits writes a file of n rows that can be cut in many places.
func (k kit) manyUnits(t testing.TB, path string, c column, n int) {
	var records []arrow.Record
	for at := 0; at < n; at += 10 {
		records = append(records, rowsOf(memory.DefaultAllocator, c, at, min(10, n-at)))
	}
	if k.format != Parquet {
		k.write(t, path, records...)
		return
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(rowsSchema(c), f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		err = errors.Join(err, w.Write(r)) // a row group each
		r.Release()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFormatsCuts cuts a file into ranges of many sizes: each row comes once.
func TestFormatsCuts(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		const rows = 107
		k.manyUnits(t, path, column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
			b.(*array.StringBuilder).Append(strings.Repeat("ö", i%7))
		}}, rows)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(t.Context(), k.format, path, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for size := int64(3); size <= info.Size()+1; size += 1 + size/2 {
			splits, err := d.Splits(t.Context(), size)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, len(splits))
			if got := ids(k.must(t, path, size, ReadOptions{})); !slices.Equal(got, upTo(rows)) {
				t.Errorf("pieces of %d bytes: rows %v", size, got)
			}
		}
		want := info.Size() / 3
		if k.format == Parquet {
			want = 10 // it is cut where row groups begin
		}
		if int64(most) < want {
			t.Errorf("at most %d pieces of %d bytes", most, info.Size())
		}
	})
}

// TestFormatsPassed: readers say how far they are, without going back, and are
// about halfway when half of the rows are read.
func TestFormatsPassed(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		const rows = 200
		k.manyUnits(t, path, column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
			b.(*array.StringBuilder).Append(strings.Repeat("x", 1000))
		}}, rows)
		d, err := Open(t.Context(), k.format, path, ReadOptions{BatchRows: 5})
		if err != nil {
			t.Fatal(err)
		}
		splits, err := d.Splits(t.Context(), d.Files()[0].Size/2)
		if err != nil || len(splits) < 2 {
			t.Fatalf("splits %v: %v", splits, err)
		}
		for _, s := range []Split{{Path: path, Length: d.Files()[0].Size}, splits[1]} {
			r, err := d.Read(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var passed []float64
			for record, err := r.Next(); err != io.EOF; record, err = r.Next() {
				if err != nil {
					t.Fatal(err)
				}
				record.Release()
				passed = append(passed, r.(Placed).Passed())
			}
			if half, last := passed[len(passed)/2], passed[len(passed)-1]; !slices.IsSorted(passed) || half < 0.4 || half > 0.7 || last < 0.9 || last > 1 {
				t.Errorf("split at %d: %v", s.Offset, passed)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestFormatsDamage changes and cuts off bytes: no panic, and no wrong number of rows
// where the format can tell.
func TestFormatsDamage(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		dir := t.TempDir()
		good, bad := filepath.Join(dir, "good"+k.ext), filepath.Join(dir, "bad"+k.ext)
		damaged := column{"value", arrow.ListOf(arrow.BinaryTypes.String), nulls(list5(text))}
		k.manyUnits(t, good, damaged, 30)
		content, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, b []byte, intact, told bool) {
			if err := os.WriteFile(bad, b, 0o644); err != nil {
				t.Fatal(err)
			}
			records, err := k.read(t.Context(), bad, 0, ReadOptions{Schema: rowsSchema(damaged), Options: k.options})
			var damage *Error
			if err != nil && (!errors.As(err, &damage) || damage.Path != bad) {
				t.Errorf("%s: %v is no *Error of the file", what, err)
			}
			if err == nil && told && !intact {
				t.Errorf("%s: read without an error", what)
			}
			for _, r := range records {
				_ = fmt.Sprint(r) // touches every value
				r.Release()
			}
		}
		for n := 1; n < len(content); n += 1 + len(content)/200 {
			try(fmt.Sprintf("cut to %d of %d bytes", n, len(content)), content[:n], false, k.cutShort && !k.boundary(content, n))
		}
		for at := 0; at < len(content); at += 1 + len(content)/600 {
			for _, mask := range []byte{0x01, 0xFF} {
				flipped := bytes.Clone(content)
				flipped[at] ^= mask
				try(fmt.Sprintf("byte %d changed by %02x", at, mask), flipped, false, k.checked)
			}
		}
	})
}

// boundary says whether a file may end there: TFRecord has no end mark.
func (k kit) boundary(content []byte, n int) bool {
	if k.format != TFRecord {
		return false
	}
	at := 0
	for at < n {
		at += 16 + int(content[at]) + int(content[at+1])<<8
	}
	return at == n
}

// TestFormatsLargeCells reads cells of more than 16 MB, few at a time.
func TestFormatsLargeCells(t *testing.T) {
	large := column{"value", arrow.BinaryTypes.Binary, func(b array.Builder, i int) {
		b.(*array.BinaryBuilder).Append(bytes.Repeat([]byte{'a' + byte(i)}, 17<<20+i))
	}}
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.write(t, path, rowsOf(memory.DefaultAllocator, large, 0, 6))
		records, err := k.read(t.Context(), path, 0, ReadOptions{Schema: rowsSchema(large)})
		if err != nil {
			t.Fatal(err)
		}
		row := 0
		for _, r := range records {
			if r.NumRows() > 4 {
				t.Errorf("a record of %d large cells", r.NumRows())
			}
			for i := range int(r.NumRows()) {
				v := r.Column(1).(*array.Binary).Value(i)
				if len(v) != 17<<20+row || v[0] != 'a'+byte(row) || v[len(v)-1] != v[0] {
					t.Errorf("row %d: %d bytes", row, len(v))
				}
				row++
			}
			r.Release()
		}
		if row != 6 {
			t.Errorf("%d rows", row)
		}
	})
}

// peak is an allocator that knows the most that it ever gave.
type peak struct {
	memory.Allocator
	now, most int
}

func (p *peak) Allocate(n int) []byte {
	p.now += n
	p.most = max(p.most, p.now)
	return p.Allocator.Allocate(n)
}

func (p *peak) Reallocate(n int, b []byte) []byte {
	p.now += n
	p.most = max(p.most, p.now)
	p.now -= len(b)
	return p.Allocator.Reallocate(n, b)
}

func (p *peak) Free(b []byte) {
	p.now -= len(b)
	p.Allocator.Free(b)
}

// TestFormatsBeyondMemory reads 128 MB with a few MB of records at a time.
func TestFormatsBeyondMemory(t *testing.T) {
	cells := column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(strings.Repeat(fmt.Sprintf("%08d", i), 1<<14))
	}}
	const rows, bound = 1024, 16 << 20
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w, err := NewWriter(k.format, f, rowsSchema(cells), WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < rows; at += 16 {
			r := rowsOf(memory.DefaultAllocator, cells, at, 16)
			err = errors.Join(err, w.Write(r))
			r.Release()
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		mem := &peak{Allocator: memory.NewGoAllocator()}
		r := k.open(t, path, ReadOptions{BatchRows: 16, Memory: mem, Schema: rowsSchema(cells)})
		n := int64(0)
		for {
			record, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n += record.NumRows()
			record.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if n != rows || mem.most > bound || mem.now != 0 {
			t.Errorf("%d rows with at most %d bytes of records; %d are left", n, mem.most, mem.now)
		}
	})
}

// TestFormatsCancelled ends ctx at each stage.
func TestFormatsCancelled(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.manyUnits(t, path, plainColumn, 50000)
		ctx, cancel := context.WithCancel(t.Context())
		d, err := Open(ctx, k.format, path, ReadOptions{BatchRows: 10, Schema: rowsSchema(plainColumn)})
		if err != nil {
			t.Fatal(err)
		}
		splits, err := d.Splits(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Read(ctx, splits[0])
		if err != nil {
			t.Fatal(err)
		}
		record, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		record.Release()
		cancel()
		for err == nil {
			if record, err = r.Next(); err == nil {
				record.Release()
			}
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Next: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.Read(ctx, splits[0]); !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
		if _, err := Open(ctx, k.format, path, ReadOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Open: %v", err)
		}
	})
}

// TestFormatsDeclared converts values to a declared schema, or refuses them.
func TestFormatsDeclared(t *testing.T) {
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.write(t, path, rowsOf(memory.DefaultAllocator, column{"value", arrow.PrimitiveTypes.Int64, number[int64](1, 200)}, 0, 4))
		for dt, fits := range map[arrow.DataType]bool{
			arrow.PrimitiveTypes.Int16: true, arrow.PrimitiveTypes.Uint32: true, arrow.PrimitiveTypes.Int8: false,
		} {
			o := ReadOptions{Schema: arrow.NewSchema([]arrow.Field{{Name: "value", Type: dt, Nullable: true}}, nil)}
			records, err := k.read(t.Context(), path, 0, o)
			var bad *Error
			switch {
			case fits && err != nil, !fits && (!errors.As(err, &bad) || bad.Path != path):
				t.Errorf("%s: %v", dt, err)
			case fits && (!arrow.TypeEqual(records[0].Column(records[0].Schema().FieldIndices("value")[0]).DataType(), dt) || records[0].NumRows() != 4):
				t.Errorf("%s: %v", dt, records[0])
			}
			for _, r := range records {
				r.Release()
			}
		}
		if _, err := Open(t.Context(), k.format, path, ReadOptions{Columns: []string{"id", "id"}}); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("a column twice: %v", err)
		}
		_, err := Open(t.Context(), k.format, path, ReadOptions{Columns: []string{"label"}})
		if err == nil || !strings.Contains(err.Error(), "label") || !strings.Contains(err.Error(), "value") {
			t.Errorf("an absent column: %v", err)
		}
		if _, err := Open(t.Context(), k.format, path, ReadOptions{Options: map[string]string{"dance": "1"}}); err == nil || !strings.Contains(err.Error(), "dance") {
			t.Errorf("an unknown option: %v", err)
		}
	})
}

// TestFormatsBatchBytes: a reader that is given less room makes smaller records.
func TestFormatsBatchBytes(t *testing.T) {
	const rows, cell, room = 200, 10_000, 100_000
	texts := column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(fmt.Sprintf("%0*d", cell, i))
	}}
	eachKit(t, func(t *testing.T, k kit) {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.write(t, path, rowsOf(memory.DefaultAllocator, texts, 0, rows))
		o := ReadOptions{Schema: rowsSchema(texts), Options: k.options, BatchBytes: room}
		var read int64
		for _, r := range k.must(t, path, 0, o) {
			if read += r.NumRows(); r.NumRows() > 2*room/cell {
				t.Errorf("a record of %d rows", r.NumRows())
			}
		}
		if read != rows {
			t.Errorf("%d rows", read)
		}
	})
}
