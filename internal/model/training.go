package model

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Strategy is how trainers train together, in the words of the job file.
type Strategy string

const (
	Independent     Strategy = "independent" // each on its own; one member too
	ParameterServer Strategy = "parameter_server"
	AllReduce       Strategy = "all_reduce"
)

// TrainingSource says which graph is trained.
type TrainingSource struct {
	Graph  string   // a SavedModel's folder (see Resolve), or a .meta file
	TagSet []string // of a SavedModel's graph. Empty: serve
	// Train and Eval are names of signatures. A .meta file without signatures trains by
	// its collections, whatever they are. Eval "": the graph is not evaluated.
	Train, Eval string
	Strategy    Strategy
	// Inputs is column -> alias of the signature, or tensor, as Mapping.Inputs. Tensors
	// that it names become inputs.
	Inputs map[string]string
	// AllowNarrowing is as in Mapping.
	AllowNarrowing bool
}

// Training is a graph that can train (docs/graph-programs.md).
type Training struct {
	Path string // of the SavedModel or .meta file
	// Train and Eval are the inputs of a step and of an evaluation, for Check and
	// Contract. They have no outputs. Eval is nil if TrainingSource.Eval is "".
	Train, Eval *Signature
	// Metrics and EvalMetrics are floating-point scalars: the loss first, the others
	// sorted by alias.
	Metrics, EvalMetrics []Tensor
	// Initial is the prefix of the checkpoint to begin from. "": the graph's own
	// initialisers give the first values.
	Initial string

	graph    *MetaGraph
	strategy Strategy
	mapping  Mapping
	start    start
	// updates are operations that a step runs. It needs none if its outputs are computed
	// together with the update.
	updates    []string
	groupSize  string // a tensor to feed with the number of trainers. "": there is none
	globalStep string // an output of Train. "": a variable is read after the update
	counter    *trainedVariable
	variables  []trainedVariable // all, counter included
	firstInit  []string          // operations that give the first values
	objects    []byte            // the object graph of checkpoints, if tfos's saver writes them. nil: none
}

// groupSizeAlias is the input of train_all_reduce that no column feeds.
const groupSizeAlias = "group_size"

// allReduceSuffix is that of the signature for several members
// (scripts/tfos/graph/trace.py).
const allReduceSuffix = "_all_reduce"

const globalStepName = "global_step"

// Open reads the graph. If it cannot train as the source says, the error is a
// *ModelError.
func (s TrainingSource) Open() (*Training, error) {
	t := &Training{strategy: s.Strategy, mapping: Mapping{Inputs: s.Inputs, AllowNarrowing: s.AllowNarrowing, Training: true}}
	if err := t.open(s); err != nil {
		return nil, err
	}
	var err error
	if len(t.graph.Signatures) == 0 && t.byCollections() {
		err = t.takeCollections(s)
	} else {
		err = t.takeSignatures(s)
	}
	if err != nil {
		return nil, err
	}
	for _, sig := range []*Signature{t.Train, t.Eval} {
		if err := t.nameInputs(sig, s.Inputs); err != nil {
			return nil, err
		}
	}
	if err := t.checkPython(); err != nil {
		return nil, err
	}
	return t, t.findVariables()
}

// open opens the graph, and finds what makes it ready.
func (t *Training) open(s TrainingSource) error {
	if strings.HasSuffix(s.Graph, metaSuffix) && exists(s.Graph) {
		graph, err := openMeta(s.Graph)
		if err != nil {
			return err
		}
		t.Path, t.graph = s.Graph, graph
		t.start.init = (&Checkpoint{MetaGraph: graph}).initializers()
		if prefix := strings.TrimSuffix(s.Graph, metaSuffix); exists(prefix + indexSuffix) {
			t.Initial = prefix
		}
		return nil
	}
	settled, err := s.Resolve()
	if err != nil {
		return err
	}
	t.Path = settled.Model
	if settled.Frozen() {
		return &ModelError{Path: t.Path, Problem: "a frozen graph has no variables to train", Remedy: exportTraining}
	}
	t.graph, t.start, err = settled.open()
	t.Initial = t.start.prefix
	return err
}

