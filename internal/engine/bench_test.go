package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// BenchmarkInfer is the main measure of inference: MLP 784-128-10, 100,000
// distinct rows of float32 in 4 parquet files, parquet to parquet, the model's
// load included. Run it with -benchtime 1x.
func BenchmarkInfer(b *testing.B) {
	needTensorFlow(b)
	const parts, rows, width = 4, 25_000, 784
	dir := b.TempDir()
	req := infer.SplitsRequest{Computation: infer.Computation{Source: model.Source{Model: filepath.Join(fixtures(b), "mlp")}, BatchSize: 1000, Keep: []string{"id"}}, Format: files.Parquet}
	for i := range parts {
		path := filepath.Join(dir, fmt.Sprintf("in-%d.parquet", i))
		writeRows(b, path, rows, width, uint64(i))
	}
	var err error
	if req.Input, req.Splits, err = (infer.Input{Format: files.Parquet, Path: dir}).Plan(b.Context(), 2); err != nil {
		b.Fatal(err)
	}
	before := cpuSeconds(b)
	for b.Loop() {
		req.Output = b.TempDir()
		result, err := predict(b, req)
		if err != nil {
			b.Fatal(err)
		}
		if result.Rows != parts*rows {
			b.Fatalf("%d rows", result.Rows)
		}
		b.ReportMetric(result.LoadSeconds, "load-s")
		b.ReportMetric(result.ReadSeconds, "read-s")
		b.ReportMetric(result.ComputeSeconds, "compute-s")
		b.ReportMetric(result.WriteSeconds, "write-s")
	}
	b.ReportMetric(float64(parts*rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(parts*rows*b.N)/(cpuSeconds(b)-before), "rows/cpu-s")
}

// cpuSeconds returns the CPU time of this process. Unlike the clock, it does not measure
// other work of the machine.
func cpuSeconds(b *testing.B) float64 { return cpuOf(b, syscall.RUSAGE_SELF) }

// cpuOf returns the CPU time that getrusage(2) has of who.
func cpuOf(t testing.TB, who int) float64 {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(who, &used); err != nil {
		t.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// writeRows writes id and features, as Spark would: lists of plain floats, in
// row groups of 5,000 rows, snappy.
func writeRows(b *testing.B, path string, rows, width int, seed uint64) {
	b.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, rows*width)
	for i := range values {
		values[i] = r.Float32()
	}
	offsets, ids := make([]int32, rows+1), make([]int64, rows)
	for i := range ids {
		ids[i], offsets[i+1] = int64(seed)<<32+int64(i), int32((i+1)*width)
	}
	listType := arrow.ListOf(arrow.PrimitiveTypes.Float32)
	inner := array.NewData(arrow.PrimitiveTypes.Float32, len(values), buffers(arrow.Float32Traits.CastToBytes(values)), nil, 0, 0)
	lists := array.NewData(listType, rows, buffers(arrow.Int32Traits.CastToBytes(offsets)), []arrow.ArrayData{inner}, 0, 0)
	id := array.NewData(arrow.PrimitiveTypes.Int64, rows, buffers(arrow.Int64Traits.CastToBytes(ids)), nil, 0, 0)
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "features", Type: listType}}, nil)
	record := array.NewRecord(schema, []arrow.Array{array.MakeFromData(id), array.MakeFromData(lists)}, int64(rows))

	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	props := parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(5000), parquet.WithDictionaryDefault(false))
	w, err := pqarrow.NewFileWriter(schema, f, props, pqarrow.DefaultWriterProps())
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

func buffers(raw []byte) []*memory.Buffer { return []*memory.Buffer{nil, memory.NewBufferBytes(raw)} }
