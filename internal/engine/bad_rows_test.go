package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/infer"
	"tfos/internal/model"
)

// TestRaggedRows: rows of several lengths, in two columns at once, have the predictions
// that Python computes for each row alone.
func TestRaggedRows(t *testing.T) {
	needTensorFlow(t)
	for _, batch := range []int{1, 64, 2000} {
		req := request(t, "ragged")
		req.BatchSize = batch
		result, err := predict(t, req)
		if err != nil {
			t.Fatal(err)
		}
		if result.Rows != 1003 || result.Read != 1003 || result.Bad() != 0 {
			t.Errorf("batches of %d: %+v", batch, result.Account)
		}
		same(t, "ragged", req)
	}
}

// same compares a split's file with Python's predictions.
func same(t *testing.T, name string, req infer.SplitsRequest) {
	t.Helper()
	r := compare(t, filepath.Join(fixtures(t), name+".expected.parquet"), filepath.Join(req.Output, "part-00003.parquet"))
	for column, difference := range r.Differences {
		if d, ok := difference.(float64); !ok || d > 1e-5 {
			t.Errorf("column %s: %v", column, difference)
		}
	}
}

// TestGraphFailsForRows: a broken image and an index out of range fail the whole batch.
// The engine finds the rows that fail alone, and predicts the others.
func TestGraphFailsForRows(t *testing.T) {
	needTensorFlow(t)
	req := request(t, "fragile")
	req.OnBadRow = infer.Quarantine
	result, err := predict(t, req)
	if err != nil {
		t.Fatal(err)
	}
	if want := (infer.Account{Read: 1003, Rows: 999, Quarantined: 4, GraphFailed: 4}); result.Account != want {
		t.Errorf("%+v, want %+v", result.Account, want)
	}
	first := result.Splits[0].FirstBad
	if first == nil || first.Row != 40 || first.Column != "-" || !strings.Contains(first.Reason, "the graph failed: ") || !strings.Contains(first.Reason, "JPEG") {
		t.Errorf("the first is %v", first)
	}
	same(t, "fragile", req)

	req = request(t, "fragile")
	_, err = predict(t, req)
	if infer.ExitCode(err) != 6 || !strings.Contains(err.Error(), `fragile.parquet: row 40, column "-": the graph failed: `) {
		t.Errorf("fail: %v (code %d)", err, infer.ExitCode(err))
	}
}

// TestErrorsThatAreNoRows: TensorFlow's errors for a feed of a wrong type and for a
// missing feed are GraphErrors, because a value may cause their codes too. The error of a
// closed session is not.
func TestErrorsThatAreNoRows(t *testing.T) {
	needTensorFlow(t)
	source := model.Source{Model: filepath.Join(fixtures(t), "batch")}
	m := load(t, source)
	graph, err := source.Graph()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := graph.Signature("serving_default")
	if err != nil {
		t.Fatal(err)
	}
	record := numbers(1, 2)
	defer record.Release()
	bind, err := model.Check(signature, record.Schema(), model.Mapping{Outputs: map[string]string{"y": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(b *model.Binding) error {
		_, err := m.Predict(t.Context(), memory.DefaultAllocator, b, record)
		return err
	}
	unfed := *bind
	unfed.Inputs = nil
	var failed *model.GraphError
	if err := run(&unfed); !errors.As(err, &failed) {
		t.Errorf("a feed that is missing: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := run(bind); err == nil || errors.As(err, &failed) {
		t.Errorf("a session that is closed: %v", err)
	}
}

func numbers(values ...float32) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float32}}, nil))
	defer b.Release()
	b.Field(0).(*array.Float32Builder).AppendValues(values, nil)
	return b.NewRecord()
}

// TestUnfitRowsAreAllTold: the error has all rows of a batch that fit no tensor, of every
// input, besides ragged rows. No Arrow memory is left.
func TestUnfitRowsAreAllTold(t *testing.T) {
	needTensorFlow(t)
	source := model.Source{Model: filepath.Join(fixtures(t), "ragged")}
	m := load(t, source)
	defer m.Close()
	graph, err := source.Graph()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := graph.Signature("serving_default")
	if err != nil {
		t.Fatal(err)
	}
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	lists := arrow.ListOf(arrow.PrimitiveTypes.Float32)
	pairs := arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: lists, Nullable: true}, {Name: "pairs", Type: pairs, Nullable: true}}, nil)
	batch := func(json string) arrow.Record {
		r, _, err := array.RecordFromJSON(mem, schema, strings.NewReader(json))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	bind, err := model.Check(signature, schema, model.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	bad := batch(`[{"x":[1],"pairs":[[1,2]]},{"x":null,"pairs":[]},{"x":[1,2],"pairs":[]},{"x":[1],"pairs":[[1,2],[3]]},{"x":[1,null],"pairs":[]},{"x":[],"pairs":[[1,2,3]]}]`)
	defer bad.Release()
	_, err = m.Predict(t.Context(), mem, bind, bad)
	var unfit model.RowErrors
	if !errors.As(err, &unfit) {
		t.Fatal(err)
	}
	var told []string
	for _, e := range unfit {
		told = append(told, fmt.Sprintf("%d %s", e.Row, e.Column))
	}
	if want := []string{"1 x", "3 pairs", "4 x", "5 pairs"}; !slices.Equal(told, want) {
		t.Errorf("%v, want %v: %v", told, want, err)
	}
	good := batch(`[{"x":[1],"pairs":[[1,2]]},{"x":[1,2],"pairs":[]},{"x":[3],"pairs":[[4,5]]},{"x":[7,8],"pairs":[[1,1]]}]`)
	defer good.Release()
	outputs, err := m.Predict(t.Context(), mem, bind, good)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range outputs {
		defer a.Release()
	}
	if have := fmt.Sprint(outputs[0], outputs[1]); have != "[4 3 12 17] [[2] [2 4] [6] [14 16]]" {
		t.Errorf("have %s", have)
	}
}