// Resolve returns the SavedModel or frozen graph that Graph names. If it names neither,
// the error is a *ModelError, which names the .meta files of a folder.
func (s TrainingSource) Resolve() (Source, error) {
	settled, _, err := Source{Model: s.Graph, TagSet: s.TagSet}.Resolve()
	if err == nil || holdsSavedModel(s.Graph) {
		return settled, err
	}
	entries, _ := os.ReadDir(s.Graph) // no folder has no files
	var found []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), metaSuffix) {
			found = append(found, filepath.Join(s.Graph, e.Name()))
		}
	}
	if len(found) == 0 {
		return settled, err
	}
	return settled, &ModelError{Path: s.Graph, Problem: "it is no SavedModel, but graphs in it are", Remedy: "give one of them: " + listed(found)}
}

// exportTraining says how a graph program is made.
const exportTraining = "export one with tfos.graph.export_training (docs/graph-programs.md)"

// takeSignatures takes the train and the evaluation signature.
func (t *Training) takeSignatures(s TrainingSource) error {
	train, err := t.trainSignature(s.Train)
	if err != nil {
		return err
	}
	if t.Metrics, err = t.metricsOf(train); err != nil {
		return err
	}
	for _, out := range train.Outputs {
		if out.Alias == globalStepName && out.Type == Int64 && (out.UnknownRank || out.scalar()) {
			t.globalStep = out.Name
		}
	}
	t.Train = &Signature{Name: train.Name, Method: train.Method}
	for _, in := range train.Inputs {
		if t.strategy == AllReduce && in.Alias == groupSizeAlias {
			t.groupSize = in.Name
			continue
		}
		t.Train.Inputs = append(t.Train.Inputs, in)
	}
	if s.Eval == "" {
		return nil
	}
	eval, err := t.graph.namedSignature(s.Eval)
	if err != nil {
		return err
	}
	if t.EvalMetrics, err = t.metricsOf(eval); err != nil {
		return err
	}
	t.Eval = &Signature{Name: eval.Name, Method: eval.Method, Inputs: slices.Clone(eval.Inputs)}
	return nil
}

// trainSignature finds the signature of a step: name, or that for all_reduce.
func (t *Training) trainSignature(name string) (*Signature, error) {
	train, err := t.graph.namedSignature(name)
	if err != nil || t.strategy != AllReduce {
		return train, err
	}
	reduced, err := t.graph.namedSignature(name + allReduceSuffix)
	if err != nil {
		return nil, &ModelError{Path: t.Path, Problem: fmt.Sprintf("strategy all_reduce needs a signature %q, which averages gradients over workers, and there is none", name+allReduceSuffix),
			Remedy: "tfos.graph.export_training writes it; a train_step of your own must call tfos.graph.all_reduce (docs/graph-programs.md). Or train with strategy: parameter_server"}
	}
	if !hasAlias(reduced.Inputs, groupSizeAlias) {
		return nil, &ModelError{Path: t.Path, Problem: fmt.Sprintf("signature %q has no input %s, the number of workers", reduced.Name, groupSizeAlias), Remedy: exportTraining}
	}
	return reduced, nil
}

