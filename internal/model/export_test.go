package model

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// A table that tfos writes is read back, over more entries than one restart interval.
func TestWriteTable(t *testing.T) {
	want := map[string]string{}
	for i := range 3*restartInterval + 1 {
		want[fmt.Sprintf("key/%03d", i)] = strings.Repeat("v", i)
	}
	keys := slices.Sorted(maps.Keys(want))
	var values [][]byte
	for _, key := range keys {
		values = append(values, []byte(want[key]))
	}
	have := map[string]string{}
	err := eachEntry(writeTable(keys, values), func(key string, value []byte) error {
		have[key] = string(value)
		return nil
	})
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("%v: %v", err, have)
	}
}

// meta is a graph of TensorFlow 1: w is restored from the key w, and a table is filled
// from the file words.txt.
const meta = `
graph_def {
  node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: -1 } } } } }
  node { name: "w" op: "VarHandleOp" device: "/job:ps/task:0" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: 2 } } } } }
  node { name: "y" op: "Mul" input: "x" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
  node { name: "save/Const" op: "Const" attr { key: "dtype" value { type: DT_STRING } } }
  node { name: "save/keys" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "w" } } } }
  node { name: "save/slices" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "" } } } }
  node { name: "save/RestoreV2" op: "RestoreV2" input: "save/Const" input: "save/keys" input: "save/slices" attr { key: "dtypes" value { list { type: DT_FLOAT } } } }
  node { name: "save/copy" op: "Identity" input: "save/RestoreV2" }
  node { name: "save/assign" op: "AssignVariableOp" input: "w" input: "save/copy" }
  node { name: "save/all" op: "NoOp" input: "^save/assign" }
  node { name: "file" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING string_val: "/gone/words.txt" } } } }
  node { name: "table" op: "HashTableV2" }
  node { name: "fill" op: "InitializeTableFromTextFileV2" input: "table" input: "file" }
}
saver_def { filename_tensor_name: "save/Const:0" restore_op_name: "save/all" }
collection_def { key: "table_initializer" value { node_list { value: "fill" } } }
`

