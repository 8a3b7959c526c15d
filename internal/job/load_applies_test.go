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
// Graph programs are planned by a later capability: of theirs only the refusals
// are seen here ("" in place of a cell).
var keyCells = []struct {
	set       string
	parameter string
	value     any
	cells     [4]cell
}{
	{"batch_size=7", "batch_size", 7, [4]cell{both, passed, "", ""}},
	{"epochs=3", "epochs", 3, [4]cell{both, passed, "", ""}},
	{"steps=9", "steps", int64(9), [4]cell{both, passed, "", ""}},
	{"shuffle={buffer: 5}", "", nil, [4]cell{acted, refused, "", ""}},
	{"epoch_cache=5g", "", nil, [4]cell{acted, refused, "", refused}},
	{"feeder=pipe", "", nil, [4]cell{acted, refused, "", refused}},
	{"read_by=spark", "", nil, [4]cell{acted, refused, "", refused}},
	{"readers=2", "readers", 2, [4]cell{refused, passed, refused, ""}},
	{"checkpoint={every_steps: 5}", "", nil, [4]cell{refused, refused, "", ""}},
	{"model_dir=n", "model_dir", "/jobs/n", [4]cell{passed, passed, "", ""}},
	{"export_dir=e", "export_dir", "/jobs/tfos-digits-1.e", [4]cell{both, both, "", ""}},
	{"export_format=saved_model", "", nil, [4]cell{"", "", refused, refused}}, // acts on export_dir: TestExportFormat
	{"protocol=rdma", "protocol", "rdma", [4]cell{passed, passed, "", ""}},
	{"tensorboard=true", "tensorboard", true, [4]cell{passed, passed, "", ""}},
	{"input.path=other", "input_path", "/jobs/other", [4]cell{both, passed, "", ""}},
	{"input.format=csv", "input_format", "csv", [4]cell{both, passed, "", ""}},
	{"input.options={header: 'true'}", "", nil, [4]cell{acted, refused, "", ""}},
	{"input={table: db.t}", "input_path", nil, [4]cell{both, refused, "", refused}},
	{"input={sql: select 1}", "input_path", nil, [4]cell{both, refused, "", refused}},
	{"input={train: {path: a}, validation: {path: b}}", "validation_path", "/jobs/b", [4]cell{both, passed, "", ""}},
	{"input={train: {path: a}, validation: {table: t}}", "", nil, [4]cell{acted, refused, "", refused}},
	{"input={train: {path: a}, validation: {path: b, format: csv}}", "validation_format", "csv", [4]cell{both, passed, "", ""}},
	{"input_mapping={a: x}", "input_mapping", map[string]string{"a": "x"}, [4]cell{both, passed, "", ""}},
	{"output={path: o}", "", nil, [4]cell{acted, refused, refused, refused}},
	{"tensorflow={lib_dir: /tf}", "", nil, [4]cell{refused, refused, "", ""}},
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

func parametersOf(p *Plan) map[string]any {
	parameters, ok := p.Node.Context["parameters"].(map[string]any)
	if !ok {
		panic(fmt.Sprintf("parameters are %T", p.Node.Context["parameters"]))
	}
	return parameters
}
