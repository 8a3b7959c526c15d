package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files with their content, which may be empty.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolve(t *testing.T) {
	dir := tree(t, map[string]string{
		"m/saved_model.pb": "", "text/saved_model.pbtxt": "", "text/variables/variables.index": "",
		"v/9/saved_model.pb": "", "v/10/saved_model.pb": "", "v/11/unfinished": "", "v/best/saved_model.pb": "", "one/0007/saved_model.pb": "",
		"hub/8f2c/saved_model.pb": "", "hub/8f2c.descriptor.txt": "Module: https://tfhub.dev/google/mine/1\n", "hub/91aa/saved_model.pb": "",
		"old/saved_model.pb": "", "old/tfhub_module.pb": "", "frozen/graph.pbtxt": `node { name: "x" op: "Placeholder" }`,
		"c/model.ckpt-3.index": "", "k/model.keras": "PK", "l/m.tflite": "\x1c\x00\x00\x00TFL3", "junk/saved.pb": "no graph",
	})
	for _, c := range []struct {
		source Source
		path   string // "": an error
		says   string // the note, or the error
	}{
		{Source{Model: "m"}, "m", ""},
		{Source{Model: "m/saved_model.pb"}, "m", ""},
		{Source{Model: "text/saved_model.pbtxt"}, "text", ""},
		{Source{Model: "v"}, "v/10", "version 10 is taken, the highest of 9, 10"},
		{Source{Model: "one"}, "one/0007", ""},
		{Source{Model: "frozen/graph.pbtxt"}, "frozen/graph.pbtxt", ""},
		{Source{Checkpoint: "c"}, "c/model.ckpt-3", ""},
		{Source{Model: "hub"}, "", "hub/8f2c (https://tfhub.dev/google/mine/1), %/hub/91aa"},
		{Source{Model: "old"}, "", "tf.compat.v1.saved_model.load_v2"},
		{Source{Model: "frozen"}, "", "give the file: %/frozen/graph.pbtxt"},
		{Source{Model: "text/variables"}, "", "give the SavedModel: %/text"},
		{Source{Model: "c"}, "", "runs as model_dir"},
		{Source{Model: "l"}, "", "holds m.tflite, and no saved_model.pb"},
		{Source{Model: "junk/saved.pb"}, "", "no model that TensorFlow wrote"},
		{Source{Model: "absent"}, "", "does not exist"},
		{Source{Model: "l/m/"}, "", "%/l/m: does not exist, but m.tflite beside it: it is a TensorFlow Lite file"},
		{Source{Model: "l/m.tf"}, "", "give a SavedModel"},
		{Source{Checkpoint: "m"}, "", "export_dir: %/m"},
		{Source{Checkpoint: "l/m.tflite"}, "", "TensorFlow Lite"},
		{Source{Checkpoint: "absent"}, "", "no such checkpoint"},
	} {
		named := c.source.Path()
		in := func(path string) string {
			if path == "" {
				return ""
			}
			return filepath.Join(dir, path)
		}
		settled, note, err := Source{Model: in(c.source.Model), Checkpoint: in(c.source.Checkpoint)}.Resolve()
		says := note
		if err != nil {
			says = err.Error()
		}
		says = strings.ReplaceAll(says, dir, "%")
		switch {
		case (err == nil) != (c.path != ""):
			t.Errorf("%s: %v", named, err)
		case err == nil && settled.Path() != in(c.path):
			t.Errorf("%s: settled on %s, want %s", named, settled.Path(), c.path)
		case err == nil && says != c.says || !strings.Contains(says, c.says):
			t.Errorf("%s: says %q, want %q", named, says, c.says)
		}
	}
}

// A quoted text that a shell or Python reads is the original text.
func TestCommandsQuote(t *testing.T) {
	if got := shellQuote("it's a model"); got != `'it'\''s a model'` {
		t.Error(got)
	}
	if got := shellQuote("models/m-1.keras"); got != "models/m-1.keras" {
		t.Error(got)
	}
	if got := pythonQuote(`a"b`); got != `"a\"b"` {
		t.Error(got)
	}
}

// The suggested command restores a TensorFlow 2 checkpoint under the name under which it
// was saved.
func TestCheckpointHolder(t *testing.T) {
	value := "/.ATTRIBUTES/VARIABLE_VALUE"
	for want, names := range map[string][]string{
		"net":                  {"net/a" + value, "net/b" + value, "optimizer/m" + value, "optimizer/v" + value, "optimizer/w" + value, "save_counter" + value},
		"layer_with_weights-0": {"layer_with_weights-0/kernel" + value},
		"":                     {"dense/kernel", "dense/bias"},
	} {
		var variables []Variable
		for _, name := range names {
			variables = append(variables, Variable{Name: name})
		}
		if got := checkpointHolder(variables); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
}
