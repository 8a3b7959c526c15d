package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/model"
	"tfos/internal/record"
	"tfos/scripts"
)

// Times in addition to a lease, within which every member ends: drainMargin for
// the driver to publish or delete outputs, scratchMargin until a folder is no
// longer in use.
const (
	drainMargin   = 10 * time.Second
	scratchMargin = 2 * time.Second
)

// submission is one run, from the job to the verdict.
type submission struct {
	c        *cli
	o        *runOptions
	settings settings
	spec     *job.Spec
	plan     *job.Plan
	search   launch.Search
	state    string // folder of all records
	run      string
	bundle   []job.Copy // files shipped with the program
	beside   []string   // names beside the program that are not shipped
}

// submit runs a job from loading to its exit code, and reports everything. Its
// error is a *reportedError, or nil for exit code 0.
func (c *cli) submit(ctx context.Context, o *runOptions, load func() (*job.Spec, error)) error {
	s := &submission{c: c, o: o}
	v, err := s.loadAndRun(ctx, load)
	v.Run, v.Kind = s.run, string(o.kind)
	if err == nil && !o.dryRun && v.Phase != launch.PhaseSkipped {
		c.report(o.output.json, func(w io.Writer) {
			writeReport(w, s.spec.Name, v, s.o.verbose || s.c.terminal)
			if o.measure > 0 && v.Code == exit.Done {
				writeAdvice(w, s.spec, s.plan, v)
			}
		})
	}
	if code := c.conclude(v, err, o.output.json); code != exit.Done {
		return &reportedError{code}
	}
	return nil
}

// loadAndRun loads, checks and plans the job, finds Spark, checks the master,
// and runs the job. An error means that nothing was submitted, or that the
// machine failed.
func (s *submission) loadAndRun(ctx context.Context, load func() (*job.Spec, error)) (record.Verdict, error) {
	var none record.Verdict
	var err error
	if s.run = s.o.runID; s.run != "" {
		if err = checkRunID(s.run); err != nil {
			return none, err
		}
	}
	if s.settings, err = loadSettings(s.c.env); err != nil {
		return none, err
	}
	if s.spec, err = load(); err != nil {
		return none, err
	}
	s.c.warn(s.spec)
	if s.run == "" {
		if s.run, err = newRunID(s.spec.Name, s.c.now()); err != nil {
			return none, err
		}
	}
	if s.o.measure > 0 {
		defer s.deleteCheckpoints(s.spec.ForMeasuring(s.run))
	}
	if err = job.Check(s.spec); err != nil {
		return none, err
	}
	if s.bundle, s.beside, err = s.c.bundle(s.spec); err != nil {
		return none, err
	}
	if err = job.TellFormats(ctx, s.spec); err != nil {
		return none, err
	}
	if path, skipped := job.Skipped(s.spec); skipped && s.o.measure == 0 {
		s.c.talk("tfos: nothing to do: %s is complete, and output.if_exists is skip", path)
		return record.Verdict{Code: exit.Done, Phase: launch.PhaseSkipped, Artifacts: []record.Artifact{{Kind: "predictions", Path: path}}}, nil
	}
	if err = s.c.showContract(ctx, s.spec); err != nil {
		return none, err
	}
	if err = s.makePlan(ctx); err != nil {
		return none, err
	}
	if s.o.dryRun {
		return none, s.showPlan()
	}
	if err = s.spec.Submittable(); err != nil {
		return none, err
	}
	path, unchanged, err := job.Unchanged(ctx, s.spec, s.plan)
	if err != nil {
		return none, err
	}
	if unchanged && s.o.measure == 0 {
		s.c.talk("tfos: nothing to do: %s is complete and has all of the input", path)
		return record.Verdict{Code: exit.Done, Phase: launch.PhaseSkipped, Artifacts: []record.Artifact{{Kind: "predictions", Path: path}}}, nil
	}
	var spark launch.Spark
	if s.plan.Where.Spark() {
		if spark, err = s.findSpark(ctx); err != nil {
			return none, err
		}
	}
	return s.start(ctx, spark)
}

// warnOfSite warns of settings in spark-defaults.conf that the run overrides or
// that affect it.
func (s *submission) warnOfSite(spark launch.Spark) error {
	site, err := launch.FindDefaults(spark.Home, s.c.env)
	for _, warning := range s.spec.SiteWarnings(s.plan, site.Path, site.Settings) {
		s.c.talk("tfos: warning: %s", warning)
	}
	return err
}

