package model

import (
	"slices"

	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"google.golang.org/protobuf/proto"
)

// TrainingProgram says how TensorFlow trains on one member.
type TrainingProgram struct {
	Path       string      // of the graph, for errors
	Graph      []byte      // a GraphDef, with devices
	Operations []Operation // that TensorFlow must have, sorted by name
	Setup      []Step      // run once, on every member, before anything else
	// Train and Eval are runs. Eval has no Fetches without an evaluation.
	Train, Eval TrainingRun
	// GroupSize is a tensor of one int32 that a step feeds with Trainers. "": none.
	GroupSize string
	Trainers  int
	// GlobalStep is an int64 scalar, read for itself. Initialized is a bool: whether all
	// variables have values.
	GlobalStep, Initialized string
	// Finish is an operation and Finished an int64 scalar: how many trainers ran Finish.
	// They are "" without parameter servers.
	Finish, Finished string
	// Stopping is an int64 scalar: how many trainers want to stop. A trainer says so under
	// all_reduce by feeding StopWish, an int32 scalar, and then every trainer must fetch
	// Stopping; with parameter servers it runs Stop. Alone, all are "".
	Stopping, StopWish, Stop string
	// Snapshot and Rollback are operations. They are "" unless asked for.
	Snapshot, Rollback string
	// Filters are the devices that a session needs. Empty: all.
	Filters []string
	// Joining is nil unless an author has put parts of the graph on several trainers.
	Joining *Joining
	// Leader is the device that leads collective operations. "": there are none.
	Leader string
	// Divided are the variables whose rows are divided over parameter servers. Whole says
	// of others that are large enough why they are not. Both are sorted.
	Divided, Whole []string

	training *Training
	saver    saver
	shards   *saver   // each device reads and writes the values of its variables. nil: one device has all
	begin    []Step   // after the graph's own values: those of ProgramOptions.Values
	zeros    []string // operations that reset what tfos adds
}

// Joining counts the trainers that have opened their sessions. TensorFlow opens one when
// the server of the trainer is connected with all others, and does not wait for a server
// later. So no part of the graph runs before all trainers have joined.
type Joining struct {
	Reset  string // an operation that sets the count to 0. "": another trainer runs it
	Ready  string // a bool: the count has a value
	Join   string // an operation that adds this trainer
	Joined string // an int64 scalar: the count
}

// TrainingRun is a run of the session that TrainingProgram repeats.
type TrainingRun struct {
	Fetches []Tensor // metrics: floating-point scalars
	// GlobalStep is an int64 scalar to fetch too: the updates with this one. "": none.
	GlobalStep string
	Targets    []string
}

// ProgramOptions say what a program can do that not every training needs.
type ProgramOptions struct {
	Rollback bool           // Snapshot and Rollback
	Values   *InitialValues // with which variables begin. Nil: the graph's own
}

// Program returns what a member of a cluster runs. If the graph needs devices that the
// cluster lacks, the error is a *ModelError.
func (t *Training) Program(cluster Cluster, o ProgramOptions) (*TrainingProgram, error) {
	sizes := map[string]int64{}
	if t.Initial != "" {
		b, err := readBundle(t.Initial)
		if err != nil {
			return nil, err
		}
		for key, entry := range b.entries {
			sizes[key] = entry.GetSize()
		}
	}
	def, strategy := t.graph.pb.GetGraphDef(), t.strategy
	if len(cluster.Tasks) == 0 {
		strategy = Independent
	}
	p := &TrainingProgram{Path: t.Path, training: t, Trainers: cluster.Trainers(), GroupSize: t.groupSize}
	var parts []*partition
	if strategy == ParameterServer {
		parts, p.Whole = t.partitions(cluster.Tasks["ps"])
	}
	variables := divided(t.variables, parts)
	place, err := newPlacement(t.Path, def, variables, sizes, strategy, cluster)
	if err != nil {
		return nil, err
	}
	placed, err := place.placed(def)
	if err != nil {
		return nil, err
	}
	b := t.builder(place, variables, placed)
	b.on, b.program = place.own, p
	if err := b.divide(parts); err != nil {
		return nil, err
	}
	b.addAll(o)
	return b.program, b.finish()
}

// addAll adds the operations of tfos to the graph.
func (b *trainingBuilder) addAll(o ProgramOptions) {
	p := b.program
	b.addSaving()
	p.Train = TrainingRun{Fetches: b.Metrics, GlobalStep: b.globalStep, Targets: b.updates}
	p.Eval = TrainingRun{Fetches: b.EvalMetrics}
	b.addCounter()
	switch b.placement.strategy {
	case ParameterServer:
		p.Finish, p.Finished = b.addShared(finishedName)
		p.Stop, p.Stopping = b.addShared(stopName)
		if b.split() {
			b.addJoining()
		}
	case AllReduce:
		b.addCollectiveStop()
	}
	b.addInitialized()
	if o.Rollback {
		b.addRollback()
	}
	if o.Values != nil {
		b.addValues(o.Values)
	}
}

