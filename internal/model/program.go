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

// Program says how a model is made ready to run: a graph, what runs in it once,
// in this order, and which variables must have a value then.
type Program struct {
	Path       string // of the model, for errors
	Graph      []byte // a GraphDef
	Operations []Operation
	Steps      []Step
	Checks     []VariableCheck
}

// Operation is a type of operation that TensorFlow must have for the program,
// and a node that is one.
type Operation struct{ Name, Node string }

// Step runs operations side by side. Feeds are texts by tensor.
type Step struct {
	Feeds   map[string]string
	Targets []string
}

// VariableCheck is a tensor of one bool that tells whether a variable has a value.
type VariableCheck struct{ Tensor, Variable string }

// Program opens the source and says how it is made ready to compute the outputs
// of a signature that Choose has chosen for this mapping. Errors are as in
// Graph and Choose.
//
// Devices on which a graph was made are left aside. A variable that the outputs
// need and that the saved restore operation does not fill is filled from its
// place in the checkpoint: tf.saved_model.save of a Keras 3 model writes a
// restore function that fills copies of the variables. Functions are narrowed to
// what the outputs need.
func (s Source) Program(signature string, m Mapping) (*Program, error) {
	graph, start, err := s.open()
	if err != nil {
		return nil, err
	}
	sig, err := graph.Choose(signature, m)
	if err != nil {
		return nil, err
	}
	b := &builder{MetaGraph: graph, start: start, def: &graphpb.GraphDef{Versions: graph.pb.GetGraphDef().GetVersions()}}
	b.reach(sig, m.Outputs)
	b.copyGraph()
	if err := b.fill(); err != nil {
		return nil, err
	}
	p := &Program{Path: graph.path, Checks: b.checks(), Steps: b.steps()}
	p.Operations = b.operations()
	p.Graph, err = proto.Marshal(b.def)
	if err != nil {
		return nil, &ModelError{Path: graph.path, Problem: "its graph cannot be written", Err: err}
	}
	return p, nil
}

// start is what makes a graph ready.
type start struct {
	prefix string            // of the checkpoint; "": there are no values
	files  map[string]string // assets by the tensor that names them
	init   []string          // operations to run once
}

// open opens the graph and says what makes it ready.
func (s Source) open() (*MetaGraph, start, error) {
	s, _, err := s.Settle()
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

// mainOp is the operation that a SavedModel is started with, if it has one. Of
// the three places for it the first that is used counts
// (GetInitOp of tensorflow/cc/saved_model/loader_util.cc).
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

// assets are the files that the graph reads when it starts.
func (g *MetaGraph) assets() ([]*corepb.AssetFileDef, error) {
	if assets := g.pb.GetAssetFileDef(); len(assets) > 0 {
		return assets, nil
	}
	var assets []*corepb.AssetFileDef // where TensorFlow 1 has them
	for _, packed := range g.pb.GetCollectionDef()["saved_model_assets"].GetAnyList().GetValue() {
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
	needed   *flow      // by the outputs
	unfilled []variable // that the outputs need and nothing here fills
	filled   []variable // that fill fills
}

// restoring is the operation that gives variables their values, "" where there
// are none.
func (b *builder) restoring() string {
	if b.prefix == "" {
		return ""
	}
	return b.pb.GetSaverDef().GetRestoreOpName()
}

// reach finds out what the outputs of a signature need.
func (b *builder) reach(sig *Signature, outputMapping map[string]string) {
	b.needed = b.dependencies(sig, outputMapping)
	restored := newFlow(b.pb.GetGraphDef())
	restored.library = nil // every input of a call counts
	if op := b.restoring(); op != "" {
		restored.back("^" + op)
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

// copyGraph takes the graph over without its devices; of the functions that the
// outputs call, what they need.
func (b *builder) copyGraph() {
	narrower := newNarrower(b.needed)
	for _, n := range b.pb.GetGraphDef().GetNode() {
		if b.needed.main[n.GetName()] != nil {
			n = narrower.call(n, b.needed.taken[n.GetName()])
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

// operations are those of the graph, which TensorFlow must know to take it, and
// of the functions that run.
func (b *builder) operations() []Operation {
	all := newFlow(b.def)
	for name := range b.needed.main {
		all.main[name] = all.nodes[name]
	}
	for _, step := range b.steps() {
		for _, target := range step.Targets {
			all.back("^" + target)
		}
	}
	all.follow(all)
	for _, n := range b.def.GetNode() {
		if all.called(n) == "" {
			all.ops[n.GetOp()] = n.GetName()
		}
	}
	var found []Operation
	for name, node := range all.ops {
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

// steps are the restore operation with what fills the other variables, then the
// initialisers, as TensorFlow's own loader has them
// (tensorflow/cc/saved_model/loader.cc).
func (b *builder) steps() []Step {
	var steps []Step
	if op := b.restoring(); op != "" {
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
