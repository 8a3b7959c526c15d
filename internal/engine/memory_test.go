package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/model"
)

// residentMiB returns this process's resident memory, from /proc/self/status.
func residentMiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib >> 10
		}
	}
	t.Fatal("no VmRSS in /proc/self/status")
	return 0
}

// pixels is a batch of 334 rows of 784 float32: 1 MiB.
func pixels(mem memory.Allocator) arrow.Record {
	const rows, width = 334, 784
	b := array.NewListBuilder(mem, arrow.PrimitiveTypes.Float32)
	defer b.Release()
	values := b.ValueBuilder().(*array.Float32Builder)
	for i := range rows {
		b.Append(true)
		for j := range width {
			values.Append(float32((i+j)%256) / 255)
		}
	}
	column := b.NewArray()
	defer column.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "features", Type: column.DataType()}}, nil)
	return array.NewRecord(schema, []arrow.Array{column}, rows)
}

// A run frees its tensors itself. It does not leave them to Go's collector, which starts
// by the size of Go's heap alone: in this test 2 GB would pile up. The ballast plays the
// Arrow memory of a pipeline. It is never touched, so that it is not resident.
func TestTensorMemoryIsFreed(t *testing.T) {
	needTensorFlow(t)
	dir := filepath.Join(fixtures(t), "mlp")
	batch := pixels(memory.DefaultAllocator)
	defer batch.Release()
	grown := growth(t, dir, bindingFor(t, dir, batch.Schema()), batch, 2000, residentMiB)
	t.Logf("1,900 runs of 1 MiB: %d MiB more", grown)
	if grown > 100 {
		t.Errorf("memory grew by %d MiB over 1,900 runs of 1 MiB", grown)
	}
}

// A string tensor frees the memory that its strings point to: as an input, as an output,
// and after a run that failed.
func TestTextMemoryIsFreed(t *testing.T) {
	needTensorFlow(t)
	dir := filepath.Join(fixtures(t), "text")
	words, pairs := array.NewStringBuilder(memory.DefaultAllocator), array.NewListBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String)
	words.Append(strings.Repeat("x", 1<<20))
	pairs.Append(true)
	pairs.ValueBuilder().(*array.StringBuilder).AppendValues([]string{"a", "b"}, nil)
	schema := arrow.NewSchema([]arrow.Field{{Name: "word", Type: arrow.BinaryTypes.String}, {Name: "pair", Type: arrow.ListOf(arrow.BinaryTypes.String)}}, nil)
	batch := array.NewRecord(schema, []arrow.Array{words.NewArray(), pairs.NewArray()}, 1)
	defer batch.Release()
	fits := bindingFor(t, dir, schema)
	wrong := *fits
	wrong.Outputs = slices.Clone(fits.Outputs)
	wrong.Outputs[0].ColumnType = arrow.PrimitiveTypes.Int8
	for name, bind := range map[string]*model.Binding{"good": fits, "failed": &wrong} {
		if grown := growth(t, dir, bind, batch, 400, collected); grown > 100 {
			t.Errorf("%s: memory grew by %d MiB over 300 runs of 1 MiB", name, grown)
		}
	}
}

// collected returns residentMiB after a garbage collection, without old columns of text.
func collected(t *testing.T) int {
	debug.FreeOSMemory()
	return residentMiB(t)
}

// growth returns by how many MiB this process grows after the first hundred runs.
func growth(t *testing.T, dir string, bind *model.Binding, batch arrow.Record, runs int, resident func(*testing.T) int) int {
	t.Helper()
	m := load(t, model.Source{Model: dir})
	defer m.Close()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	ballast := make([]byte, 1<<30)
	defer runtime.KeepAlive(ballast)
	runtime.GC() // so that the next one waits for a heap of 2 GiB

	start := 0
	for i := range runs {
		if i == 100 { // the model and TensorFlow's own pools are in memory by then
			start = resident(t)
		}
		outputs, err := m.Predict(t.Context(), mem, bind, batch)
		var mismatch *model.MismatchError
		if err != nil && !errors.As(err, &mismatch) {
			t.Fatal(err)
		}
		for _, o := range outputs {
			o.Release()
		}
	}
	return resident(t) - start
}

// Close waits for predictions in progress. Later predictions fail.
func TestCloseWhilePredicting(t *testing.T) {
	needTensorFlow(t)
	dir := filepath.Join(fixtures(t), "mlp")
	m := load(t, model.Source{Model: dir})
	batch := pixels(memory.DefaultAllocator)
	defer batch.Release()
	bind := bindingFor(t, dir, batch.Schema())
	var running, begun sync.WaitGroup
	for range 4 {
		begun.Add(1)
		running.Go(func() {
			for i := 0; ; i++ {
				outputs, err := m.Predict(t.Context(), memory.DefaultAllocator, bind, batch)
				if i == 0 {
					begun.Done()
				}
				if err != nil {
					if !strings.Contains(err.Error(), "the model is closed") {
						t.Error(err)
					}
					return
				}
				outputs[0].Release()
			}
		})
	}
	begun.Wait()
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	running.Wait()
}

func bindingFor(t testing.TB, dir string, schema *arrow.Schema) *model.Binding {
	t.Helper()
	saved, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := saved.MetaGraph()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := graph.Signature("serving_default")
	if err != nil {
		t.Fatal(err)
	}
	bind, err := model.Check(signature, schema, model.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	return bind
}