// finish writes the graph, and sets what follows from it.
func (b *trainingBuilder) finish() error {
	p := b.program
	if len(b.start.init) > 0 {
		p.Setup = []Step{{Feeds: b.start.files, Targets: b.start.init}}
	}
	if b.placement.strategy == ParameterServer {
		p.Filters = b.filters()
	}
	if b.placement.strategy == AllReduce {
		p.Leader = b.cluster.leader()
	}
	p.Operations = b.requiredOperations()
	var err error
	if p.Graph, err = proto.Marshal(b.def); err != nil {
		return &ModelError{Path: b.Training.Path, Problem: "its graph cannot be written", Err: err}
	}
	return nil
}

// requiredOperations returns the operations that TensorFlow must have.
func (b *trainingBuilder) requiredOperations() []Operation {
	p := b.program
	var targets []string
	for _, step := range p.Setup {
		targets = append(targets, step.Targets...)
	}
	targets = append(targets, p.saver.restore, p.saver.save, p.Snapshot, p.Rollback, p.Finish)
	if p.shards != nil {
		targets = append(targets, p.shards.restore, p.shards.save)
	}
	targets = append(append(targets, b.updates...), b.firstInit...)
	return operationsOf(b.def, b.flow().reached, targets)
}

// RestoreSteps returns the runs that give all variables the values of a checkpoint. If
// the checkpoint does not fit, the error is that of CheckCheckpoint. Initialized becomes
// true with the last of them.
func (p *TrainingProgram) RestoreSteps(prefix string) ([]Step, error) {
	steps, err := p.valueSteps(prefix)
	return append(steps, p.zeroSteps()...), err
}

// BeginSteps returns the runs that give all variables their first values. Initialized
// becomes true with the last of them.
func (p *TrainingProgram) BeginSteps() ([]Step, error) {
	steps, err := p.valueSteps(p.training.Initial)
	return slices.Concat(steps, p.begin, p.zeroSteps()), err
}

// zeroSteps returns the run that sets what trainers share. Trainers that wait for values
// wait for these variables too.
func (p *TrainingProgram) zeroSteps() []Step { return withoutEmpty(Step{Targets: p.zeros}) }

// valueSteps is RestoreSteps without the last run. Prefix "" stands for the graph's own
// initialisers.
func (p *TrainingProgram) valueSteps(prefix string) ([]Step, error) {
	t := p.training
	if prefix == "" {
		if len(t.firstInit) == 0 {
			return nil, &ModelError{Path: p.Path, Problem: "the graph has no initialiser for its variables", Remedy: "restore a checkpoint"}
		}
		first := Step{Targets: t.firstInit}
		if t.counter.own {
			first.Targets = append(slices.Clone(first.Targets), t.counter.first)
		}
		return []Step{first}, nil
	}
	if err := t.CheckCheckpoint(prefix); err != nil {
		return nil, err
	}
	b, err := readBundle(prefix)
	if err != nil {
		return nil, err
	}
	var first Step
	there := map[string]bool{}
	for _, v := range t.variables {
		there[v.key] = b.entries[v.key] != nil
		if v.key != "" && v.first != "" && !there[v.key] {
			first.Targets = append(first.Targets, v.first)
		}
	}
	restore := p.saver.restoreStep(prefix, there)
	if p.shards != nil {
		gathered := restore
		restore = p.shards.restoreStep(prefix, there)
		restore.Fallback = &gathered
	}
	return withoutEmpty(restore, first), nil
}

func withoutEmpty(steps ...Step) []Step {
	return slices.DeleteFunc(steps, func(s Step) bool { return len(s.Targets) == 0 })
}

// SaveStep returns the run that writes a checkpoint of all variables. TensorFlow writes
// the index file last. The folder of prefix is there. No other machine has a folder of
// its path, unless they share it.
func (p *TrainingProgram) SaveStep(prefix string) Step {
	save := p.saver.saveStep(prefix)
	if p.shards != nil {
		gathered := save
		save = p.shards.saveStep(prefix)
		save.Fallback = &gathered
	}
	return save
}

// trainingBuilder makes a TrainingProgram.
type trainingBuilder struct {
	*Training
	*placement
	on      device // of the nodes that it adds
	program *TrainingProgram
	// variables are those of Training, and slices in place of those that are divided.
	variables []trainedVariable
	def       *graphpb.GraphDef
	shared    []*trainedVariable // on parameter server 0, not in checkpoints
}

// builder returns a builder that adds nodes to def. variables are those of t, or slices
// in place of those that are divided.
func (t *Training) builder(place *placement, variables []trainedVariable, def *graphpb.GraphDef) *trainingBuilder {
	return &trainingBuilder{Training: t, placement: place, variables: variables, def: def}
}
