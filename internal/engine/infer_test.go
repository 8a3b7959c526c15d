package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/engine"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// predict runs an inference of one file with TensorFlow.
func predict(t testing.TB, req infer.SplitsRequest) (infer.Result, error) {
	t.Helper()
	return infer.Run(t.Context(), &req, func(ctx context.Context) (infer.Model, error) {
		program, err := req.Source.Program(req.Signature, req.Mapping())
		if err != nil {
			return nil, err
		}
		return engine.Load(ctx, program, req.Threads)
	}, nil)
}

// load makes a model ready for all outputs of its only signature.
func load(t testing.TB, source model.Source) *engine.Model {
	t.Helper()
	program, err := source.Program("", model.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(t.Context(), program, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// request reads one file of the fixtures. The batch size divides no number of rows.
func request(t testing.TB, name string) infer.SplitsRequest {
	t.Helper()
	return requestIn(t, fixtures(t), name)
}

func requestIn(t testing.TB, folder, name string) infer.SplitsRequest {
	t.Helper()
	input := filepath.Join(folder, name+".parquet")
	recipe, splits, err := infer.Input{Format: files.Parquet, Path: input}.Plan(t.Context(), 1)
	if err != nil || len(splits) != 1 {
		t.Fatalf("%d splits, %v", len(splits), err)
	}
	splits[0].ID = 3
	return infer.SplitsRequest{Computation: infer.Computation{Source: model.Source{Model: filepath.Join(folder, name)}, BatchSize: 128, Keep: []string{"id"}},
		Output: t.TempDir(), Format: files.Parquet, Input: recipe, Splits: splits}
}

func TestPredictionsAreThoseOfPython(t *testing.T) {
	needTensorFlow(t)
	tests := map[string]struct {
		change func(*infer.SplitsRequest)
		schema map[string]string // of the outputs
		order  []string
	}{
		"mlp": {schema: map[string]string{"output_0": "list<element: float>"}},
		"cnn": {schema: map[string]string{"scores": "list<element: float>"}},
		"two": {
			change: func(r *infer.SplitsRequest) { r.Keep = []string{"note", "id", "b"} },
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
			change: func(r *infer.SplitsRequest) { r.OutputMapping = map[string]string{"y": "y"} },
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

// TestThreeStyles: a checkpoint alone, a signature with its own tags and name, and tensors
// of a graph without its signatures.
func TestThreeStyles(t *testing.T) {
	needTensorFlow(t)
	inputs := map[string]string{"x": "x:0", "word": "word:0"}
	outputs := map[string]string{"dense/BiasAdd:0": "hidden", "scores:0": "scores", "number:0": "number"}
	saved := model.Source{Model: filepath.Join(fixtures(t), "graph"), TagSet: []string{"mine", "v2"}}
	checkpoints := filepath.Join(fixtures(t), "graph-checkpoints")
	moved := t.TempDir()
	if err := os.CopyFS(moved, os.DirFS(checkpoints)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		source          model.Source
		signature       string
		inputs, outputs map[string]string
		columns         []string
	}{
		"newest checkpoint": {model.Source{Checkpoint: checkpoints}, "", inputs, outputs, []string{"hidden", "number", "scores"}},
		"its path":          {model.Source{Checkpoint: checkpoints + "/model-2"}, "", inputs, outputs, []string{"hidden", "number", "scores"}},
		"moved":             {model.Source{Checkpoint: moved}, "", inputs, outputs, []string{"hidden", "number", "scores"}},
		"signature":         {saved, "classify", map[string]string{"x": "in", "word": "w"}, map[string]string{"out": "scores"}, []string{"scores"}},
		"tensors":           {saved, "", inputs, outputs, []string{"hidden", "number", "scores"}},
		"one more tensor":   {saved, "classify", map[string]string{"x": "in", "word": "w"}, map[string]string{"out": "scores", "dense/BiasAdd:0": "hidden"}, []string{"hidden", "scores"}},
	}
	digests := map[string]string{}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req := request(t, "graph")
			req.Source, req.Signature, req.InputMapping, req.OutputMapping = tt.source, tt.signature, tt.inputs, tt.outputs
			result, err := predict(t, req)
			if err != nil {
				t.Fatal(err)
			}
			digests[name] = result.Digest
			r := compare(t, filepath.Join(fixtures(t), "graph.expected.parquet"), filepath.Join(req.Output, "part-00003.parquet"))
			if r.Rows != 1003 {
				t.Errorf("%d rows", r.Rows)
			}
			for _, column := range append([]string{"id"}, tt.columns...) {
				if d, ok := r.Differences[column].(float64); !ok || d > 1e-5 {
					t.Errorf("column %s: %v", column, r.Differences[column])
				}
			}
		})
	}
	req := request(t, "graph")
	req.Source, req.InputMapping, req.OutputMapping = model.Source{Checkpoint: checkpoints + "/model-1"}, inputs, outputs
	older, err := predict(t, req)
	if err != nil {
		t.Fatal(err)
	}
	if d := digests; d["newest checkpoint"] != d["moved"] || d["signature"] != d["tensors"] || d["moved"] == d["tensors"] || d["moved"] == older.Digest || older.Digest == "" {
		t.Errorf("digests %v, of the older checkpoint %s", d, older.Digest)
	}
	r := compare(t, filepath.Join(fixtures(t), "graph.expected.parquet"), filepath.Join(req.Output, "part-00003.parquet"))
	if d, ok := r.Differences["scores"].(float64); !ok || d < 1e-3 {
		t.Errorf("the older checkpoint gives the newer one's scores: %v", r.Differences)
	}
}

// TestVariables: Variables lists the same as TensorFlow.
func TestVariables(t *testing.T) {
	needTensorFlow(t)
	text, err := os.ReadFile(filepath.Join(fixtures(t), "variables.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want [][2]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	have, err := model.Variables(filepath.Join(fixtures(t), "graph-checkpoints", "model-2"))
	if err != nil || len(have) != len(want) || len(have) == 0 {
		t.Fatalf("%v, %v; want %v", have, err, want)
	}
	for i, v := range have {
		elements := int64(1)
		for _, d := range v.Shape {
			elements *= d
		}
		if v.Name != want[i][0] || v.Bytes != 4*elements || model.ShapeString(v.Shape) != strings.ReplaceAll(fmt.Sprint(want[i][1]), " ", ",") || v.Type != model.Float32 {
			t.Errorf("%+v, want %v", v, want[i])
		}
	}
	index := filepath.Join(t.TempDir(), "m.index")
	raw, err := os.ReadFile(filepath.Join(fixtures(t), "graph-checkpoints", "model-2.index"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		damaged := slices.Clone(raw)
		damaged[i] ^= 0x40
		if err := os.WriteFile(index, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = model.Variables(strings.TrimSuffix(index, ".index")) // damage is an error or does no harm; it is no panic
		if err := os.WriteFile(index, raw[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := model.Variables(strings.TrimSuffix(index, ".index")); err == nil {
			t.Errorf("%d of %d bytes are taken for an index", i, len(raw))
		}
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
