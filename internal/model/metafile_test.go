package model

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// served is the graph meta as a SavedModel has it: its initialiser is a signature, and
// the file of its table is an asset.
var served = strings.Replace(meta, `collection_def { key: "table_initializer" value { node_list { value: "fill" } } }`, `
meta_info_def { tags: "train" }
signature_def { key: "__saved_model_init_op" value { outputs { key: "__saved_model_init_op" value { name: "fill" } } } }
asset_file_def { tensor_info { name: "file:0" } filename: "words.txt" }
`, 1)

// writeServed writes a SavedModel of one graph.
func writeServed(t *testing.T, graph string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := errors.Join(os.Mkdir(dir+"/variables", 0o700),
		os.WriteFile(dir+"/saved_model.pbtxt", []byte("meta_graphs {"+graph+"}"), 0o600),
		os.WriteFile(dir+"/variables/variables.index", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMetaFileOfASavedModel: with it a checkpoint is a model with the same graph and
// initialiser, which reads the SavedModel's assets, and which can be exported.
func TestMetaFileOfASavedModel(t *testing.T) {
	dir := writeServed(t, served)
	raw, err := MetaFile(dir, []string{"train"})
	if err != nil {
		t.Fatal(err)
	}
	prefix := writeMeta(t, "w", Float32, 2)
	if err := errors.Join(os.WriteFile(prefix+".meta", raw, 0o600), os.Remove(filepath.Dir(prefix)+"/words.txt"),
		os.Mkdir(dir+"/assets", 0o700), os.WriteFile(dir+"/assets/words.txt", []byte("cat\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	graph, start, err := Source{Checkpoint: filepath.Dir(prefix)}.open()
	if err != nil || start.prefix != prefix || !slices.Equal(start.init, []string{"fill"}) || len(start.files) > 0 {
		t.Fatalf("%+v, %v", start, err)
	}
	if have, want := len(graph.pb.GetGraphDef().GetNode()), strings.Count(meta, "node {"); have != want {
		t.Errorf("%d nodes of %d", have, want)
	}
	e, err := ExportSource{Checkpoint: prefix}.Export(squares)
	if err != nil || e.Files[0] != (File{dir + "/assets/words.txt", "assets/words.txt"}) {
		t.Errorf("its export: %+v, %v", e, err)
	}
}

// TestMetaFileOfAMetaFile is its content, whatever this is.
func TestMetaFileOfAMetaFile(t *testing.T) {
	prefix := writeMeta(t, "w", Float32, 2)
	if raw, err := MetaFile(prefix+".meta", nil); err != nil || string(raw) != meta {
		t.Errorf("%q, %v", raw, err)
	}
}

func TestMetaFileRefusals(t *testing.T) {
	dir := writeServed(t, served)
	for path, want := range map[string]string{
		dir:                 "no graph has the tag set {serve}",
		dir + "/none":       "does not exist",
		dir + "/model.meta": "cannot be read",
	} {
		var fault *ModelError
		if _, err := MetaFile(path, nil); !errors.As(err, &fault) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestCheckpointProblem(t *testing.T) {
	for want, damage := range map[string]func(prefix string) error{
		"":                                   func(string) error { return nil },
		"model.ckpt-1.index: cannot be read": func(p string) error { return os.Remove(p + ".index") },
		"model.ckpt-1.index: it is damaged":  func(p string) error { return os.Truncate(p+".index", 30) },
		"model.ckpt-1.data-00000-of-00001 is missing":       func(p string) error { return os.Remove(p + ".data-00000-of-00001") },
		"model.ckpt-1.data-00000-of-00001 has 7 bytes of 8": func(p string) error { return os.Truncate(p+".data-00000-of-00001", 7) },
	} {
		prefix := writeMeta(t, "w", Float32, 2)
		if err := damage(prefix); err != nil {
			t.Fatal(err)
		}
		if have := CheckpointProblem(prefix); have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
}
