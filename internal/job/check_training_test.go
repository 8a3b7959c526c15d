package job

import (
	"cmp"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/exit"
	"tfos/internal/files"
)

// trainable is the graph of a .meta file: a variable w, a step that updates it, and
// signatures.
const trainable = `
graph_def {
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "y" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
  node {
    name: "w" op: "VarHandleOp"
    attr { key: "dtype" value { type: DT_FLOAT } }
    attr { key: "shape" value { shape { } } }
    attr { key: "shared_name" value { s: "w" } }
  }
  node { name: "w/zero" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 0 } } } }
  node { name: "w/Assign" op: "AssignVariableOp" input: "w" input: "w/zero" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "w/Read" op: "ReadVariableOp" input: "w" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "difference" op: "Sub" input: "x" input: "y" attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "axes" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 0 } } } }
  node { name: "mean" op: "Mean" input: "difference" input: "axes" attr { key: "T" value { type: DT_FLOAT } } attr { key: "Tidx" value { type: DT_INT32 } } }
  node { name: "loss" op: "Mul" input: "mean" input: "w/Read" attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "update" op: "AssignSubVariableOp" input: "w" input: "loss" attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "stepped" op: "Identity" input: "loss" input: "^update" attr { key: "T" value { type: DT_FLOAT } } }
}
collection_def { key: "variables" value { bytes_list { value: "\n\001w\022\010w/Assign\032\010w/Read:0(\001" } } }
collection_def { key: "init_op" value { node_list { value: "w/Assign" } } }
signature_def {
  key: "train"
  value {
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    inputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    outputs { key: "loss" value { name: "stepped:0" dtype: DT_FLOAT tensor_shape { } } }
  }
}
signature_def {
  key: "fixed"
  value {
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: 32 } } } }
    inputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { dim { size: 32 } } } }
    outputs { key: "loss" value { name: "stepped:0" dtype: DT_FLOAT tensor_shape { } } }
  }
}
signature_def {
  key: "evaluate"
  value {
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    inputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    outputs { key: "loss" value { name: "loss:0" dtype: DT_FLOAT tensor_shape { } } }
    outputs { key: "accuracy" value { name: "mean:0" dtype: DT_FLOAT tensor_shape { } } }
  }
}
signature_def {
  key: "featureless"
  value {
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    outputs { key: "loss" value { name: "loss:0" dtype: DT_FLOAT tensor_shape { } } }
  }
}
signature_def {
  key: "silent"
  value {
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    outputs { key: "z" value { name: "mean:0" dtype: DT_FLOAT tensor_shape { } } }
  }
}
`

// saver and collections are more of a graph: what restores its variables, and what a
// step of TensorFlow 1 is.
const (
	saver       = `saver_def { restore_op_name: "w/Assign" filename_tensor_name: "w/zero:0" }`
	collections = `
collection_def { key: "train_op" value { node_list { value: "update" } } }
collection_def { key: "losses" value { node_list { value: "loss:0" } } }
`
)

