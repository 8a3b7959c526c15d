package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/record"
	"tfos/internal/store"
	"tfos/scripts"
)

// Times in addition to a lease, within which every member ends: drainMargin for
// the driver to publish or delete outputs, scratchMargin until a folder is no
// longer in use.
const (
	drainMargin   = 10 * time.Second
	scratchMargin = 2 * time.Second
)

// start makes the folders, runs the job, and removes the scratch folder.
func (s *submission) start(ctx context.Context, spark launch.Spark) (v record.Verdict, err error) {
	if s.abandonedBy != nil {
		switch err := s.retake(ctx, spark); {
		case errors.Is(err, record.ErrAdopted), errors.Is(err, record.ErrTaken):
			return s.followOther(ctx, err)
		case err != nil:
			return v, err
		}
	}
	scratch, err := launch.NewScratch(s.c.tmp, s.run)
	if err != nil {
		return v, err
	}
	caretaker, err := launch.StartCaretaker(scratch, s.c.env.With("TFOS_RUN", s.run))
	if err != nil {
		return v, errors.Join(err, scratch.Remove(0))
	}
	remove := sync.OnceFunc(func() {
		rerr := scratch.Remove(s.lease() + scratchMargin)
		if rerr = errors.Join(rerr, caretaker.Dismiss()); rerr != nil {
			s.c.talk("tfos: warning: %v: look into %s", rerr, scratch.Dir)
		}
	})
	defer remove()
	if _, forgets := s.manager.(cluster.Follower); forgets && !s.plan.InCluster() {
		caretaker.CleanAfter(s.cluster)
	}
	if err = s.fillScratch(scratch, spark); err != nil {
		return v, err
	}
	if s.plan.InCluster() {
		return s.startInCluster(ctx, spark, scratch, caretaker.Watch, remove)
	}
	argv := s.plan.Command(spark.Submit)
	config, err := s.recordConfig(argv)
	if err != nil {
		return v, err
	}
	kept, err := launch.NewRecord(context.WithoutCancel(ctx), config) // it says so if ctx is cancelled
	if err != nil {
		return v, err
	}
	v, err = s.runApplication(ctx, spark, scratch, kept.Event, argv, caretaker.Watch)
	if v.Code != exit.Done {
		if err := launch.ClearStaging(context.Background(), s.plan.Reserve, &v); err != nil {
			s.c.talk("tfos: warning: unfinished output was not deleted: %v", err)
		}
	}
	v.Run, v.Kind, v.Record = s.run, string(s.o.kind), s.plan.Record
	last := v
	if err != nil {
		last = withError(v, err)
	}
	if ferr := kept.Finish(context.WithoutCancel(ctx), last); ferr != nil { // the verdict does not depend on it
		s.c.talk("tfos: warning: the run's record is not complete: %v", ferr)
	}
	return v, err
}

// recordConfig is that of the run's record.
func (s *submission) recordConfig(argv []string) (record.Config, error) {
	plan, err := s.plan.JSON()
	if err != nil {
		return record.Config{}, err
	}
	files := map[string][]byte{"plan.json": plan, "command.txt": []byte(job.Quote(argv, true) + "\n")}
	if s.plan.InCluster() {
		if files[launch.ClusterFile], err = s.clusterFile().Encode(); err != nil {
			return record.Config{}, err
		}
	}
	return record.Config{
		Dir:   s.plan.Record,
		Run:   record.Run{ID: s.run, Kind: string(s.o.kind), Job: s.spec.Name, Master: s.plan.Submission.Master, InCluster: s.plan.InCluster()},
		Files: files,
		Now:   s.c.now,
		Warn:  func(err error) { s.c.talk("tfos: warning: the run's record is not complete: %v", err) },
	}, nil
}

// deleteCheckpoints deletes the checkpoints of a measurement, also of one that was stopped.
func (s *submission) deleteCheckpoints(ctx context.Context, checkpoints string) {
	if checkpoints == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	at, err := store.For(checkpoints)
	if err == nil {
		err = at.Remove(ctx, checkpoints)
	}
	if err != nil {
		s.c.talk("tfos: warning: the measurement's checkpoints were not deleted: %v", err)
	}
}

func (s *submission) lease() time.Duration { return time.Duration(s.spec.Timeouts.Lease) }

