package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"time"

	"tfos/internal/engine"
	"tfos/internal/exit"
	"tfos/internal/export"
	"tfos/internal/feed"
	"tfos/internal/feed/batches"
	"tfos/internal/model"
	"tfos/internal/modelcache"
	"tfos/internal/store"
	"tfos/internal/tensorboard"
	"tfos/internal/train"
)

// evalFolder is the folder of an evaluation's event files, in model_dir.
const evalFolder = "eval"

// train does the member's part of a graph program's training.
func (w *worker) train(ctx context.Context) error {
	m := &trainingMember{worker: w, member: w.member.Context()}
	if err := json.Unmarshal(m.member.Work, &m.request); err != nil {
		return fmt.Errorf("decode the work: %w", err)
	}
	if err := m.fetchModels(ctx); err != nil {
		return err
	}
	if err := engine.LoadLibraries(w.libraries); err != nil {
		return err
	}
	defer m.close()
	m.useLocalModel()
	switch m.member.JobName {
	case train.PSJob:
		return m.serveVariables(ctx)
	case train.EvaluatorJob:
		return m.evaluate(ctx)
	}
	return m.trainRows(ctx)
}

// trainingMember is a member of a training: what its parts work with.
type trainingMember struct {
	*worker
	member  feed.ProgramContext
	request train.Request
	graph   *model.Training // what open has opened
	copies  []modelcache.Copy
	closers []func() error
}

// fetchModels copies the graph, and the values that variables begin with, to this machine.
func (m *trainingMember) fetchModels(ctx context.Context) error {
	for _, path := range []*string{&m.request.Graph, &m.request.InitFrom} {
		if !store.Remote(*path) {
			continue
		}
		copied, err := modelcache.Default().Fetch(ctx, *path, modelcache.Whole)
		if err != nil {
			return err
		}
		*path = copied.Path
		m.copies = append(m.copies, copied)
	}
	return nil
}

// inURL returns a path of a copy as the path that the job names.
func (m *trainingMember) inURL(path string) string {
	for _, c := range m.copies {
		path = c.InURL(path)
	}
	return path
}

// close closes what was opened, the last first. The member's process ends after it.
func (m *trainingMember) close() {
	for _, c := range slices.Backward(m.closers) {
		_ = c() // what counts is written and reported
	}
}

// serveVariables runs a parameter server until the member is stopped.
func (m *trainingMember) serveVariables(ctx context.Context) error {
	if _, err := engine.StartServer(m.cluster()); err != nil {
		return err
	}
	if err := m.enter("running"); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (m *trainingMember) cluster() engine.Cluster {
	return engine.Cluster{
		Addresses: m.member.Cluster, Job: m.member.JobName, Task: m.member.TaskIndex,
		Protocol: m.request.Protocol, Threads: m.request.Threads,
	}
}

// open opens the graph on this member.
func (m *trainingMember) open(ctx context.Context) (*engine.Training, error) {
	req := m.request
	program, err := req.Source().Open()
	if err != nil {
		return nil, err
	}
	o := engine.TrainingOptions{Cluster: m.cluster(), Rollback: req.OnNonFinite == train.SkipNonFinite, InitFrom: req.InitFrom, Warn: m.warn}
	if m.member.JobName == train.EvaluatorJob {
		o.InitFrom = "" // its values are those of checkpoints
	}
	graph, err := engine.OpenTraining(ctx, program, o)
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, graph.Close)
	m.graph = program
	return graph, nil
}

// lastBatch is what becomes of the last rows for a signature of the graph.
func (m *trainingMember) lastBatch(sig *model.Signature) batches.LastBatch {
	if m.graph.WholeBatches(sig) {
		return batches.DropLastBatch
	}
	return batches.ShortLastBatch
}

// trainRows trains on the member's rows.
func (m *trainingMember) trainRows(ctx context.Context) error {
	graph, err := m.open(ctx)
	if err != nil {
		return err
	}
	number, trainers := m.place()
	t := &train.Trainer{
		Request: &m.request, Number: number, Trainers: trainers, Graph: graph,
		Initial: graph.Begin, Enter: m.enter, Report: m.report, Now: time.Now,
	}
	rows, err := batches.Open(ctx, m.socket, train.TrainFeed, m.lastBatch(m.graph.Train))
	if err != nil {
		return err
	}
	m.closers = append(m.closers, rows.Close)
	t.Rows = rows
	if t.Validation, err = m.validation(ctx); err != nil {
		return err
	}
	if t.Chief() {
		if err := m.openFolders(ctx, t); err != nil {
			return &train.Error{Code: exit.CodeOf(err, exit.Output), Err: fmt.Errorf("model_dir: %w", err)}
		}
	}
	if m.request.Export != "" && number == 0 {
		t.Export = m.export
	}
	// Steps keep their thread. Otherwise Go moves them to others, and so to another core's
	// cache: it gives the processor of a goroutine that is in TensorFlow to the next one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	result, err := t.Run(ctx)
	result.Divided, result.Whole = graph.Divided()
	result.InitFrom = m.inURL(result.InitFrom)
	if err != nil && result.Steps == 0 {
		return err
	}
	// The result of a training that was stopped says where its last checkpoint is.
	return errors.Join(err, m.worker.member.Result(m.shared(result)))
}

