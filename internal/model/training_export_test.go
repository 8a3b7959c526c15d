package model

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// withoutSaver is a graph of TensorFlow 1 without a saver.
func withoutSaver() *corepb.MetaGraphDef {
	pb := metaGraph()
	pb.SaverDef = nil
	return pb
}

// TestMetaFileGetsASaver: the .meta file beside the checkpoints of a graph without a saver
// makes a model of them, which has all of the author's variables. The file trains again,
// and then gets no second saver.
func TestMetaFileGetsASaver(t *testing.T) {
	first, err := openMetaTraining(t, withoutSaver(), TrainingSource{})
	if err != nil {
		t.Fatal(err)
	}
	var contents [][]byte
	for trained := first; len(contents) < 2; {
		content, err := trained.MetaFile(nil)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, content)
		prefix := filepath.Join(t.TempDir(), "ckpt-1")
		writeKeys(t, prefix, "w", globalStepName)
		if err := os.WriteFile(prefix+".meta", content, 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := OpenCheckpoint(filepath.Dir(prefix))
		if err != nil {
			t.Fatal(err)
		}
		pb := opened.pb
		for _, name := range []string{pb.GetSaverDef().GetFilenameTensorName(), pb.GetSaverDef().GetSaveTensorName()} {
			if _, err := opened.Tensor(name); err != nil {
				t.Error(err)
			}
		}
		if trained, err = (TrainingSource{Graph: prefix + ".meta", Train: "train"}).Open(); err != nil {
			t.Fatal(err)
		}
		keys := trained.savedKeys()
		if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, []string{globalStepName, "w"}) || keys["w"].key != "w" {
			t.Errorf("keys %v", keys)
		}
	}
	if string(contents[0]) != string(contents[1]) {
		t.Error("the file of the second training differs")
	}
}

// TestMetaFileOfACountedGraph: the count that tfos adds is no variable of the file, which
// trains again with a count of that training.
func TestMetaFileOfACountedGraph(t *testing.T) {
	pb := withoutSaver()
	delete(pb.CollectionDef, globalStepName)
	counted, err := openMetaTraining(t, pb, TrainingSource{})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []int
	for range 2 {
		content, err := counted.MetaFile(nil)
		if err != nil {
			t.Fatal(err)
		}
		written := &corepb.MetaGraphDef{}
		if err := proto.Unmarshal(content, written); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, len(written.GetGraphDef().GetNode()))
		if counted, err = openMetaTraining(t, written, TrainingSource{}); err != nil {
			t.Fatal(err)
		}
		if !counted.NeedsMetaFile() || !counted.counter.own {
			t.Errorf("needs a file: %v, counter %+v", counted.NeedsMetaFile(), counted.counter)
		}
	}
	if nodes[0] != nodes[1] {
		t.Errorf("%v nodes", nodes)
	}
}

// TestMetaFileIsTheAuthors: a saver for all variables is kept.
func TestMetaFileIsTheAuthors(t *testing.T) {
	pb := metaGraph()
	trained, err := openMetaTraining(t, pb, TrainingSource{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(trained.Path)
	if got, failed := trained.MetaFile(nil); err != nil || failed != nil || string(got) != string(want) || trained.NeedsMetaFile() {
		t.Errorf("%v, %v", err, failed)
	}
}
