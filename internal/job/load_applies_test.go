package job

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// cell is what becomes of a key in one column of the key table.
type cell string

const (
	refused cell = "refused" // a fault, by name
	acted   cell = "acted"   // the plan differs
	passed  cell = "args"    // the program gets it
	both    cell = "both"
)

// columns of the table: application and input mode.
var tableColumns = []struct {
	name string
	text string
}{
	{"python, spark", "app: {python: {file: t.py, function: f}}\ncluster_size: 1\nmodel_dir: m\nepochs: 2\ninput: {path: in}\n"},
	{"python, tensorflow", "app: {python: {file: t.py, function: f}}\ncluster_size: 1\nmodel_dir: m\nepochs: 2\ninput: {path: in}\ninput_mode: tensorflow\n"},
	{"graph, spark", "app: {graph: {path: g}}\ncluster_size: 1\nmodel_dir: m\nepochs: 2\ninput: {path: in}\n"},
	{"graph, tensorflow", "app: {graph: {path: g}}\ncluster_size: 1\nmodel_dir: m\nepochs: 2\ninput: {path: in}\ninput_mode: tensorflow\n"},
}

// keyCells is the key table (docs/job-file.md): set, the parameter that a
// program finds it under and its value there, and the columns in their order.
// "": not seen here.
var keyCells = []struct {
	set       string
	parameter string
	value     any
	cells     [4]cell
}{
	{"batch_size=7", "batch_size", 7, [4]cell{both, passed, acted, acted}},
	{"epochs=3", "epochs", 3, [4]cell{both, passed, acted, acted}},
	{"steps=9", "steps", int64(9), [4]cell{both, passed, acted, acted}},
	{"shuffle={buffer: 5}", "", nil, [4]cell{acted, refused, acted, acted}},
	{"epoch_cache=5g", "", nil, [4]cell{acted, refused, acted, refused}},
	{"feeder=pipe", "", nil, [4]cell{acted, refused, acted, refused}},
	{"read_by=spark", "", nil, [4]cell{acted, refused, acted, refused}},
	{"readers=2", "readers", 2, [4]cell{refused, passed, refused, acted}},
	{"checkpoint={every_steps: 5}", "", nil, [4]cell{refused, refused, acted, acted}},
	{"checkpoint.keep=2", "", nil, [4]cell{"", "", acted, acted}},
	{"on_non_finite=skip", "", nil, [4]cell{refused, refused, acted, acted}},
	{"tag_set=train", "", nil, [4]cell{refused, refused, acted, acted}},
	{"allow_narrowing=true", "", nil, [4]cell{refused, refused, acted, acted}},
	{"local=true", "", nil, [4]cell{refused, refused, acted, acted}},
	{"model_dir=n", "model_dir", "/jobs/n", [4]cell{both, both, acted, acted}},
	{"export_dir=e", "export_dir", "/jobs/tfos-digits-1.e", [4]cell{both, both, acted, acted}},
	{"export_format=saved_model", "", nil, [4]cell{"", "", refused, refused}},        // acts on export_dir: TestExportFormat
	{"protocol=rdma", "protocol", "rdma", [4]cell{passed, passed, refused, refused}}, // one member has no server: TestGraphProtocol
	{"tensorboard=true", "tensorboard", true, [4]cell{both, both, refused, refused}},
	{"input.path=other", "input_path", "/jobs/other", [4]cell{both, passed, acted, acted}},
	{"input.format=csv", "input_format", "csv", [4]cell{both, passed, acted, acted}},
	{"input.options={header: 'true'}", "", nil, [4]cell{acted, refused, acted, acted}},
	{"input={table: db.t}", "input_path", nil, [4]cell{both, refused, acted, refused}},
	{"input={sql: select 1}", "input_path", nil, [4]cell{both, refused, acted, refused}},
	{"input={train: {path: a}, validation: {path: b}}", "validation_path", "/jobs/b", [4]cell{both, passed, acted, acted}},
	{"input={train: {path: a}, validation: {table: t}}", "", nil, [4]cell{acted, refused, acted, refused}},
	{"input={train: {path: a}, validation: {path: b, format: csv}}", "validation_format", "csv", [4]cell{both, passed, acted, acted}},
	{"input_mapping={a: x}", "input_mapping", map[string]string{"a": "x"}, [4]cell{both, passed, acted, acted}},
	{"output={path: o}", "", nil, [4]cell{acted, refused, refused, refused}},
	{"tensorflow={lib_dir: /tf}", "", nil, [4]cell{refused, refused, acted, acted}},
	{"tensorflow.op_libraries=[./ops.so]", "", nil, [4]cell{"", "", acted, acted}},
	{"app.graph.train_signature=step", "", nil, [4]cell{"", "", acted, acted}},
	{"app.graph.init_from=old", "", nil, [4]cell{"", "", acted, acted}},
	{"resources.worker.env={A: b}", "", nil, [4]cell{acted, acted, acted, acted}},
	{"resources.all.env={A: b}", "", nil, [4]cell{acted, acted, acted, acted}},
}

func TestKeyTable(t *testing.T) {
	for _, row := range keyCells {
		for i, column := range tableColumns {
			if want := row.cells[i]; want != "" {
				t.Run(column.name+" "+row.set, func(t *testing.T) {
					if got := cellOf(t, column.text, row.set, row.parameter, row.value); got != want {
						t.Errorf("%s, want %s", got, want)
					}
				})
			}
		}
	}
}

// cellOf sets a key and looks at what has changed.
func cellOf(t *testing.T, text, set, parameter string, value any) cell {
	t.Helper()
	key, _, _ := strings.Cut(set, "=")
	for _, f := range faultsOf(Train, text, set) {
		if strings.HasPrefix(f.Path, key) && strings.Contains(f.Error(), "does not apply") {
			return refused
		}
	}
	before, after := tablePlan(t, text), tablePlan(t, text, set)
	given := parameter != "" && reflect.DeepEqual(parametersOf(after)[parameter], value) &&
		!reflect.DeepEqual(parametersOf(before)[parameter], value)
	delete(before.Node.Context, "parameters")
	delete(after.Node.Context, "parameters")
	changed := !reflect.DeepEqual(before, after)
	switch {
	case given && changed:
		return both
	case given:
		return passed
	case changed:
		return acted
	}
	return "ignored"
}

// tablePlan is the plan without its text for people.
func tablePlan(t *testing.T, text string, sets ...string) *Plan {
	t.Helper()
	p, err := MakePlan(spec(t, Train, text, sets...), testEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	p.summary = summary{}
	return p
}

// parametersOf are what a Python program gets; nil for a graph.
func parametersOf(p *Plan) map[string]any {
	if p.Node.Child.Kind == "engine" {
		return nil
	}
	parameters, ok := p.Node.Context["parameters"].(map[string]any)
	if !ok {
		panic(fmt.Sprintf("parameters are %T", p.Node.Context["parameters"]))
	}
	return parameters
}
