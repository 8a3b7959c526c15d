package engine

import (
	"context"
	"errors"
	"fmt"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// Model is a loaded model with its variables. It is safe for concurrent use
// until Close.
type Model struct {
	path    string
	session *session
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
	m, err := load(ctx, source, config)
	if err == nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), m.Close())
	}
	return m, err
}

func loadSavedModel(ctx context.Context, source model.Source, config []byte) (*Model, error) {
	graph, err := source.Graph()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	s, err := openSavedModel(source.Model, graph.Tags, config)
	if err != nil {
		return nil, cannotLoad(source.Model, err)
	}
	return &Model{path: source.Model, session: s}, nil
}

func loadCheckpoint(ctx context.Context, source model.Source, config []byte) (*Model, error) {
	checkpoint, err := model.OpenCheckpoint(source.Checkpoint)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	m := &Model{path: checkpoint.Prefix}
	def, err := checkpoint.GraphDef()
	if err == nil {
		m.session, err = openGraph(def, config)
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
	prefix, err := newTexts(nil)
	if err != nil {
		return err
	}
	defer prefix.free()
	prefix.setText(0, checkpoint.Prefix)
	at, err := m.tensor(model.Tensor{Name: filename, Alias: filename})
	if err != nil {
		return err
	}
	if err := m.execute([]feed{{at, prefix}}, operation); err != nil {
		return err
	}
	return m.execute(nil, checkpoint.Initializers()...)
}

// execute runs operations by name, side by side.
func (m *Model) execute(feeds []feed, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	var targets []*operation
	for _, name := range names {
		op := m.session.operation(name)
		if op == nil {
			return fmt.Errorf("the graph has no operation %s", name)
		}
		targets = append(targets, op)
	}
	_, err := m.session.run(feeds, nil, targets)
	return err
}

func cannotLoad(path string, err error) error {
	return &model.ModelError{Path: path, Problem: "TensorFlow " + Version() + " cannot load it", Err: err}
}

// Close waits for predictions in progress and frees the model.
func (m *Model) Close() error {
	if err := m.session.close(); err != nil {
		return fmt.Errorf("engine: close %s: %w", m.path, err)
	}
	return nil
}

// tensor finds a tensor by its name in the graph, "operation:index".
func (m *Model) tensor(t model.Tensor) (endpoint, error) {
	at, err := m.session.output(t.Name)
	if errors.Is(err, errNoTensor) {
		err = &model.ModelError{Path: m.path, Problem: fmt.Sprintf("the graph has no tensor %s, which stands for %s", t.Name, t.Alias)}
	}
	return at, err
}