// fillScratch writes all files of the plan that lie in the scratch folder.
func (s *submission) fillScratch(scratch launch.Scratch, spark launch.Spark) error {
	var binaries errgroup.Group
	for _, name := range []string{nodeBinary, engineBinary} {
		if s.needs(name) {
			binaries.Go(func() error { return unpack(s.c.payload, name, launch.BinariesIn(s.state), scratch) })
		}
	}
	if err := binaries.Wait(); err != nil {
		return err
	}
	for _, c := range s.plan.Copies {
		if err := copyInto(scratch, c); err != nil {
			return err
		}
	}
	if err := s.writeBundle(scratch); err != nil {
		return err
	}
	plan, err := s.plan.JSON()
	if err != nil {
		return err
	}
	files := map[string][]byte{"plan.json": plan}
	if s.plan.Where.Spark() {
		if files["app.py"], err = scripts.App(); err != nil {
			return err
		}
		if files["tfos.zip"], err = scripts.Zip(); err != nil {
			return err
		}
	}
	if s.plan.Submission.Properties != "" {
		if files[s.propertiesName()], err = s.propertiesFile(spark); err != nil {
			return err
		}
	}
	if script := s.plan.Submission.GPUScript; script != "" {
		if err := scratch.Write(filepath.Base(script), 0o700, bytes.NewReader(job.GPUScript)); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := scratch.Write(name, 0o600, bytes.NewReader(data)); err != nil {
			return err
		}
	}
	return nil
}

func copyInto(scratch launch.Scratch, c job.Copy) error {
	name, err := filepath.Rel(scratch.Dir, c.To)
	if err != nil {
		return err
	}
	f, err := os.Open(c.From)
	if err != nil {
		return err
	}
	return errors.Join(scratch.Write(name, 0o644, f), f.Close())
}

// needs reports whether the plan names a binary: by its path here, or as it is in the cluster.
func (s *submission) needs(binary string) bool {
	for _, f := range append([]string{s.plan.NodeBinary, s.plan.Node.Child.Engine}, s.plan.Files...) {
		if filepath.Base(f) == binary {
			return true
		}
	}
	return false
}

// runApplication runs spark-submit, or the driver, and shows its progress.
func (s *submission) runApplication(ctx context.Context, spark launch.Spark, scratch launch.Scratch, keep func(record.Event), argv []string, started func(group int)) (record.Verdict, error) {
	if s.plan.Where == job.LocalCluster {
		home, err := scratch.SparkHome(spark.Home)
		if err != nil {
			return record.Verdict{}, err
		}
		spark.Home = home
	}
	child := launch.Child{Run: s.run, Scratch: scratch, ThisMachine: s.plan.Where.ThisMachine(), Light: s.plan.LightDriver()}
	env := child.Environ(s.c.env)
	if s.plan.Where.Spark() {
		env = spark.Environ(s.c.env, child)
	}
	var input []byte
	if !s.plan.Where.Spark() { // Spark's driver asks its SparkContext
		var err error
		if input, err = s.storageInput(); err != nil {
			return record.Verdict{}, err
		}
	}
	talk := newProgress(s.c)
	talk.submitted(s.run, s.plan.Master(), s.plan.Record)
	config := launch.Config{
		Run:       s.run,
		Argv:      argv,
		Env:       env,
		Input:     input,
		NoSpark:   !s.plan.Where.Spark(),
		Manager:   s.manager,
		Record:    s.plan.Record,
		Formation: time.Duration(s.spec.Timeouts.Reservation),
		Grace:     s.lease() + drainMargin,
		Started:   started,
		Event:     func(e record.Event) { keep(e); talk.showEvent(e) },
		Output:    talk,
		Kill:      s.c.kill,
	}
	if s.o.verbose {
		config.SparkLog = talk
	}
	v, err := launch.Run(ctx, config)
	talk.finish()
	if v.Phase == launch.PhaseSkipped { // only the run could find that out
		s.c.talk("tfos: nothing to do: %s", nothingToDo(v))
	}
	return v, err
}

// nothingToDo says why a run had nothing to do.
func nothingToDo(v record.Verdict) string {
	if v.Train != nil {
		return fmt.Sprintf("%s has all of the job's steps", v.Train.ResumedFrom)
	}
	return "the output is complete and has all of the input"
}
