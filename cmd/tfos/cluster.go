package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
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
	folder  string // of the record
	manager cluster.Manager
	detach  bool // at the first signal
}

// startInCluster submits the job and follows its run. submitted is called when spark-submit
// needs the scratch folder no more.
func (s *submission) startInCluster(ctx context.Context, spark launch.Spark, scratch launch.Scratch, started func(int), submitted func()) (record.Verdict, error) {
	argv := s.plan.Command(spark.Submit)
	kept, err := s.newRecord(ctx, argv)
	if err != nil {
		return record.Verdict{}, err
	}
	kept.Leave() // the driver is its writer
	plan, err := s.plan.JSON()
	if err != nil {
		return record.Verdict{}, err
	}
	r := clusterRun{c: s.c, run: kept.Run(), with: s.clusterFile(), plan: plan, folder: s.plan.Record, manager: s.manager, detach: s.o.interrupt.detach}
	local, err := launch.KeepPlace(s.state, s.run, r.folder)
	if err == nil {
		s.c.talk("tfos: run %s on %s, record %s", s.run, s.plan.Master(), r.folder)
		err = launch.Submit(ctx, s.submitConfig(spark, scratch, local, argv, started))
	}
	submitted()
	if err != nil {
		return s.notSubmitted(ctx, r, err)
	}
	v, err := r.follow(ctx)
	return s.checkThroughput(v), err
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
		FormationMS: time.Duration(s.spec.Timeouts.Reservation).Milliseconds(),
		GraceMS:     (s.lease() + drainMargin).Milliseconds(),
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
	v, err := launch.Follow(ctx, launch.FollowConfig{
		Run: r.run.ID, Record: r.folder, Store: at, Manager: r.manager,
		Formation: r.with.Formation(), Submitted: r.run.Started, Grace: r.with.Grace(),
		Detach: r.detach, Event: talk.showEvent, State: talk.showState, Kill: r.c.kill,
	})
	talk.finish()
	v.Kind = r.run.Kind
	switch {
	case v.Phase == launch.PhaseDetached:
		r.c.talk("tfos: %s. Follow it again: tfos attach %s", v.Cause, r.folder)
	case v.Code != exit.Done:
		if cerr := launch.ClearStagingOf(context.WithoutCancel(ctx), r.plan, &v); cerr != nil {
			r.c.talk("tfos: warning: unfinished output was not deleted: %v", cerr)
		}
	}
	return v, err
}

// openRun finds a run in a cluster by its record. It is fs.ErrNotExist where there is no
// record.
func (c *cli) openRun(ctx context.Context, folder string, detach bool) (clusterRun, error) {
	r := clusterRun{c: c, folder: folder, detach: detach}
	var err error
	if r.run, r.with, r.plan, err = launch.ReadClusterRun(ctx, folder); err != nil {
		return r, err
	}
	site, err := launch.FindDefaults(c.env.Get("SPARK_HOME"), c.env)
	if err != nil {
		return r, err
	}
	r.manager, err = r.with.Open(r.run.ID, site.Settings, c.env.Get)
	return r, err
}

// adopt follows the run that the job's --run-id names, if it goes on in the cluster. None:
// there is no such run, or it has ended.
func (s *submission) adopt(ctx context.Context) (v record.Verdict, adopted bool, err error) {
	if s.o.runID == "" || !s.spec.InCluster() || s.o.dryRun {
		return v, false, nil
	}
	r, err := s.c.openRun(ctx, s.spec.RecordFolder(s.run), s.o.interrupt.detach)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v, false, nil
	case err != nil:
		return v, false, err
	case r.run.State != record.Running:
		return v, false, nil // to make its record again is refused
	}
	s.c.talk("tfos: run %s goes on: record %s", s.run, r.folder)
	v, err = r.follow(ctx)
	return s.checkThroughput(v), true, err
}
