package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/engine"
	"tfos/internal/model"
)

// residentMiB is this process's memory, from /proc/self/status.
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

// Go's collector starts by the size of Go's heap alone. In a pipeline that holds
// Arrow memory, for which the ballast stands (it is never touched, so it is not
// resident), it lets tensors pile up: 2,053 MiB in this test without the ledger, 33 with it.
func TestTensorMemoryIsBounded(t *testing.T) {
	needTensorFlow(t)
	dir := filepath.Join(fixtures(t), "mlp")
	m, err := engine.Load(t.Context(), model.Source{Model: dir}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	batch := pixels(mem)
	defer batch.Release()
	bind := bindingFor(t, dir, batch.Schema())

	ballast := make([]byte, 1<<30)
	defer runtime.KeepAlive(ballast)
	runtime.GC() // so that the next one waits for a heap of 2 GiB

	start := 0
	for i := range 2000 {
		if i == 100 { // the model and TensorFlow's own pools are in memory by then
			start = residentMiB(t)
		}
		outputs, err := m.Predict(t.Context(), mem, bind, batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outputs {
			o.Release()
		}
	}
	grown := residentMiB(t) - start
	t.Logf("2,000 runs of 1 MiB: from %d MiB by %d MiB", start, grown)
	if grown > 400 {
		t.Errorf("memory grew by %d MiB over 1,900 runs of 1 MiB", grown)
	}
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
	bind, err := model.Check(signature, schema, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bind
}