// writeTexts writes a parquet file with columns of text.
func writeTexts(t *testing.T, path string, columns ...string) {
	t.Helper()
	var fields []arrow.Field
	for _, name := range columns {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String})
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := files.NewWriter(files.Parquet, f, arrow.NewSchema(fields, nil), files.WriteOptions{})
	if err == nil {
		err = w.Close()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestTrainingContract: what the graph does not have is the job's fault, what does not
// fit it the data's.
func TestTrainingContract(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"g.meta":      trainable,
		"saver.meta":  trainable + saver,
		"bare.meta":   strings.Split(trainable, "signature_def")[0] + collections + saver,
		"rows/a.json": `{"x": 1, "y": 2, "z": 3}` + "\n",
		"more/a.json": `{"x": 1, "label": 2, "other": 3}` + "\n",
		"none/x":      "",
		"job.yaml":    "app: {graph: {path: g.meta}}\ninput: {path: rows, format: json}\nlocal: true\nallow_narrowing: true\n",
	})
	writeTexts(t, filepath.Join(dir, "rows.parquet"), "x", "y")
	const both = "input={train: {path: rows, format: json}, validation: {path: rows, format: json}}"
	for _, c := range []struct {
		sets  []string
		want  string // of the fault; "": none
		code  exit.Code
		lines int
	}{
		{nil, "", 0, 2},
		{[]string{both}, "", 0, 4},
		{[]string{"input_mode=tensorflow"}, "", 0, 2},
		{[]string{"allow_narrowing=false"}, "input.path: %/rows: model: the columns do not fit signature \"train\": input x: column x is int64, the tensor is float32 [-1]: cast the column to float, or say allow_narrowing: true, which rounds", 6, 2},
		{[]string{"input.path=more", "input_mapping={label: y, x: x}"}, "", 0, 2},
		{[]string{"local=false", "spark.master=yarn"}, "", 0, 0}, // whose files are not here
		{[]string{"local=false", "input={table: t}"}, "", 0, 0},  // the members see it
		{[]string{"local=false", "input={table: t}", "app.graph.train_signature=step"}, `app.graph.path: %/g.meta: there is no signature "step" (signatures there: `, 2, 0},
		{[]string{"app.graph.train_signature=silent"}, `app.graph.path: %/g.meta: signature "silent" has no output loss (outputs there: z)`, 2, 0},
		{[]string{both, "app.graph.eval_signature=score"}, `app.graph.path: %/g.meta: there is no signature "score"`, 2, 0},
		{[]string{"local=false", "strategy=all_reduce", "cluster_size=2"}, `app.graph.path: %/g.meta: strategy all_reduce needs a signature "train_all_reduce"`, 2, 0},
		{[]string{"strategy=all_reduce", "cluster_size=2"}, "", 0, 2}, // here there is one member
		{[]string{both, "early_stopping.metric=auc"}, "early_stopping.metric: auc: signature evaluate has no such metric (metrics there: loss, accuracy)", 2, 4},
		{[]string{both, "early_stopping.metric=accuracy"}, "", 0, 4},
		{[]string{"export_dir=out"}, "", 0, 2},
		{[]string{"export_dir=out", "app.graph.path=saver.meta"}, "", 0, 2},
		{[]string{"export_dir=out", "app.graph.path=bare.meta"}, "export_dir: %/out: %/bare.meta: the graph has no signature, which a SavedModel needs (leave export_dir out", 2, 2},
		{[]string{"app.graph.path=bare.meta"}, "", 0, 2},
		{[]string{"app.graph.train_signature=fixed"}, "batch_size: 100: must be 32: signature fixed takes so many rows at a time", 2, 2},
		{[]string{"app.graph.train_signature=fixed", "batch_size=32"}, "", 0, 2},
		{[]string{"input.path=none", "input.format=parquet"}, "input.path: %/none: ", 6, 0},
		{[]string{"input={path: rows.parquet}"}, "input.path: %/rows.parquet: model: the columns do not fit signature \"train\": input x: column x is utf8, the tensor is float32 [-1]: cast the column to float; input y:", 6, 2},
		{[]string{"input_mapping={gone: x, y: y}"}, "input x: there is no column gone (columns there: y)\n       column", 6, 2},
		{[]string{"input_mapping={x: x}"}, "input y: no column feeds it (columns there: x): name one in input_mapping", 6, 2},
		{[]string{"input_mapping={x: z, y: y}"}, "z is not an input of the signature (inputs there: x, y)", 6, 2},
		{[]string{"app.graph.eval_signature=featureless", "input_mapping={x: x, y: y}", "input={train: {path: rows, format: json}, validation: {path: more, format: json}}"}, "input.validation.path: %/more: there is no column y, which input_mapping names", 6, 3},
		{[]string{"input={train: {path: rows, format: json}, validation: {path: more, format: json}}"}, "input.validation.path: %/more: model: the columns do not fit signature \"evaluate\"", 6, 4},
	} {
		s, err := Load(filepath.Join(dir, "job.yaml"), Train, c.sets)
		if err != nil {
			t.Fatalf("%v: %v", c.sets, err)
		}
		lines, err := Contract(t.Context(), s, func(string) {})
		var faults Faults
		text := ""
		if errors.As(err, &faults) {
			text = strings.ReplaceAll(faults.Error(), dir, "%")
		}
		if faults.Code() != c.code || (err == nil) != (c.want == "") || !strings.Contains(text, c.want) || len(lines) != c.lines {
			t.Errorf("%v: code %d, %d lines, %s\nwant %d, %d, %q", c.sets, faults.Code(), len(lines), text, c.code, c.lines, c.want)
		}
	}
}