// findSpark finds Spark and checks it, as far as possible before it is started.
func (s *submission) findSpark(ctx context.Context) (launch.Spark, error) {
	spark, err := launch.FindSpark(ctx, s.search)
	if err != nil {
		return spark, err
	}
	warnings, err := launch.CheckVersions(ctx, s.search, spark, s.pythons())
	for _, w := range warnings {
		s.c.talk("tfos: warning: %s", w)
	}
	if err != nil {
		return spark, err
	}
	return spark, errors.Join(s.warnOfSite(spark), launch.Preflight(ctx, s.plan.Submission.Master))
}

// pythons returns the Pythons that the run uses on this machine.
func (s *submission) pythons() launch.Uses {
	uses := launch.Uses{Arrow: s.plan.NeedsArrow()}
	if !s.plan.Where.ThisMachine() {
		return uses
	}
	uses.Worker = s.plan.Submission.Conf["spark.pyspark.python"]
	if child := s.plan.Node.Child; child.Engine == "" {
		uses.Program = child.Interpreter
	}
	return uses
}

func (s *submission) makePlan(ctx context.Context) error {
	dirs := []string{s.c.dir}
	if file := s.spec.File(); file != "" {
		if dir, err := filepath.Abs(filepath.Dir(file)); err == nil && dir != s.c.dir {
			dirs = append(dirs, dir)
		}
	}
	probe, err := scripts.Probe()
	if err != nil {
		return err
	}
	s.search = launch.Search{Home: s.spec.Spark.Home, Python: s.settings.Python, Spark: s.settings.SparkHome, Dirs: dirs, Env: s.c.env, Probe: probe}
	python, err := launch.FindPython(s.search)
	switch {
	case err == nil || s.o.dryRun:
	case s.spec.Where().Spark():
		return err
	case s.settings.Python != "": // without Spark this Python only helps to find libtensorflow
		return &launch.Error{Code: exit.Usage, Phase: "settings", Err: err}
	}
	if s.state, err = launch.StateDir(s.settings.StateDir, s.c.env); err != nil {
		return err
	}
	s.plan, err = job.MakePlan(s.spec, job.Environment{
		RunID:         s.run,
		Scratch:       launch.ScratchDir(s.c.tmp, s.run),
		Record:        launch.RecordDir(s.state, s.run),
		Python:        python,
		PysparkPython: s.c.env.Get("PYSPARK_PYTHON"),
		Rows:          s.rows(ctx),
		Measure:       s.o.measure,
		Cores:         s.c.cores,
		Beside:        s.beside,
		Verbose:       s.o.verbose,
	})
	return err
}

// rows counts the rows of parquet input on this machine; 0: not known.
func (s *submission) rows(ctx context.Context) int64 {
	input := s.spec.Input.Source
	if s.spec.Input.Train != nil {
		input = *s.spec.Input.Train
	}
	if input.Path == "" || input.Format != "parquet" {
		return 0
	}
	rows, _ := files.CountRows(ctx, input.Path)
	return rows
}

// showPlan is the dry run. It starts no process.
func (s *submission) showPlan() error {
	var text bytes.Buffer
	if err := s.plan.Explain(&text); err != nil {
		return err
	}
	command := s.plan.Command(launch.KnownSpark(s.search).Submit)
	fmt.Fprintf(&text, "\n%s\n", job.Quote(command, true))
	_, err := s.c.out.Write(text.Bytes())
	return err
}

