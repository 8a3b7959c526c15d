package filestest

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

	"tfos/internal/files"
	"tfos/internal/files/codec"
)

// Run runs the suite for one format.
func Run(t *testing.T, format files.Format) {
	k := Of(format)
	for _, c := range []struct {
		name string
		test func(*testing.T, Kit)
	}{
		{"columns", testColumns}, {"no rows", testNoRows}, {"empty file", testEmptyFile}, {"many files", testManyFiles},
		{"cuts", testCuts}, {"passed", testPassed}, {"damage", testDamage}, {"large cells", testLargeCells},
		{"beyond memory", testBeyondMemory}, {"cancelled", testCancelled}, {"declared", testDeclared},
		{"batch bytes", testBatchBytes}, {"recipe", testRecipe},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, k) })
	}
}

// testColumns writes and reads each column, in batches of several sizes. The
// schema is declared, and for typed formats also not declared.
func testColumns(t *testing.T, k Kit) {
	for _, c := range Columns() {
		t.Run(c.Name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			t.Cleanup(func() { mem.AssertSize(t, 0) })
			path := filepath.Join(t.TempDir(), "a"+k.Ext)
			err := k.tryWrite(path, files.WriteOptions{Memory: mem, Options: k.options}, RowsOf(mem, c, 0, 500), RowsOf(mem, c, 500, 1), RowsOf(mem, c, 501, 99))
			refused, partial := slices.Contains(k.refuses, c.Name), slices.Contains(k.partial, c.Name)
			if refused != errors.Is(err, files.ErrType) || (refused || partial) != (err != nil) {
				t.Fatalf("write: %v", err)
			}
			if err != nil {
				return
			}
			want := RowsOf(mem, c, 0, 600)
			t.Cleanup(want.Release)
			for _, batch := range []int{0, 1, 7, 512} {
				o := files.ReadOptions{BatchRows: batch, Memory: mem, Schema: RowsSchema(c), Columns: []string{"id", c.Name}, Options: k.options}
				records := k.Must(t, path, 0, o)
				Same(t, records, want)
				if k.typed && !slices.Contains(k.asLists, c.Name) {
					o.Schema = nil
					Same(t, k.Must(t, path, 0, o), want)
				}
				for _, r := range records {
					if batch > 0 && r.NumRows() > int64(batch) || r.NumRows() == 0 {
						t.Fatalf("a record of %d rows where %d were asked for", r.NumRows(), batch)
					}
				}
			}
		})
	}
}

// testNoRows reads files without rows, and data sets that contain such files.
func testNoRows(t *testing.T, k Kit) {
	dir := t.TempDir()
	none, some := filepath.Join(dir, "a"+k.Ext), filepath.Join(dir, "b"+k.Ext)
	k.Write(t, none, RowsOf(memory.DefaultAllocator, PlainColumn, 0, 0))
	o := files.ReadOptions{Schema: RowsSchema(PlainColumn)}
	if k.typed {
		o = files.ReadOptions{}
	}
	if n := len(k.Must(t, none, 0, o)); n != 0 {
		t.Errorf("%d records", n)
	}
	d, err := files.Open(t.Context(), k.Format, none, o)
	if err != nil || d.Schema().NumFields() != 2 || !arrow.TypeEqual(d.Schema().Field(1).Type, PlainColumn.Type) {
		t.Errorf("schema %v, %v", d.Schema(), err)
	}
	k.Write(t, some, RowsOf(memory.DefaultAllocator, PlainColumn, 0, 10))
	if got := IDs(k.Must(t, dir, 0, files.ReadOptions{Schema: RowsSchema(PlainColumn)})); !slices.Equal(got, UpTo(10)) {
		t.Errorf("beside an empty file: %v", got)
	}
}

