package engine_test

import (
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/infer"
)

// TestOneFileOverTasks: two engines predict pieces of one file. Together they predict
// every row once.
func TestOneFileOverTasks(t *testing.T) {
	needTensorFlow(t)
	req := request(t, "mlp")
	data := open(t, req.Splits[0].Path)
	pieces, err := data.Splits(t.Context(), data.Files()[0].Size/5)
	if err != nil || len(pieces) < 4 {
		t.Fatalf("%d pieces, %v", len(pieces), err)
	}
	var outputs []string
	for task := range 2 {
		req.Splits = nil
		for i := task; i < len(pieces); i += 2 {
			req.Splits = append(req.Splits, infer.Split{ID: i, Split: pieces[i]})
		}
		result, err := predict(t, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range result.Splits {
			outputs = append(outputs, filepath.Join(req.Output, s.Output))
		}
	}
	slices.Sort(outputs)
	r := compare(t, filepath.Join(fixtures(t), "mlp.expected.parquet"), outputs...)
	if d, ok := r.Differences["output_0"].(float64); r.Rows != 1003 || r.Differences["id"] != 0.0 || !ok || d > 1e-5 {
		t.Errorf("%d rows from %d pieces, differences %v", r.Rows, len(pieces), r.Differences)
	}
}

// TestNoRowsHaveTheColumnsOfRows: an output without rows has the same columns, even if
// only a run of the graph tells a column's type.
func TestNoRowsHaveTheColumnsOfRows(t *testing.T) {
	needTensorFlow(t)
	for _, name := range []string{"mlp", "text", "image", "scalars", "ranks"} {
		req := request(t, name)
		schema := schemaOf(t, req.Splits[0].Path)
		empty := filepath.Join(t.TempDir(), "empty.parquet")
		writeRecord(t, empty, array.NewRecord(schema, nothing(schema), 0))
		req.Splits = append(req.Splits, infer.Split{ID: 4, Split: files.Split{Path: empty, Length: 1 << 40}})
		result, err := predict(t, req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		full, none := schemaOf(t, filepath.Join(req.Output, result.Splits[0].Output)), schemaOf(t, filepath.Join(req.Output, result.Splits[1].Output))
		if result.Splits[1].Rows != 0 || !full.Equal(none) {
			t.Errorf("%s: %d rows of\n%s\nwant none of\n%s", name, result.Splits[1].Rows, none, full)
		}
	}
}

// TestLargeCells: inputs and outputs of 8 MB a cell, in batches as large as memory allows.
func TestLargeCells(t *testing.T) {
	needTensorFlow(t)
	const cell, rows = 8 << 20, 12
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "word", Type: arrow.BinaryTypes.Binary},
		{Name: "pair", Type: arrow.ListOf(arrow.BinaryTypes.String)}}, nil))
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.BinaryBuilder).Append(slices.Repeat([]byte{byte('a' + i)}, cell+i))
		pair := b.Field(2).(*array.ListBuilder)
		pair.Append(true)
		pair.ValueBuilder().(*array.StringBuilder).AppendValues([]string{"a", "b"}, nil)
	}
	path := filepath.Join(t.TempDir(), "large.parquet")
	writeRecord(t, path, b.NewRecord())
	req := request(t, "text")
	req.Splits[0].Path, req.Splits[0].Length = path, 1<<40
	req.OutputMapping = map[string]string{"length": "length", "again": "again"}
	result, err := predict(t, req)
	if err != nil || result.Rows != rows {
		t.Fatalf("%d rows, %v", result.Rows, err)
	}
	next := 0
	for record := range records(t, filepath.Join(req.Output, result.Splits[0].Output)) {
		lengths := record.Column(record.Schema().FieldIndices("length")[0]).(*array.Int32)
		texts := record.Column(record.Schema().FieldIndices("again")[0]).(*array.String)
		for i := range int(record.NumRows()) {
			size := cell + next
			if have := texts.Value(i); lengths.Value(i) != int32(size) || have != strings.Repeat(string(rune('a'+next)), 2*size) {
				t.Errorf("row %d: length %d, and %d bytes of %q", next, lengths.Value(i), len(have), have[:1])
			}
			next++
		}
	}
	if next != rows {
		t.Errorf("%d rows were read back", next)
	}
}

// TestNullIsNamed: the error names the file, the row of the file and the column. No output
// is left.
func TestNullIsNamed(t *testing.T) {
	needTensorFlow(t)
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "key", Type: arrow.PrimitiveTypes.Int32, Nullable: true}}, nil))
	defer b.Release()
	for i := range 300 {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i == 290 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.Int32Builder).Append(int32(i % 50))
		}
	}
	path := filepath.Join(t.TempDir(), "nulls.parquet")
	writeRecord(t, path, b.NewRecord())
	req := request(t, "embed")
	req.Splits[0].Path, req.Splits[0].Length = path, 1<<40
	_, err := predict(t, req)
	if err == nil || infer.ExitCode(err) != 6 || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `row 290, column "key": it is null`) {
		t.Errorf("%v (code %d)", err, infer.ExitCode(err))
	}
	if left, _ := os.ReadDir(req.Output); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// writeRecord writes a parquet file, and releases its rows.
func writeRecord(t *testing.T, path string, record arrow.Record) {
	t.Helper()
	defer record.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := files.NewWriter(files.Parquet, f, record.Schema(), files.WriteOptions{})
	if err == nil {
		err = w.Write(record)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nothing returns columns without values.
func nothing(schema *arrow.Schema) []arrow.Array {
	var columns []arrow.Array
	for _, f := range schema.Fields() {
		columns = append(columns, array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, 0))
	}
	return columns
}

func open(t *testing.T, path string) *files.Dataset {
	t.Helper()
	data, err := files.Open(t.Context(), files.Parquet, path, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func schemaOf(t *testing.T, path string) *arrow.Schema {
	t.Helper()
	return open(t, path).Schema()
}

// records iterates over the records of a file. Each is valid until the next one.
func records(t *testing.T, path string) iter.Seq[arrow.Record] {
	t.Helper()
	r, err := open(t, path).Read(t.Context(), files.Split{Path: path, Length: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(arrow.Record) bool) {
		defer r.Close()
		for {
			record, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			more := yield(record)
			record.Release()
			if !more {
				return
			}
		}
	}
}
