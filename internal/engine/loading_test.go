package engine_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/engine"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// equal runs a request with a model of testdata/loading.py and compares columns with
// Python's predictions. Without columns it compares all.
func equal(t *testing.T, name string, req infer.SplitsRequest, columns ...string) {
	t.Helper()
	result, err := predict(t, req)
	if err != nil {
		t.Fatal(err)
	}
	r := compare(t, filepath.Join(savings.folder(t), name+".expected.parquet"), filepath.Join(req.Output, "part-00003.parquet"))
	if result.Rows != 1003 || r.Rows != 1003 {
		t.Errorf("%d rows, read back %d", result.Rows, r.Rows)
	}
	if len(columns) == 0 {
		for column := range r.Differences {
			columns = append(columns, column)
		}
	}
	if len(columns) < 2 {
		t.Errorf("only %v were compared", columns)
	}
	for _, column := range columns {
		if d, ok := r.Differences[column].(float64); !ok || d > 1e-6 {
			t.Errorf("column %s: %v", column, r.Differences[column])
		}
	}
}

// TestWaysOfSaving: the engine computes the same values as Python's tf.saved_model.load,
// for every way to save a model.
func TestWaysOfSaving(t *testing.T) {
	needTensorFlow(t)
	for _, name := range []string{
		"k3_sequential", "k3_fitted", "k3_signature", "k3_shared", "k3_subclassed", "k3_mixed", "k3_lookup",
		"module_two", "module_sharded", "module_text", "k2_save", "k2_saved_model", "placed",
	} {
		t.Run(name, func(t *testing.T) { equal(t, name, requestIn(t, savings.folder(t), name)) })
	}
}

// TestTensorFlow1: devices of a cluster that no longer exists, assets, partitioned
// variables, one tensor under two aliases as input and as output, outputs that are inputs.
func TestTensorFlow1(t *testing.T) {
	needTensorFlow(t)
	req := requestIn(t, savings.folder(t), "v1_simple")
	equal(t, "v1_simple", req, "id", "y", "y_too", "number", "x_out", "key")
	req.Output, req.OutputMapping = t.TempDir(), map[string]string{"x_out": "x_out", "key": "key"} // nothing to compute
	equal(t, "v1_simple", req, "id", "x_out", "key")
}

// TestOnlyWhatIsAskedForNeedsItsInputs: other outputs need a scalar, a sparse tensor or a
// Python function. The requested outputs run without these.
func TestOnlyWhatIsAskedForNeedsItsInputs(t *testing.T) {
	needTensorFlow(t)
	for name, outputs := range map[string]map[string]string{"one": {"y": "y"}, "both": {"y": "y", "key": "key"}} {
		t.Run(name, func(t *testing.T) {
			req := requestIn(t, savings.folder(t), "many")
			req.OutputMapping = outputs
			columns := []string{"id"}
			for _, column := range outputs {
				columns = append(columns, column)
			}
			equal(t, "many", req, columns...)
		})
	}
	graph, err := model.Source{Model: filepath.Join(savings.folder(t), "many")}.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"y": "x", "key": "key x", "dropped": "keep x", "sums": "sparse x", // x: of the assertion
	} {
		sig, err := graph.Choose("", model.Mapping{Outputs: map[string]string{output: output}})
		if err != nil {
			t.Fatal(err)
		}
		var aliases []string
		for _, in := range sig.Inputs {
			aliases = append(aliases, in.Alias)
		}
		if have := strings.Join(aliases, " "); have != want {
			t.Errorf("%s needs %q, want %q", output, have, want)
		}
	}
}

// TestPythonFunctionsAreRefused: the error comes before any row, and names the node that
// calls a Python function.
func TestPythonFunctionsAreRefused(t *testing.T) {
	needTensorFlow(t)
	graph, err := model.Source{Model: filepath.Join(savings.folder(t), "many")}.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for signature, want := range map[string]string{"serving_default": "(PyFuncStateless) calls a Python function", "python": "(EagerPyFunc) calls a Python function"} {
		_, err := graph.Choose(signature, model.Mapping{})
		var refused *model.ModelError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", signature, err)
		}
	}
}

// TestVariablesWithoutValues: the error comes when the model is loaded. It names only
// variables that an output needs.
func TestVariablesWithoutValues(t *testing.T) {
	needTensorFlow(t)
	req := requestIn(t, savings.folder(t), "unset")
	_, err := predict(t, req)
	var refused *model.ModelError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "have no value") || !strings.Contains(err.Error(), ": lost, lost_ref (") || infer.ExitCode(err) != 2 {
		t.Errorf("%v (code %d)", err, infer.ExitCode(err))
	}
	req.OutputMapping = map[string]string{"good": "good"}
	equal(t, "unset", req)
}

// TestOperationsThatAreNotThere: the error names the operations, and the key of the job
// file that loads a library.
func TestOperationsThatAreNotThere(t *testing.T) {
	needTensorFlow(t)
	program, err := model.Source{Model: filepath.Join(fixtures(t), "two")}.Program("", model.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	program.Operations = append(program.Operations, model.Operation{Name: "TFText>Strange", Node: "layer/strange"})
	_, err = engine.Load(t.Context(), program, 1)
	var refused *model.ModelError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "does not have: TFText>Strange (node layer/strange)") || !strings.Contains(err.Error(), "tensorflow.op_libraries") {
		t.Errorf("%v", err)
	}
	err = engine.LoadLibraries([]string{"no_package"})
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no package of this name") {
		t.Errorf("%v", err)
	}
	err = engine.LoadLibraries([]string{filepath.Join(t.TempDir(), "absent.so")})
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "cannot load this library of operations") {
		t.Errorf("%v", err)
	}
}
