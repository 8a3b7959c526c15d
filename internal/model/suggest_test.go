package model

import (
	"strings"
	"testing"
)

// suggest returns the suggestion for a SavedModel with one signature, given as proto text.
func suggest(t *testing.T, signature, nodes string) *Suggestion {
	t.Helper()
	dir := tree(t, map[string]string{"saved_model.pbtxt": `meta_graphs {
		meta_info_def { tags: "serve" } graph_def { ` + nodes + ` }
		signature_def { key: "serving_default" value { ` + signature + ` } } }`})
	d, err := Describe(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d.Suggest()
}

func TestSuggest(t *testing.T) {
	node := func(name, op string, inputs ...string) string {
		text := `node { name: "` + name + `" op: "` + op + `"`
		for _, in := range inputs {
			text += ` input: "` + in + `"`
		}
		return text + " } "
	}
	tensor := func(role, alias, name, kind, dims string) string {
		return role + ` { key: "` + alias + `" value { name: "` + name + `:0" dtype: ` + kind + ` tensor_shape { ` + dims + ` } } } `
	}
	rows := "dim { size: -1 }"
	s := suggest(t,
		tensor("inputs", "a/x", "x", "DT_FLOAT", rows)+tensor("inputs", "b/x", "x2", "DT_FLOAT", rows)+
			tensor("inputs", "keep_prob", "keep", "DT_FLOAT", "")+tensor("inputs", "dropout_rate", "rate", "DT_FLOAT", "")+
			tensor("inputs", "training", "training", "DT_BOOL", "")+tensor("inputs", "unused", "unused", "DT_FLOAT", "")+
			tensor("outputs", "y", "y", "DT_FLOAT", rows)+tensor("outputs", "loss", "loss", "DT_FLOAT", "")+
			tensor("outputs", "png", "png", "DT_STRING", rows),
		node("x", "Placeholder")+node("x2", "Placeholder")+node("keep", "Placeholder")+node("rate", "Placeholder")+
			node("training", "Placeholder")+node("unused", "Placeholder")+
			node("y", "AddN", "x", "x2", "keep", "rate", "training")+node("loss", "Sum", "y")+
			node("png", "EncodePng", "y")+node("token", "WordpieceTokenizeWithOffsets", "y")+node("mine", "MyOwnOp", "y"))
	var got []string
	for _, in := range s.Inputs {
		got = append(got, in.Column+"="+in.Alias)
	}
	for _, c := range s.Constants {
		got = append(got, c.Alias)
		want := map[string]any{"keep_prob": 1.0, "dropout_rate": 0.0, "training": false}[c.Alias]
		if c.Value != want {
			t.Errorf("%s: %v, want %v", c.Alias, c.Value, want)
		}
	}
	for _, out := range s.Outputs {
		got = append(got, out.Alias+">"+out.Column)
	}
	want := "x=a/x b_x=b/x dropout_rate keep_prob training png>png y>y"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
	if text := strings.Join(s.BinaryOutputs, " "); text != "png" {
		t.Errorf("binary: %s", text)
	}
	if text := strings.Join(s.Libraries, " "); text != "tensorflow_text" {
		t.Errorf("libraries: %s", text)
	}
	notes := strings.Join(s.Notes, "\n")
	for _, part := range []string{"operation MyOwnOp is not TensorFlow's", "output loss is left out"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no %q in %s", part, notes)
		}
	}
}

// A sparse input excludes the outputs that need it, and no others.
func TestSuggestLeavesOutWhatNeedsSparseInputs(t *testing.T) {
	s := suggest(t, `
		inputs { key: "s" value { coo_sparse { indices_tensor_name: "i:0" values_tensor_name: "v:0" dense_shape_tensor_name: "d:0" } dtype: DT_FLOAT } }
		inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
		outputs { key: "dense" value { name: "dense:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
		outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }`,
		`node { name: "i" op: "Placeholder" } node { name: "v" op: "Placeholder" } node { name: "d" op: "Placeholder" }
		node { name: "x" op: "Placeholder" } node { name: "y" op: "Neg" input: "x" }
		node { name: "dense" op: "SparseToDense" input: "i" input: "d" input: "v" }`)
	if len(s.Outputs) != 1 || s.Outputs[0].Alias != "y" || len(s.Inputs) != 1 || s.Inputs[0].Alias != "x" {
		t.Errorf("inputs %v, outputs %v", s.Inputs, s.Outputs)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "output dense is left out: it needs input s") {
		t.Errorf("notes %q", s.Notes)
	}
}

// A frozen graph has no types of its operations. They come from operations.txt.
func TestSuggestFrozenGraph(t *testing.T) {
	dir := tree(t, map[string]string{"g.pbtxt": `
		node { name: "in/x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: -1 } dim { size: 4 } } } } }
		node { name: "keep" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } } }
		node { name: "idle" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } } }
		node { name: "half" op: "Mul" input: "in/x" input: "keep" attr { key: "T" value { type: DT_FLOAT } } }
		node { name: "left" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } }
		node { name: "top" op: "TopKV2" input: "half" input: "left" attr { key: "T" value { type: DT_FLOAT } } attr { key: "index_type" value { type: DT_INT64 } } }`})
	d, err := Describe(dir + "/g.pbtxt")
	if err != nil {
		t.Fatal(err)
	}
	s := d.Suggest()
	var got []string
	for _, in := range s.Inputs {
		got = append(got, in.Column+"="+in.Alias)
	}
	for _, c := range s.Constants {
		got = append(got, c.Alias)
	}
	for _, out := range s.Outputs {
		got = append(got, out.Alias+" "+out.Type.String())
	}
	if text := strings.Join(got, " "); d.Kind != KindFrozen || text != "x=in/x:0 keep:0 top:0 float32 top:1 int64" {
		t.Errorf("%s: %s", d.Kind, text)
	}
}
