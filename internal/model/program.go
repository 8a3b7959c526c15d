package model

import (
	"path/filepath"
	"slices"
	"strings"

	functionpb "github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"
)

// Program says how TensorFlow makes a model ready to run.
type Program struct {
	Path       string          // of the model, for errors
	Graph      []byte          // a GraphDef
	Operations []Operation     // that TensorFlow must have, sorted by name
	Steps      []Step          // run once, in this order
	Checks     []VariableCheck // of variables that must have a value after the steps
}

// Operation is a type of operation that TensorFlow must have for the program,
// and a node that has this type.
type Operation struct{ Name, Node string }

// Step is one run of a session, with target operations. Feeds maps names of tensors
// to strings.
type Step struct {
	Feeds   map[string]string
	Targets []string
	// Fallback is run if a device cannot reach the files of the step: TensorFlow's codes
	// NOT_FOUND and PERMISSION_DENIED. nil: there is none.
	Fallback *Step
}

// VariableCheck is a tensor of one bool, which is true if a variable has a value.
type VariableCheck struct{ Tensor, Variable string }

// Program opens the source and returns the program that makes it ready to compute the
// outputs of a mapping. signature and mapping are those of Choose. Errors are those of
// Graph and Choose.
//
// The program's graph has no devices. Functions are narrowed to what the outputs need.
// Variables that the outputs need and that the saved restore operation does not fill
// get their values from the checkpoint by the object graph. Such variables exist
// because tf.saved_model.save of a Keras 3 model writes a restore function that fills
// copies of the variables.
func (s Source) Program(signature string, m Mapping) (*Program, error) {
	p, err := s.local().program(signature, m)
	return p, s.named(err)
}

func (s Source) program(signature string, m Mapping) (*Program, error) {
	graph, start, err := s.open()
	if err != nil {
		return nil, err
	}
	sig, err := graph.Choose(signature, m)
	if err != nil {
		return nil, err
	}
	return graph.program(start, graph.dependencies(sig, m.Outputs))
}

// SignatureProgram is Program for all outputs of all signatures, which it returns too.
// Those that only Python can compute are left out: unfit has the reason, by name.
func (s Source) SignatureProgram() (p *Program, signatures []*Signature, unfit map[string]error, err error) {
	graph, start, err := s.open()
	if err != nil {
		return nil, nil, nil, err
	}
	var inputs []string
	unfit = map[string]error{}
	for _, sig := range graph.Signatures {
		if err := graph.dependencies(sig, nil).needsPython(graph.path); err != nil {
			unfit[sig.Name] = err
			continue
		}
		signatures, inputs = append(signatures, sig), append(inputs, sig.inputTensors()...)
	}
	needed := newFlow(graph.pb.GetGraphDef(), inputs...)
	for _, sig := range signatures {
		needed.traceAll(sig.Outputs)
	}
	p, err = graph.program(start, needed)
	return p, signatures, unfit, err
}

// program returns the program that makes what is needed ready.
func (g *MetaGraph) program(start start, needed *flow) (*Program, error) {
	b := &builder{MetaGraph: g, start: start, def: &graphpb.GraphDef{Versions: g.pb.GetGraphDef().GetVersions()}, needed: needed}
	b.findUnfilled()
	b.copyGraph()
	if err := b.addRestores(); err != nil {
		return nil, err
	}
	p := &Program{Path: g.path, Checks: b.addChecks(), Steps: b.steps()}
	p.Operations = b.requiredOperations()
	var err error
	p.Graph, err = proto.Marshal(b.def)
	if err != nil {
		return nil, &ModelError{Path: g.path, Problem: "its graph cannot be written", Err: err}
	}
	return p, nil
}

// start says what makes a graph ready.
type start struct {
	prefix string            // of the checkpoint. "": there is none
	files  map[string]string // paths of assets, by the tensor that names them
	init   []string          // operations to run once
}

// open opens the graph and finds what makes it ready.
func (s Source) open() (*MetaGraph, start, error) {
	s, _, err := s.Resolve()
	switch {
	case err != nil:
		return nil, start{}, err
	case s.Frozen():
		graph, err := OpenFrozen(s.Model)
		if err != nil {
			return nil, start{}, err
		}
		return graph, start{init: graph.tableInitializers()}, nil
	case s.Model == "":
		checkpoint, err := OpenCheckpoint(s.Checkpoint)
		if err != nil {
			return nil, start{}, err
		}
		return checkpoint.MetaGraph, start{prefix: checkpoint.Prefix, init: checkpoint.initializers()}, nil
	}
	graph, err := s.Graph()
	if err != nil {
		return nil, start{}, err
	}
	ready := start{files: map[string]string{}, init: graph.mainOp()}
	if exists(variablesOf(s.Model) + indexSuffix) {
		ready.prefix = variablesOf(s.Model)
	}
	assets, err := graph.assets()
	for _, a := range assets {
		ready.files[a.GetTensorInfo().GetName()] = filepath.Join(s.Model, "assets", a.GetFilename())
	}
	return graph, ready, err
}

// mainOp returns the operations that initialise a SavedModel, if it has any. A
// SavedModel may name them in three places. The first that is used counts (GetInitOp
// of tensorflow/cc/saved_model/loader_util.cc).
func (g *MetaGraph) mainOp() []string {
	if init := g.pb.GetSignatureDef()[initSignature]; init != nil {
		name, _, _ := strings.Cut(init.GetOutputs()[initSignature].GetName(), ":")
		return []string{name}
	}
	for _, collection := range []string{"saved_model_main_op", "legacy_init_op"} {
		if ops := g.pb.GetCollectionDef()[collection].GetNodeList().GetValue(); len(ops) > 0 {
			return ops
		}
	}
	return nil
}

