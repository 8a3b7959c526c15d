package engine_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/engine"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// predict runs a whole inference over one file with TensorFlow.
func predict(t testing.TB, req infer.Request) (infer.Result, error) {
	t.Helper()
	return infer.Run(t.Context(), req, func(ctx context.Context) (infer.Model, error) {
		return engine.Load(ctx, req.Model, req.TagSet, req.Threads)
	}, nil)
}

// request is one file of the fixtures with batches that divide nothing.
func request(t testing.TB, name string) infer.Request {
	input := filepath.Join(fixtures(t), name+".parquet")
	return infer.Request{Model: filepath.Join(fixtures(t), name), Output: t.TempDir(), BatchSize: 128, Keep: []string{"id"},
		Splits: []infer.Split{{ID: 3, Path: input}}}
}

func TestPredictionsAreThoseOfPython(t *testing.T) {
	needTensorFlow(t)
	tests := map[string]struct {
		change func(*infer.Request)
		schema map[string]string // of the outputs
		order  []string
	}{
		"mlp": {schema: map[string]string{"output_0": "list<element: float>"}},
		"two": {
			change: func(r *infer.Request) { r.Keep = []string{"note", "id", "b"} },
			schema: map[string]string{"note": "string", "total": "float", "doubled": "list<element: int64>"},
			order:  []string{"note", "id", "b", "doubled", "total"},
		},
		"text":  {schema: map[string]string{"again": "string", "index": "int64", "length": "int32", "pairs": "list<element: string>"}},
		"embed": {schema: map[string]string{"vector": "list<element: float>"}},
		"image": {schema: map[string]string{"mean": "float", "bright": "bool", "pixel": "uint8",
			"corner": "list<element: list<element: float>>"}},
		"scalars": {schema: map[string]string{"int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
			"uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64", "bool": "bool",
			"float32": "float", "float64": "double", "float16": "float", "bfloat16": "float"}},
		"ranks": {schema: map[string]string{"summed": "list<element: float>", "free": "list<element: float>",
			"same": "list<element: list<element: float>>"}},
		"batch": {
			change: func(r *infer.Request) { r.OutputMapping = map[string]string{"y": "y"} },
			schema: map[string]string{"y": "float"},
		},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			req := request(t, name)
			if change := tests[name].change; change != nil {
				change(&req)
			}
			result, err := predict(t, req)
			if err != nil {
				t.Fatal(err)
			}
			if result.Rows != 1003 || len(result.Splits) != 1 || result.Splits[0].Output != "part-00003.parquet" {
				t.Errorf("result %+v", result)
			}
			r := compare(t, filepath.Join(fixtures(t), name+".expected.parquet"), filepath.Join(req.Output, "part-00003.parquet"))
			if r.Rows != 1003 || r.PandasRows != 1003 {
				t.Errorf("rows: pyarrow %d, pandas %d", r.Rows, r.PandasRows)
			}
			for column, difference := range r.Differences {
				if d, ok := difference.(float64); !ok || d > 1e-5 {
					t.Errorf("column %s: %v", column, difference)
				}
			}
			for column, want := range tests[name].schema {
				if have := r.Schema[column]; have != want {
					t.Errorf("column %s is %q, want %q", column, have, want)
				}
			}
			if order := tests[name].order; order != nil && !slices.Equal(r.Order, order) {
				t.Errorf("columns %v, want %v", r.Order, order)
			}
		})
	}
}

func TestOutputsWithoutARowEachAreRefused(t *testing.T) {
	needTensorFlow(t)
	for alias, want := range map[string]string{"half": "not one value a row", "loss": "one scalar for the whole batch"} {
		req := request(t, "batch")
		req.OutputMapping = map[string]string{alias: "p"}
		_, err := predict(t, req)
		var mismatch *model.MismatchError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), want) || infer.ExitCode(err) != 6 {
			t.Errorf("%s: %v (code %d)", alias, err, infer.ExitCode(err))
		}
		if left, _ := os.ReadDir(req.Output); len(left) != 0 {
			t.Errorf("%s: left behind: %v", alias, left)
		}
	}
}

func TestMissingOrDamagedModelIsCode2(t *testing.T) {
	needTensorFlow(t)
	req := request(t, "mlp")
	damaged := t.TempDir()
	if err := os.CopyFS(damaged, os.DirFS(req.Model)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(damaged, "variables")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(damaged, "absent"), damaged} {
		req.Model = dir
		_, err := predict(t, req)
		var m *model.ModelError
		if !errors.As(err, &m) || m.Path != dir || infer.ExitCode(err) != 2 {
			t.Errorf("%s: %v (code %d)", dir, err, infer.ExitCode(err))
		}
	}
}