// place is the member's number among the trainers, and how many there are. A dedicated
// chief is the first.
func (m *trainingMember) place() (number, trainers int) {
	chiefs := len(m.member.Cluster["chief"])
	trainers = chiefs + len(m.member.Cluster["worker"])
	if m.member.JobName == "worker" {
		return chiefs + m.member.TaskIndex, trainers
	}
	return m.member.TaskIndex, trainers
}

// validation returns a function that starts a pass over the validation rows; nil: this
// member gets none.
func (m *trainingMember) validation(ctx context.Context) (func() (train.Batches, error), error) {
	if !slices.ContainsFunc(m.member.Feeds, func(f feed.Config) bool { return f.Name == train.ValidationFeed }) {
		return nil, nil
	}
	passes, err := batches.OpenPasses(ctx, m.socket, train.ValidationFeed, m.folder, m.lastBatch(m.graph.Eval))
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, passes.Close)
	return func() (train.Batches, error) { return passes.Pass(), nil }, nil
}

// openFolders opens the folder of a chief's checkpoints and its event files.
func (m *trainingMember) openFolders(ctx context.Context, t *train.Trainer) error {
	if m.request.ModelDir == "" {
		return nil
	}
	if err := m.ownFolder(t.Number); err != nil {
		return err
	}
	meta, err := m.graph.MetaFile(m.request.TagSet)
	if err != nil {
		return err
	}
	dir := m.request.ModelDir
	saver, err := train.OpenCheckpoints(dir, m.request.Keep, meta)
	if err != nil {
		return err
	}
	t.Checkpoints = saver
	if t.Summaries, err = m.summaries(ctx, dir); err != nil {
		return err
	}
	if t.Validation != nil {
		t.EvalSummaries, err = m.summaries(ctx, path.Join(dir, evalFolder))
	} else if m.request.EarlyStopping != nil {
		t.StopWanted = func() (bool, error) { return train.StopWanted(ctx, m.sharedModelDir(), m.member.Run) }
	}
	return err
}

// ownFolder gives an independent trainer but the first a folder of its own in
// model_dir, and what it goes on from there: each trains another model.
func (m *trainingMember) ownFolder(number int) error {
	if number == 0 {
		return nil
	}
	m.request.ModelDir = fmt.Sprintf("%s/worker-%d", m.request.ModelDir, m.member.TaskIndex)
	m.request.Resume = nil
	at, found, _, err := train.Newest(m.request.ModelDir)
	if found {
		m.request.Resume = &at
	}
	return err
}

// summaries opens an event file.
func (m *trainingMember) summaries(ctx context.Context, dir string) (train.Summaries, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("the name of this host: %w", err)
	}
	var done int64
	if m.request.Resume != nil {
		done = m.request.Resume.Step
	}
	return tensorboard.Create(ctx, dir, host, done, time.Now())
}

// report tells the member how far the training is. A member that is gone ends this
// process too.
func (m *trainingMember) report(p train.Progress) {
	_ = m.worker.member.Training(feed.TrainingProgress(p))
}

// export makes the SavedModel of a checkpoint.
func (m *trainingMember) export(ctx context.Context, prefix string) error {
	graph, err := m.exportGraph(prefix)
	if err != nil {
		return err
	}
	req := export.Request{
		ExportSource: model.ExportSource{Graph: graph, TagSet: m.request.TagSet, Checkpoint: prefix},
		Output:       m.request.Export, Threads: m.request.Threads,
	}
	load := func(ctx context.Context, program *model.Program) (export.Model, error) {
		return engine.Load(ctx, program, req.Threads)
	}
	_, err = export.Run(ctx, &req, load, m.enter)
	return err
}

// exportGraph is the graph of a checkpoint's export: the job's or, if that has no saver,
// the .meta file beside the checkpoint, which it writes if there is none.
func (m *trainingMember) exportGraph(prefix string) (string, error) {
	if !m.graph.NeedsMetaFile() {
		return m.request.Graph, nil
	}
	beside := prefix + ".meta"
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	content, err := m.graph.MetaFile(m.request.TagSet)
	if err == nil {
		err = os.WriteFile(beside, content, 0o600)
	}
	return beside, err
}

// evaluate evaluates the checkpoints that the chief writes.
func (m *trainingMember) evaluate(ctx context.Context) error {
	graph, err := m.open(ctx)
	if err != nil {
		return err
	}
	validation, err := m.validation(ctx)
	if err != nil {
		return err
	}
	if validation == nil {
		return errors.New("the evaluator gets no validation rows")
	}
	dir := m.request.ModelDir
	summaries, err := m.summaries(ctx, path.Join(dir, evalFolder))
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	e := &train.Evaluator{
		Request: &m.request, Graph: graph, Validation: validation, Summaries: summaries, Ended: ended,
		Newest: func() (train.Start, bool, error) {
			at, found, _, err := train.Newest(dir)
			return at, found, err
		},
		Stop: func(step int64) error { return train.WantStop(ctx, m.sharedModelDir(), m.member.Run, step) },
		Enter: func(phase string) error {
			err := m.enter(phase)
			go func() {
				// An error means that the member is gone, which ends this process.
				if m.worker.member.AwaitTrainingEnd() == nil {
					close(ended)
				}
			}()
			return err
		},
		Now: time.Now,
	}
	result, err := e.Run(ctx)
	if err != nil {
		return err
	}
	return m.worker.member.Result(m.shared(result))
}