// testEmptyFile reads a file of 0 bytes. It is damage in typed formats.
func testEmptyFile(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	records, err := k.Read(t.Context(), path, 0, files.ReadOptions{Schema: RowsSchema(PlainColumn)})
	var damage *files.Error
	if k.typed && (!errors.As(err, &damage) || damage.Path != path) || !k.typed && err != nil || len(records) != 0 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// testManyFiles reads a folder of 1,000 files in their order.
func testManyFiles(t *testing.T, k Kit) {
	dir := t.TempDir()
	first := filepath.Join(dir, "00000"+k.Ext)
	for i := range 1000 {
		k.Write(t, filepath.Join(dir, fmt.Sprintf("%05d%s", i, k.Ext)), RowsOf(memory.DefaultAllocator, PlainColumn, i*3, 3))
	}
	if _, err := os.Stat(first); err != nil {
		t.Fatal(err)
	}
	o := files.ReadOptions{Columns: []string{"value", "id"}, Schema: RowsSchema(PlainColumn)}
	records := k.Must(t, dir, 1<<20, o)
	if got := IDs(records); !slices.Equal(got, UpTo(3000)) {
		t.Errorf("%d ids, out of order", len(got))
	}
	if names := codec.ColumnNames(records[0].Schema()); names != "value, id" {
		t.Errorf("columns %s", names)
	}
}

// testCuts reads a file in splits of many sizes: each row is read exactly once.
func testCuts(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	const rows = 107
	k.manyUnits(t, path, Column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(strings.Repeat("ö", i%7))
	}}, rows)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{})
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
		if got := IDs(k.Must(t, path, size, files.ReadOptions{})); !slices.Equal(got, UpTo(rows)) {
			t.Errorf("pieces of %d bytes: rows %v", size, got)
		}
	}
	want := info.Size() / 3
	if k.Format == files.Parquet {
		want = 10 // a split begins at a row group
	}
	if int64(most) < want {
		t.Errorf("at most %d pieces of %d bytes", most, info.Size())
	}
	testFirstRows(t, k, d)
}

// testFirstRows: typed formats know the row of the file with which a split
// begins. The id of a row is its number.
func testFirstRows(t *testing.T, k Kit, d *files.Dataset) {
	splits, err := d.Splits(t.Context(), d.Files()[0].Size/10)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range splits {
		r, err := d.Read(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if record, err := r.Next(); err == nil {
			first, known := files.FirstRow(r)
			if id := IDs([]arrow.Record{record})[0]; known != k.typed || known && first != id {
				t.Errorf("the split at %d begins with row %d, known %t; it has row %d first", s.Offset, first, known, id)
			}
			record.Release()
		} else if err != io.EOF {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// testPassed: readers report their progress. It never decreases, and is about
// one half when half of the rows are read.
func testPassed(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	const rows = 200
	k.manyUnits(t, path, Column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(strings.Repeat("x", 1000))
	}}, rows)
	d, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{BatchRows: 5})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), d.Files()[0].Size/2)
	if err != nil || len(splits) < 2 {
		t.Fatalf("splits %v: %v", splits, err)
	}
	for _, s := range []files.Split{{Path: path, Length: d.Files()[0].Size}, splits[1]} {
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
			passed = append(passed, r.(files.Placed).Passed())
		}
		if half, last := passed[len(passed)/2], passed[len(passed)-1]; !slices.IsSorted(passed) || half < 0.4 || half > 0.7 || last < 0.9 || last > 1 {
			t.Errorf("split at %d: %v", s.Offset, passed)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// testDamage changes bytes and cuts off the end. Reading never panics, and is
// an error if the format detects the damage.
func testDamage(t *testing.T, k Kit) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"+k.Ext), filepath.Join(dir, "bad"+k.Ext)
	damaged := Column{"value", arrow.ListOf(arrow.BinaryTypes.String), Nulls(List5(text))}
	k.manyUnits(t, good, damaged, 30)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, b []byte, intact, told bool) {
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
		records, err := k.Read(t.Context(), bad, 0, files.ReadOptions{Schema: RowsSchema(damaged), Options: k.options})
		var damage *files.Error
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
}

