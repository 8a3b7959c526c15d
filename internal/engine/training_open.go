package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/model"
)

// OpenTraining starts this member's server, if it needs one, opens the graph and fills its
// tables. Variables have no values yet: see Restore, and Initialized. A process opens one
// graph in a cluster in its life, because TensorFlow keeps servers and groups.
//
// The error is a *model.ModelError if the graph does not fit the cluster or TensorFlow,
// and a *ProtocolError if TensorFlow lacks the protocol. TensorFlow waits for servers of
// the cluster that have not started, and cannot be interrupted. If the author has put
// parts of the graph on several trainers, OpenTraining then waits for all of them.
func OpenTraining(ctx context.Context, t *model.Training, o TrainingOptions) (*Training, error) {
	cluster := model.Cluster{Job: o.Cluster.Job, Task: o.Cluster.Task}
	if t.Distributed() && o.Cluster.Job != model.EvaluatorJob && len(o.Cluster.Addresses) > 0 {
		cluster.Tasks = map[string]int{}
		for job, addresses := range o.Cluster.Addresses {
			cluster.Tasks[job] = len(addresses)
		}
	}
	options := model.ProgramOptions{Rollback: o.Rollback}
	var err error
	if o.InitFrom != "" {
		if options.Values, err = t.ValuesOf(o.InitFrom); err != nil {
			return nil, err
		}
	}
	program, err := t.Program(cluster, options)
	if err != nil {
		return nil, err
	}
	if err := checkOperations(program.Path, program.Operations); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	at := o.Cluster
	at.Leader = program.Leader
	config, target := at.sessionConfig(program.Filters), ""
	if len(cluster.Tasks) > 0 {
		server, err := StartServer(at)
		if err != nil {
			return nil, err
		}
		target = server.target
	} else {
		config.InterOpParallelismThreads = interOpThreads(at.Threads)
	}
	g := &Training{path: program.Path, program: program, values: options.Values, warn: o.Warn}
	if err := g.open(ctx, t, config, target); err != nil {
		return nil, err
	}
	return g, nil
}

// open makes the session, and finds the tensors that runs need.
func (g *Training) open(ctx context.Context, t *model.Training, config *corepb.ConfigProto, target string) (err error) {
	text, err := proto.Marshal(config)
	if err != nil {
		return fmt.Errorf("engine: session options: %w", err)
	}
	if g.session, err = openGraph(g.program.Graph, text, target); err != nil {
		return cannotLoad(g.path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if j := g.program.Joining; j != nil {
		if err := g.join(ctx, j); err != nil {
			return err
		}
	}
	for _, step := range g.program.Setup {
		if err := execute(g.session, step); err != nil {
			return cannotLoad(g.path, err)
		}
	}
	if g.train, err = g.newRun(g.program.Train, t, t.Train); err != nil {
		return err
	}
	if t.Eval != nil {
		if g.eval, err = g.newRun(g.program.Eval, t, t.Eval); err != nil {
			return err
		}
	}
	for name, place := range map[string]*[]endpoint{g.program.GlobalStep: &g.globalStep, g.program.Initialized: &g.initialized, g.program.Finished: &g.finished, g.program.Stopping: &g.stopping} {
		if name == "" {
			continue
		}
		at, err := g.find(name)
		if err != nil {
			return err
		}
		*place = []endpoint{at}
	}
	return g.addGroupSize()
}

// joinPause is the time between two questions about other trainers.
const joinPause = 50 * time.Millisecond

// join tells the other trainers that this one's session is open, and waits for theirs.
func (g *Training) join(ctx context.Context, j *model.Joining) error {
	if err := g.runOperation(ctx, "let trainers join", j.Reset); err != nil {
		return err
	}
	if err := g.await(ctx, j.Ready, func(at []endpoint) (bool, error) {
		return g.ask(ctx, "wait for the first trainer", at)
	}); err != nil {
		return err
	}
	if err := g.runOperation(ctx, "join the trainers", j.Join); err != nil {
		return err
	}
	return g.await(ctx, j.Joined, func(at []endpoint) (bool, error) {
		n, err := g.readCount(ctx, "count trainers that joined", nil, at)
		return n >= int64(g.program.Trainers), err
	})
}

// await asks for a tensor until the answer is yes or an error, or ctx ends.
func (g *Training) await(ctx context.Context, name string, ask func([]endpoint) (bool, error)) error {
	at, err := g.find(name)
	if err != nil {
		return err
	}
	for {
		if yes, err := ask([]endpoint{at}); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(joinPause):
		}
	}
}

// addGroupSize makes the tensor with the number of trainers, if steps take one.
func (g *Training) addGroupSize() error {
	if g.program.GroupSize == "" {
		return nil
	}
	at, err := g.find(g.program.GroupSize)
	if err != nil {
		return err
	}
	if g.groupSize, err = newTensor(model.Int32, nil); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(g.groupSize.bytes(), uint32(g.program.Trainers))
	g.train.constants = append(g.train.constants, feed{at, g.groupSize})
	return nil
}

// interOpThreads returns the number of inter-op threads of a session without a server.
// With one thread, operations run in the thread that calls the session: a hand-over to a
// thread of TensorFlow and back costs a tenth of a step of 1.2 ms.
func interOpThreads(threads int) int32 {
	if threads == 1 {
		return inCaller
	}
	return int32(threads)
}

// inCaller is the number of inter-op threads that makes TensorFlow run operations in the
// thread that calls it (ConfigProto.inter_op_parallelism_threads in config.proto).
const inCaller = -1
