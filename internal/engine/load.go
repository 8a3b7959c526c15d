package engine

import (
	"context"
	"errors"
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

// Model is a loaded model with its variables. It is safe for concurrent use
// until Close.
type Model struct {
	path    string
	graph   *tf.Graph
	session *tf.Session
	ledger  ledger
}

// Load loads a model's graph and its variables, and fills its tables. threads
// bounds TensorFlow's threads within and between operations; 0 leaves them to
// TensorFlow. What is not there is a *model.ModelError. TensorFlow cannot be
// interrupted while it loads: a ctx that ends meanwhile is seen after.
func Load(ctx context.Context, source model.Source, threads int) (*Model, error) {
	config, err := proto.Marshal(&corepb.ConfigProto{
		IntraOpParallelismThreads: int32(threads),
		InterOpParallelismThreads: int32(threads),
	})
	if err != nil {
		return nil, fmt.Errorf("engine: session options: %w", err)
	}
	load := loadCheckpoint
	if source.Model != "" {
		load = loadSavedModel
	}
	m, err := load(ctx, source, &tf.SessionOptions{Config: config})
	if err == nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), m.Close())
	}
	return m, err
}

func loadSavedModel(ctx context.Context, source model.Source, options *tf.SessionOptions) (*Model, error) {
	graph, err := source.Graph()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	loaded, err := tf.LoadSavedModel(source.Model, graph.Tags, options)
	if err != nil {
		return nil, cannotLoad(source.Model, err)
	}
	return &Model{path: source.Model, graph: loaded.Graph, session: loaded.Session}, nil
}

func loadCheckpoint(ctx context.Context, source model.Source, options *tf.SessionOptions) (*Model, error) {
	checkpoint, err := model.OpenCheckpoint(source.Checkpoint)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	m := &Model{path: checkpoint.Prefix, graph: tf.NewGraph()}
	def, err := checkpoint.GraphDef()
	if err == nil {
		err = m.graph.Import(def, "")
	}
	if err == nil {
		m.session, err = tf.NewSession(m.graph, options)
	}
	if err != nil {
		return nil, cannotLoad(m.path, err)
	}
	if err := m.restore(checkpoint); err != nil {
		return nil, errors.Join(cannotLoad(m.path, err), m.Close())
	}
	return m, nil
}

// restore gives the variables their values, and fills the tables.
func (m *Model) restore(checkpoint *model.Checkpoint) error {
	operation, filename := checkpoint.Restore()
	prefix, err := tf.NewTensor(checkpoint.Prefix)
	if err != nil {
		return err
	}
	at, err := m.tensor(model.Tensor{Name: filename, Alias: filename})
	if err != nil {
		return err
	}
	if err := m.execute(map[tf.Output]*tf.Tensor{at: prefix}, operation); err != nil {
		return err
	}
	return m.execute(nil, checkpoint.Initializers()...)
}

// execute runs operations by name, side by side.
func (m *Model) execute(feeds map[tf.Output]*tf.Tensor, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	var operations []*tf.Operation
	for _, name := range names {
		op := m.graph.Operation(name)
		if op == nil {
			return fmt.Errorf("the graph has no operation %s", name)
		}
		operations = append(operations, op)
	}
	_, err := m.session.Run(feeds, nil, operations)
	return err
}

func cannotLoad(path string, err error) error {
	return &model.ModelError{Path: path, Problem: "TensorFlow " + Version() + " cannot load it", Err: err}
}

// Close waits for predictions in progress and frees the model.
func (m *Model) Close() error {
	if err := m.session.Close(); err != nil {
		return fmt.Errorf("engine: close %s: %w", m.path, err)
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
	op := m.graph.Operation(name)
	if op == nil || index < 0 || index >= op.NumOutputs() {
		return tf.Output{}, m.noTensor(t)
	}
	return op.Output(index), nil
}

func (m *Model) noTensor(t model.Tensor) error {
	return &model.ModelError{Path: m.path, Problem: fmt.Sprintf("the graph has no tensor %s, which stands for %s", t.Name, t.Alias)}
}
