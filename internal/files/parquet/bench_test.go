package parquet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files/codec"
)

// The benchmarks hold this package's readers against arrow/go's on the same
// files, in records of 1,000 rows, one thread, buffered reads, Snappy:
//
//	go test -run '^$' -bench . -cpu 1 -benchtime 8x -count 3 ./internal/files/parquet
//
// BenchmarkRead compares records with pqarrow's RecordReader, BenchmarkChunk with
// the column chunk readers below it, and BenchmarkPages the pages alone,
// decompressed, with the library's PageReader.
//
// Nanoseconds of CPU a row, least of 3 runs, and how many times as much the library
// takes; arrow/go 15.0.2, 29 November 2026, two shared cores:
//
//	                     Read              Chunk             Pages
//	lists_of_784_floats  4,905  (3.9)      5,474  (1.9)      252   (3.6)
//	floats               11.0   (2.1)      13.3   (0.98)     1.1   (1.3)
//	longs_or_null        23.8   (1.4)      31.4   (0.98)     4.3   (1.3)
//	few_strings          29.6   (2.4)      28.7   (1.1)      0.6   (1.0)
//	many_strings         58.5   (1.9)      54.1   (1.4)      14.0  (1.6)
//	structs_in_lists     268    (1.3)      219    (0.79)     27.1  (1.2)
//
// RecordReader is slower on all, PageReader on all but one. The column chunk
// readers are as fast where a row has one value. On lists of numbers, which most
// input of models is, they take twice the time. One way for flat columns and
// another for lists would remove no file of this package: both are the same code.
// The library also reads neither LZ4 nor BYTE_STREAM_SPLIT, checks no page's
// checksum, and believes the sizes that a damaged file names.

// benchCase is a file: rows of one column.
type benchCase struct {
	name  string
	dt    arrow.DataType
	rows  int
	value func(b array.Builder, i int)
}

func benchCases() []benchCase {
	f32 := func(b array.Builder, i int) { b.(*array.Float32Builder).Append(float32(i%1000) / 7) }
	return []benchCase{
		{"lists_of_784_floats", arrow.ListOf(arrow.PrimitiveTypes.Float32), 4000, func(b array.Builder, i int) {
			list := b.(*array.ListBuilder)
			list.Append(true)
			for k := range 784 {
				f32(list.ValueBuilder(), i*784+k*13)
			}
		}},
		{"floats", arrow.PrimitiveTypes.Float32, 1 << 20, f32},
		{"longs_or_null", arrow.PrimitiveTypes.Int64, 1 << 20, func(b array.Builder, i int) {
			if i%10 == 3 {
				b.AppendNull()
				return
			}
			b.(*array.Int64Builder).Append(int64(i) * 0x9E3779B9)
		}},
		{"few_strings", arrow.BinaryTypes.String, 1 << 20, func(b array.Builder, i int) {
			b.(*array.StringBuilder).Append(fmt.Sprintf("word %d", i%100))
		}},
		{"many_strings", arrow.BinaryTypes.String, 1 << 19, func(b array.Builder, i int) {
			b.(*array.StringBuilder).Append(fmt.Sprintf("a longer text of row %d", i))
		}},
		{"structs_in_lists", arrow.ListOf(arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
			arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true})), 1 << 17, func(b array.Builder, i int) {
			list := b.(*array.ListBuilder)
			list.Append(true)
			for k := range i % 8 {
				s := list.ValueBuilder().(*array.StructBuilder)
				s.Append(true)
				f32(s.FieldBuilder(0), i+k)
				s.FieldBuilder(1).(*array.Int64Builder).Append(int64(i))
			}
		}},
	}
}

// write writes the file as this package does.
func (c benchCase) write(b *testing.B) string {
	b.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: c.dt, Nullable: true}}, nil)
	var out bytes.Buffer
	w, err := Codec{}.Create(&out, schema, codec.WriteOptions{Memory: memory.DefaultAllocator})
	if err != nil {
		b.Fatal(err)
	}
	rows := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rows.Release()
	for at := 0; at < c.rows; at += 4096 {
		for i := at; i < min(at+4096, c.rows); i++ {
			c.value(rows.Field(0), i)
		}
		record := rows.NewRecord()
		err := w.Write(record)
		record.Release()
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "a.parquet")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// each runs two ways to read each case's file; a way returns the rows it read.
func each(b *testing.B, ours, library func(path string) (int64, error)) {
	for _, c := range benchCases() {
		path := c.write(b)
		for _, way := range []struct {
			name string
			read func(path string) (int64, error)
		}{{"tfos", ours}, {"arrow-go", library}} {
			b.Run(c.name+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				before := cpuTime(b)
				for b.Loop() {
					if rows, err := way.read(path); err != nil || rows != int64(c.rows) {
						b.Fatalf("%d rows of %d: %v", rows, c.rows, err)
					}
				}
				c.report(b, before)
			})
		}
	}
}

