package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/record"
	"tfos/internal/store"
)

// onInterrupt is what the first signal does to a run in a cluster.
type onInterrupt struct{ detach bool }

func (o *onInterrupt) String() string {
	if o.detach {
		return "detach"
	}
	return "stop"
}

func (o *onInterrupt) Set(text string) error {
	switch text {
	case "stop", "detach":
		o.detach = text == "detach"
		return nil
	}
	return errors.New("must be stop or detach")
}

func (*onInterrupt) Type() string { return "stop|detach" }

// clusterRun is a run whose driver is in the cluster.
type clusterRun struct {
	c       *cli
	run     record.Run
	with    launch.ClusterRun
	plan    []byte // plan.json
	others  bool   // another launcher has made its record
	folder  string // of the record
	manager cluster.Manager
	detach  bool // at the first signal
}

// startInCluster submits the job and follows its run. submitted is called when spark-submit
// needs the scratch folder no more.
func (s *submission) startInCluster(ctx context.Context, spark launch.Spark, scratch launch.Scratch, started func(int), submitted func()) (record.Verdict, error) {
	argv := s.plan.Command(spark.Submit)
	run, err := s.newClusterRecord(ctx, argv)
	if err != nil {
		return record.Verdict{}, err
	}
	plan, err := s.plan.JSON()
	if err != nil {
		return record.Verdict{}, err
	}
	r := clusterRun{c: s.c, run: run, with: s.clusterFile(), plan: plan, folder: s.plan.Record, manager: s.manager, detach: s.o.interrupt.detach}
	local, err := launch.KeepPlace(s.state, s.run, r.folder)
	if err == nil {
		s.c.talk("tfos: run %s on %s, record %s", s.run, s.plan.Master(), r.folder)
		err = launch.Submit(ctx, s.submitConfig(spark, scratch, local, argv, started))
	}
	submitted()
	if err != nil {
		return s.notSubmitted(ctx, r, err)
	}
	return r.follow(ctx)
}

// retake makes the record of a run that was not submitted this process's own. Then it removes
// what the dead launcher has left: its caretaker may have been killed too.
func (s *submission) retake(ctx context.Context, spark launch.Spark) error {
	config, err := s.recordConfig(s.plan.Command(spark.Submit))
	if err != nil {
		return err
	}
	run, err := launch.RemakeRecord(context.WithoutCancel(ctx), config, *s.abandonedBy)
	if err != nil {
		return err
	}
	s.remade = &run
	return launch.Scratch{Dir: launch.ScratchDir(s.c.tmp, s.run)}.Remove(scratchMargin)
}

// newClusterRecord makes the record, which the driver takes over.
func (s *submission) newClusterRecord(ctx context.Context, argv []string) (record.Run, error) {
	if s.remade != nil {
		return *s.remade, nil
	}
	config, err := s.recordConfig(argv)
	if err != nil {
		return record.Run{}, err
	}
	kept, err := launch.NewRecord(context.WithoutCancel(ctx), config)
	if err != nil {
		return record.Run{}, err
	}
	kept.Leave()
	return kept.Run(), nil
}

// followOther follows a run that another launcher has submitted meanwhile.
func (s *submission) followOther(ctx context.Context, taken error) (record.Verdict, error) {
	if v, adopted, err := s.adopt(ctx); adopted || err != nil {
		return v, err
	}
	return record.Verdict{}, taken
}

func (s *submission) submitConfig(spark launch.Spark, scratch launch.Scratch, local string, argv []string, started func(int)) launch.Config {
	child := launch.Child{Run: s.run, Scratch: scratch, Light: true}
	config := launch.Config{
		Run: s.run, Argv: argv, Env: spark.Environ(s.c.env, child), Record: local, Started: started, Kill: s.c.kill,
		Event: newProgress(s.c).showEvent,
	}
	if s.o.verbose {
		config.SparkLog = s.c.err
	}
	return config
}

// clusterFile is what the record says to launchers that come later.
func (s *submission) clusterFile() launch.ClusterRun {
	return launch.ClusterRun{
		Kind: cluster.Kind(s.plan.Where), Master: s.plan.Submission.Master, Conf: s.plan.Submission.Conf,
		FormationMS:   time.Duration(s.spec.Timeouts.Reservation).Milliseconds(),
		GraceMS:       (s.lease() + drainMargin).Milliseconds(),
		UnreachableMS: s.spec.Timeouts.Unreachable.Milliseconds(),
	}
}

// notSubmitted ends a run whose application was not taken, or may have been while this
// process was told to end.
func (s *submission) notSubmitted(ctx context.Context, r clusterRun, err error) (record.Verdict, error) {
	after := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		if app, ferr := s.manager.Find(after); ferr == nil {
			if kerr := s.manager.Kill(after, app); kerr != nil {
				s.c.talk("tfos: warning: %v", kerr)
			}
		}
	}
	v := record.Verdict{Run: s.run, Kind: string(s.o.kind), Record: r.folder}
	at, serr := store.For(r.folder)
	if serr == nil {
		serr = record.Conclude(after, at, r.folder, s.c.now(), withError(v, err))
	}
	if serr != nil {
		s.c.talk("tfos: warning: the run's record is not complete: %v", serr)
	}
	return v, err
}