// TestGraphThere: what names no graph, or no values, is told before anything starts.
func TestGraphThere(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"g.meta": trainable, "rows/a.json": "{}\n", "other/notes.txt": "", "saved/saved_model.pbtxt": echoModel,
		"metas/b.meta": trainable, "metas/a.meta": trainable, "metas/a.index": "",
		"g.h5":      "\x89HDF\r\n\x1a\n" + strings.Repeat("\x00", 64) + "model_config\x00",
		"m-5.index": "", "m-5.data-00000-of-00001": "",
		"job.yaml": "app: {graph: {path: g.meta}}\ninput: {path: rows, format: json}\nexport_dir: out\n",
	})
	for _, c := range []struct {
		sets []string
		want string // of the fault; "": none
		code exit.Code
	}{
		{nil, "", 0},
		{[]string{"app.graph.path=saved"}, "", 0},
		{[]string{"app.graph.path=none.meta"}, "app.graph.path: %/none.meta: does not exist", 2},
		{[]string{"app.graph.path=none"}, "app.graph.path: %/none: does not exist on this machine", 2},
		{[]string{"app.graph.path=other"}, "app.graph.path: %/other: ", 2},
		{[]string{"app.graph.path=metas"}, "app.graph.path: %/metas: it is no SavedModel, but graphs in it are (give one of them: %/metas/a.meta, %/metas/b.meta)", 2},
		{[]string{"app.graph.path=g.h5"}, "app.graph.path: %/g.h5: is a Keras file, which holds no training step for TensorFlow: export one in Python with tfos.graph.export_training", 2},
		{[]string{"app.graph.path=none.meta", "spark.master=yarn"}, "", 0}, // executors see other files
		{[]string{"app.graph.init_from=saved"}, "", 0},
		{[]string{"app.graph.init_from=m-5"}, "", 0},
		{[]string{"app.graph.init_from=none"}, "app.graph.init_from: %/none: does not exist", 2},
		{[]string{"app.graph.init_from=other"}, "app.graph.init_from: %/other: has neither a checkpoint nor a SavedModel", 2},
		{[]string{"export_dir=other"}, "export_dir: %/other: exists already", 7},
	} {
		s, err := Load(filepath.Join(dir, "job.yaml"), Train, c.sets)
		if err != nil {
			t.Fatalf("%v: %v", c.sets, err)
		}
		err = Check(t.Context(), s)
		var faults Faults
		text := ""
		if errors.As(err, &faults) {
			text = strings.ReplaceAll(faults.Error(), dir, "%")
		}
		if faults.Code() != c.code || (err == nil) != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%v: code %d, %s\nwant %d, %q", c.sets, faults.Code(), text, c.code, c.want)
		}
	}
}