// report gives the CPU time of a row, in all threads: of a machine that others use
// too it says more than the time that has passed.
func (c benchCase) report(b *testing.B, before time.Duration) {
	rows := float64(b.N) * float64(c.rows)
	b.ReportMetric(rows/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(cpuTime(b)-before)/rows, "cpu-ns/row")
}

// cpuTime is what the process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchBatch = 1000

// BenchmarkRead reads records.
func BenchmarkRead(b *testing.B) { each(b, readRecords, readLibraryRecords) }

func readRecords(path string) (rows int64, err error) {
	o := codec.ReadOptions{BatchRows: benchBatch}.WithDefaults()
	f, err := openFile(context.Background(), path, o)
	if err != nil {
		return 0, err
	}
	schema := arrow.NewSchema(f.fields(), nil)
	if err := f.source.Close(); err != nil {
		return 0, err
	}
	r, err := Codec{}.Open(context.Background(), codec.WholeFile(path), schema, o)
	if err != nil {
		return 0, err
	}
	for {
		record, err := r.Next()
		if err == io.EOF {
			return rows, r.Close()
		}
		if err != nil {
			return rows, err
		}
		rows += record.NumRows()
		record.Release()
	}
}

// openLibrary opens a file as the library does, with buffered reads.
func openLibrary(path string) (*file.Reader, error) {
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true
	return file.OpenParquetFile(path, false, file.WithReadProps(props))
}

func readLibraryRecords(path string) (rows int64, err error) {
	f, err := openLibrary(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	arrows, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: benchBatch}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	r, err := arrows.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return 0, err
	}
	defer r.Release()
	for r.Next() {
		rows += r.Record().NumRows()
	}
	if err := r.Err(); err != nil && err != io.EOF {
		return rows, err
	}
	return rows, nil
}

// BenchmarkChunk reads records here; there it reads with the column chunk readers
// and makes the arrays of each batch as plainly as can be (chunkArrays).
func BenchmarkChunk(b *testing.B) { each(b, readRecords, readLibraryChunks) }

func readLibraryChunks(path string) (int64, error) {
	f, err := openLibrary(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var rows int64 // of the first column
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		for i := range group.NumColumns() {
			c, err := group.Column(i)
			if err != nil {
				return 0, err
			}
			meta, err := group.MetaData().ColumnChunk(i)
			if err != nil {
				return 0, err
			}
			a := chunkArrays{batch: int(meta.NumValues() * benchBatch / group.NumRows()), lists: i == 0}
			a.maxDef, a.maxRep = c.Descriptor().MaxDefinitionLevel(), c.Descriptor().MaxRepetitionLevel()
			if err := a.read(c); err != nil {
				return 0, err
			}
			if i == 0 {
				rows += a.rows
			}
		}
	}
	return rows, nil
}

// chunkArrays makes arrays of a column chunk's values and levels: the leaf's with
// its nulls, and the offsets of its lists. Batches end anywhere, and lists that
// are null are taken for empty ones, which is less than a reader has to do.
type chunkArrays struct {
	batch          int  // levels
	lists          bool // the column's first leaf has the offsets
	maxDef, maxRep int16
	rows           int64

	def, rep []int16
	texts    []parquet.ByteArray
}

func (a *chunkArrays) read(c file.ColumnChunkReader) error {
	a.def, a.rep, a.texts = make([]int16, a.batch), make([]int16, a.batch), make([]parquet.ByteArray, a.batch)
	for c.HasNext() {
		var n int64
		var got int
		var err error
		var buffers []*memory.Buffer
		dt := arrow.DataType(arrow.BinaryTypes.String)
		switch c := c.(type) {
		case *file.Float32ColumnChunkReader:
			values := newBuffer(4 * a.batch)
			n, got, err = c.ReadBatch(int64(a.batch), arrow.Float32Traits.CastFromBytes(values.Bytes()), a.def, a.rep)
			dt, buffers = arrow.PrimitiveTypes.Float32, []*memory.Buffer{nil, values}
		case *file.Int64ColumnChunkReader:
			values := newBuffer(8 * a.batch)
			n, got, err = c.ReadBatch(int64(a.batch), arrow.Int64Traits.CastFromBytes(values.Bytes()), a.def, a.rep)
			dt, buffers = arrow.PrimitiveTypes.Int64, []*memory.Buffer{nil, values}
		case *file.ByteArrayColumnChunkReader:
			n, got, err = c.ReadBatch(int64(a.batch), a.texts, a.def, a.rep)
		default:
			err = fmt.Errorf("no benchmark of %T", c)
		}
		if err != nil {
			return err
		}
		if buffers == nil {
			buffers = a.textBuffers(got)
		}
		a.finish(dt, int(n), got, buffers)
	}
	return c.Err()
}