// testLargeCells reads cells of more than 16 MB. A record has few of them.
func testLargeCells(t *testing.T, k Kit) {
	large := Column{"value", arrow.BinaryTypes.Binary, func(b array.Builder, i int) {
		b.(*array.BinaryBuilder).Append(bytes.Repeat([]byte{'a' + byte(i)}, 17<<20+i))
	}}
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.Write(t, path, RowsOf(memory.DefaultAllocator, large, 0, 6))
	records, err := k.Read(t.Context(), path, 0, files.ReadOptions{Schema: RowsSchema(large)})
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
}

// peak is an allocator that records its highest total.
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

// testBeyondMemory reads 128 MB with a few MB of records at a time.
func testBeyondMemory(t *testing.T, k Kit) {
	cells := Column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(strings.Repeat(fmt.Sprintf("%08d", i), 1<<14))
	}}
	const rows, bound = 1024, 16 << 20
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := files.NewWriter(k.Format, f, RowsSchema(cells), files.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < rows; at += 16 {
		r := RowsOf(memory.DefaultAllocator, cells, at, 16)
		err = errors.Join(err, w.Write(r))
		r.Release()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	mem := &peak{Allocator: memory.NewGoAllocator()}
	r := k.Open(t, path, files.ReadOptions{BatchRows: 16, Memory: mem, Schema: RowsSchema(cells)})
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
}

// testCancelled ends ctx at each stage.
func testCancelled(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.manyUnits(t, path, PlainColumn, 50000)
	ctx, cancel := context.WithCancel(t.Context())
	d, err := files.Open(ctx, k.Format, path, files.ReadOptions{BatchRows: 10, Memory: Checked(t), Schema: RowsSchema(PlainColumn)})
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
	var damage *files.Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &damage) {
		t.Errorf("Next: %v, want context.Canceled and no *Error", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Read(ctx, splits[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	if _, err := files.Open(ctx, k.Format, path, files.ReadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

// testDeclared converts values to a declared schema, or reports an error.
func testDeclared(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.Write(t, path, RowsOf(memory.DefaultAllocator, Column{"value", arrow.PrimitiveTypes.Int64, Number[int64](1, 200)}, 0, 4))
	for dt, fits := range map[arrow.DataType]bool{
		arrow.PrimitiveTypes.Int16: true, arrow.PrimitiveTypes.Uint32: true, arrow.PrimitiveTypes.Int8: false,
	} {
		o := files.ReadOptions{Schema: arrow.NewSchema([]arrow.Field{{Name: "value", Type: dt, Nullable: true}}, nil)}
		records, err := k.Read(t.Context(), path, 0, o)
		var bad *files.Error
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
	if _, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{Columns: []string{"id", "id"}}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a column twice: %v", err)
	}
	_, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{Columns: []string{"label"}})
	if err == nil || !strings.Contains(err.Error(), "label") || !strings.Contains(err.Error(), "value") {
		t.Errorf("an absent column: %v", err)
	}
	if _, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{Options: map[string]string{"dance": "1"}}); err == nil || !strings.Contains(err.Error(), "dance") {
		t.Errorf("an unknown option: %v", err)
	}
}

// testBatchBytes: a smaller BatchBytes makes smaller records.
func testBatchBytes(t *testing.T, k Kit) {
	const rows, cell, room = 200, 10_000, 100_000
	texts := Column{"value", arrow.BinaryTypes.String, func(b array.Builder, i int) {
		b.(*array.StringBuilder).Append(fmt.Sprintf("%0*d", cell, i))
	}}
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.Write(t, path, RowsOf(memory.DefaultAllocator, texts, 0, rows))
	o := files.ReadOptions{Schema: RowsSchema(texts), Options: k.options, BatchBytes: room}
	var read int64
	for _, r := range k.Must(t, path, 0, o) {
		if read += r.NumRows(); r.NumRows() > 2*room/cell {
			t.Errorf("a record of %d rows", r.NumRows())
		}
	}
	if read != rows {
		t.Errorf("%d rows", read)
	}
}