// namedSignature returns the signature of exactly this name.
func (g *MetaGraph) namedSignature(name string) (*Signature, error) {
	names := make([]string, len(g.Signatures))
	for i, s := range g.Signatures {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return nil, &ModelError{Path: g.path, Problem: fmt.Sprintf("there is no signature %q (signatures there: %s)", name, list(names)), Remedy: exportTraining}
}

// metricsOf returns a signature's floating-point scalars. The loss comes first.
func (t *Training) metricsOf(sig *Signature) ([]Tensor, error) {
	const loss = "loss"
	var first, others []Tensor
	for _, out := range sig.Outputs {
		switch scalar := out.Parts == nil && (out.scalar() || out.UnknownRank) && out.Type.floating(); {
		case out.Alias == loss && !scalar:
			return nil, &ModelError{Path: t.Path, Problem: fmt.Sprintf("signature %q: the output loss is %s, not one floating-point number", sig.Name, out),
				Remedy: "return the mean over the batch: tf.reduce_mean(loss)"}
		case out.Alias == loss:
			first = append(first, out)
		case scalar && !out.UnknownRank:
			others = append(others, out)
		}
	}
	if len(first) == 0 {
		return nil, &ModelError{Path: t.Path, Problem: fmt.Sprintf("signature %q has no output loss (outputs there: %s)", sig.Name, aliases(sig.Outputs)),
			Remedy: "return a dict with loss, a floating-point scalar, or name another signature in app.graph.train_signature"}
	}
	return append(first, others...), nil
}

// nameInputs gives inputs that the mapping names by tensor that name as their alias, and
// adds tensors of the graph that it names and that are no inputs.
func (t *Training) nameInputs(sig *Signature, mapping map[string]string) error {
	if sig == nil {
		return nil
	}
	for _, name := range mapping {
		if !IsTensorName(name) || hasAlias(sig.Inputs, name) {
			continue
		}
		at := slices.IndexFunc(sig.Inputs, func(in Tensor) bool { return in.Name == name })
		if at >= 0 {
			sig.Inputs[at].Alias = name
			continue
		}
		in, err := t.graph.Tensor(name)
		if err != nil {
			return err
		}
		sig.Inputs = append(sig.Inputs, in)
	}
	sortTensors(sig.Inputs)
	for _, in := range sig.Inputs {
		if in.scalar() && !in.Default {
			return &ModelError{Path: t.Path, Problem: fmt.Sprintf("signature %q: the input %s has one value for all rows, and a step has only rows", sig.Name, in.Alias),
				Remedy: "make it a constant or a variable of the graph, or a tf.compat.v1.placeholder_with_default"}
		}
	}
	return nil
}

// Mapping returns the part of the job's input_mapping that is for a signature, which is
// Train or Eval. All of it is for Train, so that Check finds what no signature has.
func (t *Training) Mapping(sig *Signature) Mapping {
	if sig == t.Train {
		return t.mapping
	}
	m := t.mapping
	m.Inputs = map[string]string{}
	for column, alias := range t.mapping.Inputs {
		if hasAlias(sig.Inputs, alias) {
			m.Inputs[column] = alias
		}
	}
	return m
}

// WholeBatches reports whether a signature, which is Train or Eval, takes a fixed number
// of rows. sig may be nil. An input for which the graph has a value counts if the mapping names it.
func (t *Training) WholeBatches(sig *Signature) bool {
	if sig == nil {
		return false
	}
	named := slices.Collect(maps.Values(t.mapping.Inputs))
	return slices.ContainsFunc(sig.Inputs, func(in Tensor) bool {
		return len(in.Shape) > 0 && in.Shape[0] > 0 && (!in.Default || slices.Contains(named, in.Alias))
	})
}

// flow follows a step and an evaluation back to what they need.
func (t *Training) flow() *flow {
	f := newFlow(t.graph.pb.GetGraphDef())
	f.traceAll(t.Metrics)
	f.traceAll(t.EvalMetrics)
	if t.globalStep != "" {
		f.traceTensor(t.globalStep)
	}
	for _, op := range t.updates {
		f.traceTensor("^" + op)
	}
	return f
}

// checkPython returns an error if a step calls a function of Python.
func (t *Training) checkPython() error {
	needed := t.flow()
	for _, op := range pythonOps {
		if node, there := needed.nodeByOp[op]; there {
			return &ModelError{Path: t.Path, Problem: fmt.Sprintf("node %s (%s) calls a Python function, as tf.numpy_function and tf.py_function do, which no saved model holds", node, op),
				Remedy: "export it with TensorFlow's operations in its place"}
		}
	}
	return nil
}

// Distributed reports whether members train together, through TensorFlow's servers.
func (t *Training) Distributed() bool {
	return t.strategy == ParameterServer || t.strategy == AllReduce
}