// follow follows the run until its end, or until this launcher leaves it.
func (r clusterRun) follow(ctx context.Context) (record.Verdict, error) {
	at, err := store.For(r.folder)
	if err != nil {
		return record.Verdict{}, err
	}
	talk := newProgress(r.c)
	talk.begin = r.run.Started
	config := launch.FollowConfig{
		Run: r.run.ID, Record: r.folder, Store: at, Manager: r.manager,
		Formation: r.with.Formation(), Submitted: r.run.Started, Grace: r.with.Grace(), Unreachable: r.with.Unreachable(),
		Detach: r.detach, Event: talk.showEvent, State: talk.showState, Kill: r.c.kill,
	}
	if r.others {
		config.Submission = func() launch.Submission { return launch.SubmissionOf(r.run) }
	}
	v, err := launch.Follow(ctx, config)
	talk.finish()
	v.Kind = r.run.Kind
	switch {
	case v.Phase == launch.PhaseDetached:
		r.c.talk("tfos: %s. Follow it again: tfos attach %s", v.Cause, r.folder)
	case v.Phase == launch.PhaseUnsubmitted:
	case v.Code != exit.Done:
		if cerr := launch.ClearStagingOf(context.WithoutCancel(ctx), r.plan, &v); cerr != nil {
			r.c.talk("tfos: warning: unfinished output was not deleted: %v", cerr)
		}
	}
	return v, err
}

// openRun finds a run in a cluster by its record. spec is its job, whose settings may have the
// secrets that its manager asks for; nil: it is not known. The error is fs.ErrNotExist where
// there is no record.
func (c *cli) openRun(ctx context.Context, folder string, spec *job.Spec, settings settings, detach bool) (clusterRun, error) {
	r := clusterRun{c: c, folder: folder, others: true, detach: detach}
	var err error
	if r.run, r.with, r.plan, err = launch.ReadClusterRun(ctx, folder); err != nil {
		return r, err
	}
	site, err := launch.FindDefaults(launch.KnownSpark(c.search(settings, spec)).Home, c.env)
	if err != nil {
		return r, err
	}
	var conf map[string]string
	if spec != nil {
		conf = spec.Spark.Conf
	}
	r.manager, err = r.with.Open(site.Settings, conf, c.env.Get)
	return r, err
}

// adopt follows the run that the job's --run-id names, if it goes on in the cluster. Not
// adopted: there is no such run, or its launcher has died before it was submitted. Then this
// launcher submits it. A run that has ended is refused.
func (s *submission) adopt(ctx context.Context) (v record.Verdict, adopted bool, err error) {
	s.abandonedBy = nil
	if s.o.runID == "" || !s.spec.InCluster() || s.o.dryRun {
		return v, false, nil
	}
	r, err := s.c.openRun(ctx, s.spec.RecordFolder(s.run), s.spec, s.settings, s.o.interrupt.detach)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v, false, nil
	case err != nil:
		return v, false, err
	case r.run.State != record.Running:
		return v, false, launch.RecordExists(ctx, s.run, r.folder)
	}
	if err := s.checkGates(r.plan); err != nil {
		return v, false, err
	}
	if r.run.Adopted {
		s.c.talk("tfos: run %s goes on: record %s", s.run, r.folder)
	} else {
		s.c.talk("tfos: run %s was begun by process %d on %s, and is looked for in the cluster: record %s", s.run, r.run.Writer.PID, r.run.Writer.Host, r.folder)
	}
	v, err = r.follow(ctx)
	if v.Phase == launch.PhaseUnsubmitted && launch.SubmissionOf(r.run) == launch.Abandoned {
		s.c.talk("tfos: %s. It is submitted now", v.Cause)
		s.abandonedBy = &r.run.Writer
		return record.Verdict{}, false, nil
	}
	return v, true, err
}

// checkGates returns an error if the run that goes on was submitted with another gate than this
// command line has: it can no longer be changed.
func (s *submission) checkGates(plan []byte) error {
	gates, err := launch.GatesOf(plan)
	switch {
	case err != nil:
		return &launch.Error{Code: exit.Internal, Phase: "record", Err: err}
	case gates.Measure != s.o.measure:
		return usageError("run %s goes on, and is another command's: follow it with tfos attach, or choose another --run-id", s.run)
	case gates.MinRate != s.o.minRate:
		return usageError("run %s goes on with --min-throughput %g, which cannot be changed: give the same, or follow it with tfos attach", s.run, gates.MinRate)
	}
	return nil
}
