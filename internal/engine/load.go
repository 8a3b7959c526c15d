package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// Model is a loaded model with its variables. It is safe for concurrent use. After
// Close, predictions fail.
type Model struct {
	path    string
	session *session
}

// Load makes a program's model ready to run: it loads the graph, restores the
// variables and fills the tables. threads limits TensorFlow's threads within and
// between operations. 0: TensorFlow chooses.
//
// The error is a *model.ModelError if TensorFlow refuses the model, lacks an operation
// of it, or if a variable has no value after loading. TensorFlow cannot be interrupted
// while it loads: Load returns ctx's error only after that.
func Load(ctx context.Context, program *model.Program, threads int) (*Model, error) {
	config, err := proto.Marshal(&corepb.ConfigProto{
		IntraOpParallelismThreads: int32(threads),
		InterOpParallelismThreads: int32(threads),
	})
	if err != nil {
		return nil, fmt.Errorf("engine: session options: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkOperations(program.Path, program.Operations); err != nil {
		return nil, err
	}
	m := &Model{path: program.Path}
	if m.session, err = openGraph(program.Graph, config, ""); err != nil {
		return nil, cannotLoad(m.path, err)
	}
	if err := m.runSteps(program); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), m.Close())
	}
	return m, nil
}

// checkOperations returns an error if neither TensorFlow nor a loaded library has an
// operation that the graph of path needs.
func checkOperations(path string, needed []model.Operation) error {
	var names []string
	for _, op := range needed {
		names = append(names, op.Name)
	}
	var missing []string
	for _, i := range unregistered(names) {
		missing = append(missing, fmt.Sprintf("%s (node %s)", needed[i].Name, needed[i].Node))
	}
	if len(missing) == 0 {
		return nil
	}
	return &model.ModelError{Path: path,
		Problem: fmt.Sprintf("it needs operations that TensorFlow %s does not have: %s", Version(), strings.Join(missing, ", ")),
		Remedy:  "name the library that has them in tensorflow.op_libraries: a .so file, or a Python package such as tensorflow_text"}
}

// runSteps runs the steps of a program, and returns an error if a variable still has no
// value.
func (m *Model) runSteps(program *model.Program) error {
	for _, step := range program.Steps {
		if err := execute(m.session, step); err != nil {
			return cannotLoad(m.path, err)
		}
	}
	var places []endpoint
	for _, check := range program.Checks {
		at, err := m.findTensor(model.Tensor{Name: check.Tensor, Alias: check.Variable})
		if err != nil {
			return err
		}
		places = append(places, at)
	}
	if len(places) == 0 {
		return nil
	}
	answers, err := m.session.run(nil, places, nil)
	if err != nil {
		return cannotLoad(m.path, err)
	}
	defer freeAll(answers)
	var empty []string
	for i, t := range answers {
		if t.bytes()[0] == 0 {
			empty = append(empty, program.Checks[i].Variable)
		}
	}
	if len(empty) == 0 {
		return nil
	}
	return &model.ModelError{Path: m.path,
		Problem: "variables that it needs have no value, for its checkpoint does not have them and no initialiser sets them: " + strings.Join(empty, ", "),
		Remedy:  "export it again from a program in which they have values"}
}

// execute runs one step of a program.
func execute(s *session, step model.Step) error {
	var feeds []feed
	defer func() { freeFeeds(feeds) }()
	for _, name := range slices.Sorted(maps.Keys(step.Feeds)) {
		text, err := newTexts(nil)
		if err != nil {
			return err
		}
		feeds = append(feeds, feed{tensor: text})
		text.setText(0, step.Feeds[name])
		if feeds[len(feeds)-1].at, err = s.output(name); err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
	}
	targets, err := s.operations(step.Targets)
	if err != nil {
		return err
	}
	_, err = s.run(feeds, nil, targets)
	return err
}

// operations finds operations by their names.
func (s *session) operations(names []string) ([]*operation, error) {
	var found []*operation
	for _, name := range names {
		op := s.operation(name)
		if op == nil {
			return nil, fmt.Errorf("the graph has no operation %s", name)
		}
		found = append(found, op)
	}
	return found, nil
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

// findTensor finds a tensor by its name in the graph, "operation:index". If there is
// none, the error is a *model.ModelError.
func (m *Model) findTensor(t model.Tensor) (endpoint, error) {
	at, err := m.session.output(t.Name)
	if errors.Is(err, errNoTensor) {
		err = &model.ModelError{Path: m.path, Problem: fmt.Sprintf("the graph has no tensor %s, which stands for %s", t.Name, t.Alias)}
	}
	return at, err
}