func newBuffer(n int) *memory.Buffer {
	b := memory.NewResizableBuffer(memory.DefaultAllocator)
	b.Resize(n)
	return b
}

func (a *chunkArrays) textBuffers(got int) []*memory.Buffer {
	size := 0
	for _, t := range a.texts[:got] {
		size += len(t)
	}
	offsets, data := newBuffer(4*(got+1)), newBuffer(size)
	ends, at := arrow.Int32Traits.CastFromBytes(offsets.Bytes()), 0
	ends[0] = 0
	for i, t := range a.texts[:got] {
		at += copy(data.Bytes()[at:], t)
		ends[i+1] = int32(at)
	}
	return []*memory.Buffer{nil, offsets, data}
}

// finish makes and releases the arrays of n levels with got values.
func (a *chunkArrays) finish(dt arrow.DataType, n, got int, buffers []*memory.Buffer) {
	slots := got
	if fixed, ok := dt.(arrow.FixedWidthDataType); ok && got < n {
		slots = a.spread(fixed.Bytes(), n, got, buffers)
	}
	leaf := array.NewData(dt, slots, buffers, nil, -1, 0)
	defer leaf.Release()
	if a.maxRep == 0 {
		a.rows += int64(n)
		return
	}
	if !a.lists {
		return
	}
	offsets := newBuffer(4 * (n + 1))
	ends, lists, at := arrow.Int32Traits.CastFromBytes(offsets.Bytes()), 0, int32(0)
	for i, r := range a.rep[:n] {
		if r == 0 {
			ends[lists] = at
			lists++
		}
		if a.def[i] >= 2 {
			at++
		}
	}
	ends[lists] = at
	a.rows += int64(lists)
	list := array.NewData(arrow.ListOf(dt), lists, []*memory.Buffer{nil, offsets}, []arrow.ArrayData{leaf}, 0, 0)
	list.Release()
}

// spread moves values apart where slots are null, and makes their bitmap.
func (a *chunkArrays) spread(width, n, got int, buffers []*memory.Buffer) (slots int) {
	from := int16(0) // definition level of a slot
	if a.maxRep > 0 {
		from = 2
	}
	for _, d := range a.def[:n] {
		if d >= from {
			slots++
		}
	}
	if slots == got {
		return slots
	}
	valid := newBuffer(int(bitutil.BytesForBits(int64(slots))))
	clear(valid.Bytes())
	values := buffers[1].Bytes()
	for i, at := n-1, slots; i >= 0; i-- {
		if a.def[i] < from {
			continue
		}
		at--
		if a.def[i] < a.maxDef {
			continue
		}
		got--
		copy(values[at*width:][:width], values[got*width:])
		bitutil.SetBit(valid.Bytes(), at)
	}
	buffers[0] = valid
	return slots
}

// BenchmarkPages reads pages and decodes no value.
func BenchmarkPages(b *testing.B) {
	for _, c := range benchCases() {
		path := c.write(b)
		for name, read := range map[string]func(path string) (int, error){"tfos": readPages, "arrow-go": readLibraryPages} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				before := cpuTime(b)
				for b.Loop() {
					if n, err := read(path); err != nil || n == 0 {
						b.Fatalf("%d pages: %v", n, err)
					}
				}
				c.report(b, before)
			})
		}
	}
}

func readPages(path string) (n int, err error) {
	f, err := openFile(context.Background(), path, codec.ReadOptions{})
	if err != nil {
		return 0, err
	}
	for g := range f.file.NumRowGroups() {
		for i := range f.file.MetaData().RowGroup(g).NumColumns() {
			chunk, err := f.file.MetaData().RowGroup(g).ColumnChunk(i)
			if err != nil {
				return 0, err
			}
			p := &pages{}
			err = p.open(f.source, f.source.Size, chunk)
			for ; err == nil; n++ {
				_, err = p.next()
			}
			if err != io.EOF {
				return 0, err
			}
		}
	}
	return n, f.source.Close()
}

func readLibraryPages(path string) (n int, err error) {
	f, err := openLibrary(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		for i := range group.NumColumns() {
			p, err := group.GetColumnPageReader(i)
			if err != nil {
				return 0, err
			}
			for p.Next() {
				n++
			}
			if err := p.Err(); err != nil && err != io.EOF {
				return 0, err
			}
		}
	}
	return n, nil
}