// start makes the folders, runs the job, and removes the scratch folder.
func (s *submission) start(ctx context.Context, spark launch.Spark) (v record.Verdict, err error) {
	scratch, err := launch.NewScratch(s.c.tmp, s.run)
	if err != nil {
		return v, err
	}
	caretaker, err := launch.StartCaretaker(scratch, s.c.env.With("TFOS_RUN", s.run))
	if err != nil {
		return v, errors.Join(err, scratch.Remove(0))
	}
	defer func() {
		rerr := scratch.Remove(s.lease() + scratchMargin)
		if rerr = errors.Join(rerr, caretaker.Dismiss()); rerr != nil {
			s.c.talk("tfos: warning: %v: look into %s", rerr, scratch.Dir)
		}
	}()
	if err = s.fillScratch(scratch); err != nil {
		return v, err
	}
	argv := s.plan.Command(spark.Submit)
	kept, err := s.newRecord(ctx, argv)
	if err != nil {
		return v, err
	}
	v, err = s.runApplication(ctx, spark, scratch, kept.Event, argv, caretaker.Watch)
	if v.Code != exit.Done {
		if err := launch.ClearStaging(context.Background(), s.plan.Reserve, &v); err != nil {
			s.c.talk("tfos: warning: unfinished output was not deleted: %v", err)
		}
	}
	v = s.checkThroughput(v)
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

// newRecord begins the run's record, even if ctx is cancelled.
func (s *submission) newRecord(ctx context.Context, argv []string) (*record.Writer, error) {
	plan, err := s.plan.JSON()
	if err != nil {
		return nil, err
	}
	return launch.NewRecord(context.WithoutCancel(ctx), record.Config{
		Dir:   s.plan.Record,
		Run:   record.Run{ID: s.run, Kind: string(s.o.kind), Job: s.spec.Name, Master: s.plan.Submission.Master},
		Files: map[string][]byte{"plan.json": plan, "command.txt": []byte(job.Quote(argv, true) + "\n")},
		Now:   s.c.now,
		Warn:  func(err error) { s.c.talk("tfos: warning: the run's record is not complete: %v", err) },
	})
}

// deleteCheckpoints deletes the checkpoints of a measurement.
func (s *submission) deleteCheckpoints(checkpoints string) {
	if checkpoints == "" {
		return
	}
	if job.IsURL(checkpoints) {
		s.c.talk("tfos: warning: delete the measurement's checkpoints yourself: %s", checkpoints)
		return
	}
	if err := os.RemoveAll(checkpoints); err != nil {
		s.c.talk("tfos: warning: the measurement's checkpoints were not deleted: %v", err)
	}
}

// phaseThroughput is the phase of a run that failed because it was too slow.
const phaseThroughput = "throughput"

// checkThroughput fails a run that was slower than --min-throughput. Its
// outputs stay: they are complete, and were expensive to compute.
func (s *submission) checkThroughput(v record.Verdict) record.Verdict {
	if s.o.minRate <= 0 || v.Code != exit.Done || v.Phase == launch.PhaseSkipped {
		return v
	}
	switch t := v.Throughput; {
	case t == nil:
		v.Cause = fmt.Sprintf("--min-throughput %g: nothing was measured: the program takes no rows from a feed, or only one batch", s.o.minRate)
	case t.RowsPerSecond < s.o.minRate:
		v.Cause = fmt.Sprintf("%s is less than --min-throughput %g", rowRate(t.RowsPerSecond), s.o.minRate)
	default:
		return v
	}
	v.Code, v.Phase = exit.Stalled, phaseThroughput
	return v
}

func (s *submission) lease() time.Duration { return time.Duration(s.spec.Timeouts.Lease) }

// fillScratch writes all files of the plan that lie in the scratch folder.
func (s *submission) fillScratch(scratch launch.Scratch) error {
	for _, name := range []string{nodeBinary, engineBinary} {
		if s.needs(scratch.Path(name)) {
			if err := unpack(s.c.payload, name, scratch); err != nil {
				return err
			}
		}
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

// needs reports whether the plan names a file.
func (s *submission) needs(path string) bool {
	for _, f := range append([]string{s.plan.NodeBinary, s.plan.Node.Child.Engine}, s.plan.Files...) {
		if f == path {
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
	talk := newProgress(s.c)
	talk.submitted(s.run, s.plan.Master(), s.plan.Record)
	config := launch.Config{
		Run:       s.run,
		Argv:      argv,
		Env:       env,
		NoSpark:   !s.plan.Where.Spark(),
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
		s.c.talk("tfos: nothing to do: the output is complete and has all of the input")
	}
	return v, err
}

// warn writes warnings about a job: unusual things that are not faults.
func (c *cli) warn(spec *job.Spec) {
	for _, w := range append(spec.Warnings(), job.ExportNameWarnings(spec)...) {
		c.talk("tfos: warning: %v", w)
	}
}

// showContract shows which columns of an inference job feed which tensors.
func (c *cli) showContract(ctx context.Context, spec *job.Spec) error {
	if note := job.ModelNote(spec); note != "" {
		c.talk("tfos: model %s", note)
	}
	lines, err := job.Contract(ctx, spec, func(text string) { c.talk("tfos: warning: %s", text) })
	if len(lines) > 0 && err == nil {
		c.talk("%s", model.Table(lines))
	}
	return err
}