// checkpoints are index files that tf.raw_ops.SaveV2 of TensorFlow 2.19 wrote, in
// base64: of w = 1, and of w = [1, 2].
var checkpoints = map[string]string{
	"fits":  "AAAGCAEaAggBAAELdwgBEgAoBDWBpdorAAAAAAEAAAAAgeQNTQAAAAABAAAAAMDyobAAAQJ4ACAAAAAAAQAAAADh7WXaJQgyDgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFf7gIskdUfb",
	"shape": "AAAGCAEaAggBAAEPdwgBEgQSAggCKAg1WTzlNQAAAAABAAAAAAkhrcMAAAAAAQAAAADA8qGwAAECeAAkAAAAAAEAAAAAqzBwfykINg4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABX+4CLJHVH2w==",
}

// TestInitialValues: values that fit no variable are found before anything starts.
func TestInitialValues(t *testing.T) {
	for name, want := range map[string]string{
		"fits":  "",
		"shape": "app.graph.init_from: %/m/ckpt-7: none of its values fits a variable of the graph %/g.meta: w (",
		"gone":  "app.graph.init_from: %/m/ckpt-7: the checkpoint is not complete: ckpt-7.data-00000-of-00001 is missing",
	} {
		index, err := base64.StdEncoding.DecodeString(checkpoints[cmp.Or(map[string]string{"gone": "fits"}[name], name)])
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		files := map[string]string{
			"g.meta": trainable, "rows/a.json": `{"x": 1, "y": 2}` + "\n",
			"m/ckpt-7.index": string(index), "m/ckpt-7.data-00000-of-00001": strings.Repeat("\x00", 8),
			"job.yaml": "app: {graph: {path: g.meta, init_from: m/ckpt-7}}\ninput: {path: rows, format: json}\nallow_narrowing: true\nlocal: true\nmodel_dir: new\n",
		}
		if name == "gone" {
			delete(files, "m/ckpt-7.data-00000-of-00001")
		}
		faults, text, err := checkFiles(t, dir, files)
		if (err == nil) != (want == "") || !strings.Contains(text, want) || want != "" && faults.Code() != exit.Usage {
			t.Errorf("%s: code %d, %s\nwant %q", name, faults.Code(), text, want)
		}
	}
}

// checkFiles writes files of a folder, and checks the job.yaml among them. text is what
// faults say, with % for the folder.
func checkFiles(t *testing.T, dir string, files map[string]string) (faults Faults, text string, err error) {
	t.Helper()
	writeTree(t, dir, files)
	s, err := Load(filepath.Join(dir, "job.yaml"), Train, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Contract(t.Context(), s, func(string) {})
	errors.As(err, &faults)
	return faults, strings.ReplaceAll(faults.Error(), dir, "%"), err
}

// TestResumable: a checkpoint that the training would go on from must fit the graph.
func TestResumable(t *testing.T) {
	for name, want := range map[string]string{
		"fits":  "",
		"shape": "the checkpoint does not fit the graph %/g.meta: w is float32 [2] in the checkpoint and float32 [] in the graph: choose another model_dir",
	} {
		dir := t.TempDir()
		index, err := base64.StdEncoding.DecodeString(checkpoints[name])
		if err != nil {
			t.Fatal(err)
		}
		faults, text, err := checkFiles(t, dir, map[string]string{
			"g.meta": trainable, "rows/a.json": `{"x": 1, "y": 2}` + "\n",
			"m/ckpt-7.index": string(index), "m/ckpt-7.data-00000-of-00001": strings.Repeat("\x00", 8), "m/ckpt-7.meta": trainable,
			"m/checkpoint": `model_checkpoint_path: "ckpt-7"` + "\n",
			"job.yaml":     "app: {graph: {path: g.meta}}\ninput: {path: rows, format: json}\nmodel_dir: m\nallow_narrowing: true\nlocal: true\n",
		})
		if (err == nil) != (want == "") || !strings.Contains(text, want) || want != "" && (faults.Code() != exit.Usage || !strings.Contains(text, "model_dir: %/m/ckpt-7: ")) {
			t.Errorf("%s: code %d, %s\nwant %q", name, faults.Code(), text, want)
		}
	}
}
