package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	tf "github.com/wamuir/graft/tensorflow"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// Version is that of the TensorFlow library in use.
func Version() string { return tf.Version() }

// Model is a loaded SavedModel with its variables. It is safe for concurrent
// use until Close.
type Model struct {
	dir    string
	saved  *tf.SavedModel
	ledger ledger
}

// Load loads the graph with these tags (none: {"serve"}) and its variables.
// threads bounds TensorFlow's threads within and between operations; 0 leaves
// them to TensorFlow. What is not there is a *model.ModelError. TensorFlow
// cannot be interrupted while it loads: a ctx that ends meanwhile is seen after.
func Load(ctx context.Context, dir string, tags []string, threads int) (*Model, error) {
	saved, err := model.Open(dir)
	if err != nil {
		return nil, err
	}
	graph, err := saved.MetaGraph(tags...)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	config, err := proto.Marshal(&corepb.ConfigProto{
		IntraOpParallelismThreads: int32(threads),
		InterOpParallelismThreads: int32(threads),
	})
	if err != nil {
		return nil, fmt.Errorf("engine: session options: %w", err)
	}
	loaded, err := tf.LoadSavedModel(dir, graph.Tags, &tf.SessionOptions{Config: config})
	if err != nil {
		return nil, &model.ModelError{Path: dir, Problem: "TensorFlow " + Version() + " cannot load it", Err: err}
	}
	m := &Model{dir: dir, saved: loaded}
	if err := ctx.Err(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close waits for predictions in progress and frees the model.
func (m *Model) Close() error {
	if err := m.saved.Session.Close(); err != nil {
		return fmt.Errorf("engine: close %s: %w", m.dir, err)
	}
	return nil
}

// tensor finds a tensor by its name in the graph, "operation:index".
func (m *Model) tensor(t model.Tensor) (tf.Output, error) {
	name, suffix, found := strings.Cut(t.Name, ":")
	index := 0
	if found {
		var err error
		if index, err = strconv.Atoi(suffix); err != nil {
			return tf.Output{}, m.noTensor(t)
		}
	}
	op := m.saved.Graph.Operation(name)
	if op == nil || index < 0 || index >= op.NumOutputs() {
		return tf.Output{}, m.noTensor(t)
	}
	return op.Output(index), nil
}

func (m *Model) noTensor(t model.Tensor) error {
	return &model.ModelError{Path: m.dir, Problem: fmt.Sprintf("the graph has no tensor %s, which stands for %s", t.Name, t.Alias)}
}