// assetsCollection is where TensorFlow 1 lists the assets of a SavedModel.
const assetsCollection = "saved_model_assets"

// assets returns the files that the graph's initialiser reads.
func (g *MetaGraph) assets() ([]*corepb.AssetFileDef, error) {
	if assets := g.pb.GetAssetFileDef(); len(assets) > 0 {
		return assets, nil
	}
	var assets []*corepb.AssetFileDef
	for _, packed := range g.pb.GetCollectionDef()[assetsCollection].GetAnyList().GetValue() {
		asset := &corepb.AssetFileDef{}
		if err := proto.Unmarshal(packed.GetValue(), asset); err != nil {
			return nil, &ModelError{Path: g.path, Problem: "its list of assets is damaged", Remedy: "copy or export it again", Err: err}
		}
		assets = append(assets, asset)
	}
	return assets, nil
}

// builder makes a program.
type builder struct {
	*MetaGraph
	start
	def      *graphpb.GraphDef
	needed   *flow      // what the outputs need
	unfilled []variable // needed by the outputs, and not filled by the program
	filled   []variable // filled by the nodes of addRestores
}

// restoreOp returns the operation that restores variables, or "" if there is no
// checkpoint.
func (b *builder) restoreOp() string {
	if b.prefix == "" {
		return ""
	}
	return b.pb.GetSaverDef().GetRestoreOpName()
}

// findUnfilled sets unfilled to the needed variables that the restore operation does
// not fill.
func (b *builder) findUnfilled() {
	restored := newFlow(b.pb.GetGraphDef())
	restored.library = nil // no functions, so that every input of a call counts
	if op := b.restoreOp(); op != "" {
		restored.traceTensor("^" + op)
	}
	has := map[[2]string]bool{}
	for _, v := range b.variables(restored) {
		has[v.key()] = true
	}
	for _, v := range b.variables(b.needed) {
		if !has[v.key()] {
			b.unfilled = append(b.unfilled, v)
		}
	}
}

// copyGraph copies the graph without its devices. Calls that the outputs need become
// calls of narrowed functions.
func (b *builder) copyGraph() {
	narrower := newNarrower(b.needed)
	for _, n := range b.pb.GetGraphDef().GetNode() {
		if b.needed.reached[n.GetName()] != nil {
			n = narrower.narrowCall(n, b.needed.usedOutputs[n.GetName()])
		}
		b.def.Node = append(b.def.Node, withoutDevice(n))
	}
	library := b.pb.GetGraphDef().GetLibrary()
	b.def.Library = &functionpb.FunctionDefLibrary{Gradient: library.GetGradient(), RegisteredGradients: library.GetRegisteredGradients()}
	for _, f := range slices.Concat(library.GetFunction(), narrower.library) {
		if slices.ContainsFunc(f.GetNodeDef(), func(n *nodepb.NodeDef) bool { return n.GetDevice() != "" }) {
			f = proto.CloneOf(f)
			for i, n := range f.GetNodeDef() {
				f.NodeDef[i] = withoutDevice(n)
			}
		}
		b.def.Library.Function = append(b.def.Library.Function, f)
	}
}

// requiredOperations returns the operations that TensorFlow must have.
func (b *builder) requiredOperations() []Operation {
	var targets []string
	for _, step := range b.steps() {
		targets = append(targets, step.Targets...)
	}
	return operationsOf(b.def, b.needed.reached, targets)
}

// operationsOf returns the operations that TensorFlow must have for a graph: those of
// its nodes, because TensorFlow refuses a graph with an unknown one, and those of the
// functions that run, which reached nodes and targets call.
func operationsOf(def *graphpb.GraphDef, reached map[string]*nodepb.NodeDef, targets []string) []Operation {
	all := newFlow(def)
	for name := range reached {
		all.reached[name] = all.nodes[name]
	}
	for _, target := range targets {
		all.traceTensor("^" + target)
	}
	all.addFunctionsOf(all)
	for _, n := range def.GetNode() {
		if all.calledFunction(n) == "" {
			all.nodeByOp[n.GetOp()] = n.GetName()
		}
	}
	var found []Operation
	for name, node := range all.nodeByOp {
		found = append(found, Operation{name, node})
	}
	slices.SortFunc(found, func(x, y Operation) int { return strings.Compare(x.Name, y.Name) })
	return found
}

func withoutDevice(n *nodepb.NodeDef) *nodepb.NodeDef {
	if n.GetDevice() == "" {
		return n
	}
	n = proto.CloneOf(n)
	n.Device = ""
	return n
}

// steps returns the restore step, which also fills the variables of addRestores, and
// then the initialisers. TensorFlow's own loader has the same order
// (tensorflow/cc/saved_model/loader.cc).
func (b *builder) steps() []Step {
	var steps []Step
	if op := b.restoreOp(); op != "" {
		restore := Step{Feeds: map[string]string{b.pb.GetSaverDef().GetFilenameTensorName(): b.prefix}, Targets: []string{op}}
		for i := range b.filled {
			restore.Targets = append(restore.Targets, assignNode(i))
		}
		steps = append(steps, restore)
	}
	if len(b.init) > 0 {
		steps = append(steps, Step{Feeds: b.files, Targets: b.init})
	}
	return steps
}
