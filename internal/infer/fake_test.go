package infer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// doubler is a model with the input x and the output y = 2x, both int64 [-1],
// in place of TensorFlow. It fails at a row whose x is bad.
type doubler struct {
	bad    int64
	failed error
	unfit  map[int64]bool // further x that are bad
	breaks map[int64]bool // x at which the graph fails, the whole batch with it
	broken bool           // the graph fails always
	memory int64          // the most rows that there is memory for; 0: any number, -1: none
	mu     sync.Mutex
	rows   []int64 // of each batch
	closed bool
}

func (d *doubler) Predict(ctx context.Context, mem memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	d.mu.Lock()
	d.rows = append(d.rows, batch.NumRows())
	d.mu.Unlock()
	if d.memory != 0 && batch.NumRows() > d.memory {
		return nil, &model.MemoryError{Doing: "run signature serving_default", Err: errors.New("OOM when allocating tensor")}
	}
	b := array.NewInt64Builder(mem)
	defer b.Release()
	var unfit model.RowErrors
	x := batch.Column(batch.Schema().FieldIndices(bind.Inputs[0].Column)[0]).(*array.Int64)
	for i, v := range x.Int64Values() {
		if d.failed != nil && v == d.bad {
			return nil, d.failed
		}
		if x.IsNull(i) {
			unfit = append(unfit, &model.RowError{Row: int64(i), Column: "x", Reason: "it is null"})
		} else if v == d.bad || d.unfit[v] {
			unfit = append(unfit, &model.RowError{Row: int64(i), Column: "x", Reason: "is bad"})
		}
		b.Append(2 * v)
	}
	if len(unfit) > 0 {
		return nil, unfit
	}
	if d.broken || slices.ContainsFunc(x.Int64Values(), func(v int64) bool { return d.breaks[v] }) {
		return nil, &model.GraphError{Doing: "run signature serving_default", Err: errors.New("invalid\nJPEG")}
	}
	return []arrow.Array{b.NewArray()}, nil
}

func (d *doubler) Close() error {
	d.closed = true
	return nil
}

func (d *doubler) load(context.Context) (Model, error) { return d, nil }

// doublerModel writes the SavedModel that the doubler stands for.
func doublerModel(t *testing.T, outputShape *shapepb.TensorShapeProto) string {
	t.Helper()
	return doublerOf(t, -1, outputShape)
}

// doublerOf is doublerModel for so many rows at a time.
func doublerOf(t *testing.T, size int64, outputShape *shapepb.TensorShapeProto) string {
	t.Helper()
	rows := &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{{Size: size}}}
	if outputShape == nil {
		outputShape = rows
	}
	tensor := func(name string, shape *shapepb.TensorShapeProto) map[string]*corepb.TensorInfo {
		return map[string]*corepb.TensorInfo{name: {Encoding: &corepb.TensorInfo_Name{Name: name + ":0"},
			Dtype: typespb.DataType_DT_INT64, TensorShape: shape}}
	}
	b, err := proto.Marshal(&corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{{
		MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
		GraphDef: &graphpb.GraphDef{Node: []*nodepb.NodeDef{
			{Name: "x", Op: "Placeholder"}, {Name: "y", Op: "Add", Input: []string{"x", "x"}}}},
		SignatureDef: map[string]*corepb.SignatureDef{"serving_default": {Inputs: tensor("x", rows), Outputs: tensor("y", outputShape)}},
	}}})
	dir := t.TempDir()
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "saved_model.pb"), b, 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// inputFile writes a parquet file with id (null at every seventh row), a column
// that nobody asks for, x = from, from+1, … and tags (lists of 0 to 2 values),
// one row group for each of groups.
func inputFile(t *testing.T, dir, name string, from int64, groups ...int) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "unused", Type: arrow.PrimitiveTypes.Float64},
		{Name: "x", Type: arrow.PrimitiveTypes.Int64},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}, nil)
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range groups {
		record := inputRecord(schema, from, rows)
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
		record.Release()
		from += int64(rows)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func inputRecord(schema *arrow.Schema, from int64, rows int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := from; i < from+int64(rows); i++ {
		if i%7 == 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(idOf(i))
		}
		b.Field(1).(*array.Float64Builder).Append(0.5)
		b.Field(2).(*array.Int64Builder).Append(i)
		tags := b.Field(3).(*array.ListBuilder)
		tags.Append(true)
		for range i % 3 {
			tags.ValueBuilder().(*array.StringBuilder).Append(idOf(i))
		}
	}
	return b.NewRecord()
}

func idOf(i int64) string { return "r" + string(rune('a'+i%26)) }

// readBack reads a whole parquet file.
func readBack(t *testing.T, path string) arrow.Table {
	t.Helper()
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1 << 20}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := r.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Release)
	return table
}

// left lists a folder, hidden files included.
func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