// writeMeta writes the graph and a checkpoint with one value beside it.
func writeMeta(t *testing.T, key string, d DType, dims ...int64) (prefix string) {
	t.Helper()
	prefix = filepath.Join(t.TempDir(), "model.ckpt-1")
	header, err := proto.Marshal(&corepb.BundleHeaderProto{NumShards: 1})
	err = errors.Join(err,
		os.WriteFile(prefix+".meta", []byte(meta), 0o600),
		os.WriteFile(filepath.Join(filepath.Dir(prefix), "words.txt"), []byte("cat\n"), 0o600),
		os.WriteFile(prefix+".index", writeTable([]string{"", key}, [][]byte{header, entry(t, d, 8, dims...)}), 0o600),
		os.WriteFile(prefix+".data-00000-of-00001", make([]byte, 8), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return prefix
}

var squares = SignatureChoice{Declare: map[string]DeclaredSignature{"serve": {Inputs: map[string]string{"a": "x"}, Outputs: map[string]string{"b": "y:0"}}}}

// A .meta file becomes a SavedModel that loads elsewhere: no devices, its table's file
// as an asset, an initialiser, the checkpoint's files under their new names.
func TestExportOfMeta(t *testing.T) {
	prefix := writeMeta(t, "w", Float32, 2)
	dir := filepath.Dir(prefix)
	e, err := ExportSource{Checkpoint: prefix}.Export(squares)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{dir + "/words.txt", "assets/words.txt"}, {prefix + ".index", "variables/variables.index"},
		{prefix + ".data-00000-of-00001", "variables/variables.data-00000-of-00001"}}
	if !slices.Equal(e.Files, want) || e.Values != nil || !slices.Equal(e.TagSet, []string{"serve"}) {
		t.Errorf("files %v, tags %v", e.Files, e.TagSet)
	}
	pb := &corepb.SavedModel{}
	if err := proto.Unmarshal(e.SavedModel, pb); err != nil {
		t.Fatal(err)
	}
	graph := pb.GetMetaGraphs()[0]
	for _, n := range graph.GetGraphDef().GetNode() {
		if n.GetDevice() != "" {
			t.Errorf("%s is on %s", n.GetName(), n.GetDevice())
		}
		if n.GetName() == exportInit && !slices.Equal(n.GetInput(), []string{"^fill"}) {
			t.Errorf("the initialiser is %v", n)
		}
	}
	if have := (&MetaGraph{pb: graph}).mainOp(); !slices.Equal(have, []string{exportInit}) {
		t.Errorf("main op %v", have)
	}
	if a := graph.GetAssetFileDef(); len(a) != 1 || a[0].GetFilename() != "words.txt" || a[0].GetTensorInfo().GetName() != "file:0" {
		t.Errorf("assets %v", a)
	}
	in := graph.GetSignatureDef()["serve"].GetInputs()["a"]
	if in.GetName() != "x:0" || in.GetDtype() != typespb.DataType_DT_FLOAT || in.GetTensorShape().GetDim()[0].GetSize() != -1 {
		t.Errorf("input %v", in)
	}
}

// A SavedModel whose author has put operations on tasks of a cluster loads elsewhere. Other
// devices stay, and a graph that has no tasks keeps its file.
func TestExportWithoutTasks(t *testing.T) {
	dir := writeServed(t, strings.Replace(served, "}\nsaver_def", `library { function { signature { name: "f" }
  node_def { name: "far" op: "NoOp" device: "/job:worker/task:1" }
  node_def { name: "near" op: "NoOp" device: "/device:CPU:0" }
  node_def { name: "here" op: "NoOp" device: "/job:localhost/replica:0/task:0" }
} } }
signature_def { key: "serve" value { inputs { key: "a" value { name: "x:0" } } outputs { key: "b" value { name: "y:0" } } } }
saver_def`, 1))
	checkpoint := writeMeta(t, "w", Float32, 2)
	e, err := ExportSource{Graph: dir, TagSet: []string{"train"}, Checkpoint: checkpoint}.Export(SignatureChoice{})
	if err != nil {
		t.Fatal(err)
	}
	pb := &corepb.SavedModel{}
	if err := proto.Unmarshal(e.SavedModel, pb); err != nil {
		t.Fatal(err)
	}
	def := pb.GetMetaGraphs()[0].GetGraphDef()
	var devices []string
	for _, n := range slices.Concat(def.GetNode(), def.GetLibrary().GetFunction()[0].GetNodeDef()) {
		if n.GetDevice() != "" {
			devices = append(devices, n.GetName())
		}
	}
	if !slices.Equal(devices, []string{"near", "here"}) || slices.ContainsFunc(e.Files, func(f File) bool { return strings.HasPrefix(f.To, "saved_model") }) {
		t.Errorf("devices of %v, files %v", devices, e.Files)
	}
}

// What does not fit is refused, with the variables and with what to do.
func TestExportRefusals(t *testing.T) {
	fits := writeMeta(t, "w", Float32, 2)
	half := writeMeta(t, "w", Float32, 2)
	noFile := writeMeta(t, "w", Float32, 2)
	err := errors.Join(os.Truncate(half+".data-00000-of-00001", 7), os.Remove(filepath.Join(filepath.Dir(noFile), "words.txt")))
	if err != nil {
		t.Fatal(err)
	}
	declare := func(in, out string) SignatureChoice {
		return SignatureChoice{Declare: map[string]DeclaredSignature{"s": {Inputs: map[string]string{"a": in}, Outputs: map[string]string{"b": out}}}}
	}
	for _, c := range []struct {
		prefix string
		choice SignatureChoice
		says   string
	}{
		{writeMeta(t, "v", Float32, 2), squares, "does not fit the graph"},
		{writeMeta(t, "v", Float32, 2), squares, "it lacks w (float32 [2])"},
		{writeMeta(t, "w", Float32, 1, 2), squares, "w is float32 [1,2] in the checkpoint and float32 [2] in the graph"},
		{writeMeta(t, "w", Int32, 2), squares, "w is int32 [2] in the checkpoint and float32 [2] in the graph"},
		{half, squares, "is not complete: model.ckpt-1.data-00000-of-00001 has 7 bytes of 8 (copy it again)"},
		{noFile, squares, "a table reads the file /gone/words.txt, which is not there"},
		{fits, SignatureChoice{}, `signatures: {serving_default: {inputs: {x: "x:0"}, outputs: {y: "y:0"}}}`},
		{fits, SignatureChoice{Keep: []string{"a"}}, "the graph has no signature"},
		{fits, declare("w", "y"), "its outputs need the placeholder x:0 (float32 [-1])"},
		{fits, declare("x", "layer/y:0"), "the graph has no tensor layer/y:0 (there is y:0)"},
	} {
		var refused *ModelError
		if _, err := (ExportSource{Checkpoint: c.prefix}).Export(c.choice); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

// In a folder whose newest checkpoint is not complete, the newest complete one is taken.
func TestExportTakesTheNewestComplete(t *testing.T) {
	prefix := writeMeta(t, "w", Float32, 2)
	newer := filepath.Join(filepath.Dir(prefix), "model.ckpt-2")
	for _, suffix := range []string{".meta", ".index"} {
		content, err := os.ReadFile(prefix + suffix)
		if err = errors.Join(err, os.WriteFile(newer+suffix, content, 0o600), os.Chtimes(newer+suffix, time.Time{}, time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	e, err := ExportSource{Checkpoint: filepath.Dir(prefix)}.Export(squares)
	if err != nil || e.Checkpoint != prefix || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "model.ckpt-2 is not complete (model.ckpt-2.data-00000-of-00001 is missing): model.ckpt-1 is taken") {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := (ExportSource{Checkpoint: newer}).Export(squares); err == nil || !strings.Contains(err.Error(), "give the newest complete one beside it: "+prefix) {
		t.Error(err)
	}
}

// Values are found from whatever object of the checkpoint holds the graph's.
func TestPairKeys(t *testing.T) {
	child := func(name string, id int32) *corepb.TrackableObjectGraph_TrackableObject_ObjectReference {
		return &corepb.TrackableObjectGraph_TrackableObject_ObjectReference{LocalName: name, NodeId: id}
	}
	own := trackedObjects()
	around := trackedObjects()
	for _, node := range around.Nodes {
		for _, c := range node.Children {
			c.NodeId++
		}
		for _, a := range node.Attributes {
			a.CheckpointKey = "model/" + a.CheckpointKey
		}
	}
	root := &corepb.TrackableObjectGraph_TrackableObject{Children: []*corepb.TrackableObjectGraph_TrackableObject_ObjectReference{child("model", 1)}}
	around.Nodes = append([]*corepb.TrackableObjectGraph_TrackableObject{root}, around.Nodes...)
	want := map[string]string{}
	for _, node := range own.Nodes {
		for _, a := range node.Attributes {
			want[a.CheckpointKey] = "model/" + a.CheckpointKey
		}
	}
	if have := pairKeys(own, around, 1); !reflect.DeepEqual(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
	if have := pairKeys(own, around, 0); len(have) != 0 {
		t.Errorf("from another object: %v", have)
	}
}

func TestKerasFile(t *testing.T) {
	h5 := func(text string) string {
		path := filepath.Join(t.TempDir(), "m.h5")
		if err := os.WriteFile(path, []byte(string(hdf5Magic)+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		h5("model_config\x00 keras_version 3.15.1"): "keras",
		h5("model_config\x00 keras_version 2.19.0"): "tf_keras",
		h5("layer_names"): "",
		t.TempDir():       "",
	} {
		library, ok := KerasFile(path)
		if ok != (want != "") || ok && library != want {
			t.Errorf("%s: %q, %v, want %q", path, library, ok, want)
		}
	}
	err := refuseHDF5(h5("model_config\x00"), readHead(h5("model_config\x00")))
	if !strings.Contains(err.Error(), "\n  tfos export ") {
		t.Error(err)
	}
}
