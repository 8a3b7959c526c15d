package model

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

func info(name string, d DType, dims ...int64) *corepb.TensorInfo {
	shape := &shapepb.TensorShapeProto{}
	for _, n := range dims {
		shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: n})
	}
	return &corepb.TensorInfo{Encoding: &corepb.TensorInfo_Name{Name: name}, Dtype: typespb.DataType(d), TensorShape: shape}
}

// sample returns a SavedModel with two graphs. The one for serving has two signatures and
// a variable.
func sample() *corepb.SavedModel {
	serve := &corepb.MetaGraphDef{
		MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
		GraphDef:    &graphpb.GraphDef{Node: []*nodepb.NodeDef{{Name: "v", Op: "VarHandleOp"}}},
		SignatureDef: map[string]*corepb.SignatureDef{
			"__saved_model_init_op": {},
			"serving_default": {
				MethodName: "tensorflow/serving/predict",
				Inputs:     map[string]*corepb.TensorInfo{"x": info("in_x:0", Float32, -1, 4), "a": info("in_a:0", String, -1)},
				Outputs:    map[string]*corepb.TensorInfo{"y": info("Call:1", Int64, -1)},
			},
			"other": {Outputs: map[string]*corepb.TensorInfo{"z": {
				Encoding: &corepb.TensorInfo_Name{Name: "z:0"}, Dtype: typespb.DataType_DT_FLOAT,
				TensorShape: &shapepb.TensorShapeProto{UnknownRank: true}}}},
		},
	}
	tpu := &corepb.MetaGraphDef{MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"tpu", "serve"}}}
	return &corepb.SavedModel{MetaGraphs: []*corepb.MetaGraphDef{serve, tpu}}
}

// write writes a SavedModel into a new folder, with the checkpoint's index.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	for path, b := range map[string][]byte{name: content, "variables/variables.index": nil} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func encoded(t *testing.T, m *corepb.SavedModel) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenReadsSignatures(t *testing.T) {
	text, err := prototext.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"saved_model.pb": encoded(t, sample()), "saved_model.pbtxt": text} {
		m, err := Open(write(t, name, content))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.graphs) != 2 || !slices.Equal(m.graphs[0].Tags, []string{"serve"}) || !slices.Equal(m.graphs[1].Tags, []string{"serve", "tpu"}) {
			t.Errorf("%s: graphs %v", name, m.graphs)
		}
		g, err := m.MetaGraph()
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Signatures) != 2 || g.Signatures[0].Name != "other" || g.Signatures[1].Name != "serving_default" {
			t.Fatalf("%s: signatures %v", name, g.Signatures)
		}
		s, err := g.Signature("")
		if err != nil {
			t.Fatal(err)
		}
		want := &Signature{Name: "serving_default", Method: "tensorflow/serving/predict",
			Inputs: []Tensor{{Alias: "a", Name: "in_a:0", Type: String, Shape: []int64{-1}},
				{Alias: "x", Name: "in_x:0", Type: Float32, Shape: []int64{-1, 4}}},
			Outputs: []Tensor{{Alias: "y", Name: "Call:1", Type: Int64, Shape: []int64{-1}}}}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("%s: have %+v, want %+v", name, s, want)
		}
		if z := g.Signatures[0].Outputs[0]; !z.UnknownRank || z.String() != "float32 of unknown rank" {
			t.Errorf("%s: z is %v", name, z)
		}
	}
}

func TestTagsMatchInAnyOrder(t *testing.T) {
	m, err := Open(write(t, "saved_model.pb", encoded(t, sample())))
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.MetaGraph("tpu", "serve")
	if err != nil || len(g.Tags) != 2 {
		t.Errorf("have %v, %v", g, err)
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	good := write(t, "saved_model.pb", encoded(t, sample()))
	noVariables := write(t, "saved_model.pb", encoded(t, sample()))
	if err := os.RemoveAll(filepath.Join(noVariables, "variables")); err != nil {
		t.Fatal(err)
	}
	ask := func(dir, tag, signature string) error {
		m, err := Open(dir)
		if err != nil {
			return err
		}
		g, err := m.MetaGraph(tag)
		if err != nil {
			return err
		}
		_, err = g.Signature(signature)
		return err
	}
	tests := map[string]struct {
		err  error
		want []string
	}{
		"no folder":     {ask(filepath.Join(good, "absent"), "serve", ""), []string{"does not exist"}},
		"no SavedModel": {ask(write(t, "ckpt-1.index", nil), "serve", ""), []string{"a checkpoint"}},
		"empty folder":  {ask(t.TempDir(), "serve", ""), []string{"holds no saved_model.pb", "model.export()"}},
		"damaged":       {ask(write(t, "saved_model.pb", []byte("\xff\xff\xff")), "serve", ""), []string{"damaged"}},
		"no graph":      {ask(write(t, "saved_model.pb", nil), "serve", ""), []string{"holds no graph"}},
		"no variables":  {ask(noVariables, "serve", ""), []string{"not complete", "variables.index"}},
		"no tag set":    {ask(good, "gpu", ""), []string{"{gpu}", "{serve} {serve,tpu}"}},
		"no signature":  {ask(good, "serve", "predict"), []string{`"predict"`, "other, serving_default"}},
	}
	for name, tt := range tests {
		var m *ModelError
		if !errors.As(tt.err, &m) || m.ExitCode() != 2 {
			t.Errorf("%s: %v is no ModelError of code 2", name, tt.err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(tt.err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, tt.err, want)
			}
		}
	}
}
