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

// Beyond a lease, in which every member ends: what the driver needs to publish
// or delete outputs, and a folder to come out of use.
const (
	drainMargin   = 10 * time.Second
	scratchMargin = 2 * time.Second
)

// submission is one run on its way from a job to a verdict.
type submission struct {
	c        *cli
	o        *runOptions
	settings settings
	spec     *job.Spec
	plan     *job.Plan
	search   launch.Search
	state    string // folder of all records
	run      string
	bundle   []job.Copy // files that travel with the program
	beside   []string   // names beside the program that do not
}

// submit brings a job from its loading to its exit code and says everything
// that there is to say. Its error is a *concluded, or nil for exit code 0.
func (c *cli) submit(ctx context.Context, o *runOptions, load func() (*job.Spec, error)) error {
	s := &submission{c: c, o: o}
	v, err := s.through(ctx, load)
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
		return &concluded{code}
	}
	return nil
}

// through is: load, check, plan, find Spark, preflight, run. An error means
// that nothing was submitted, or that the machine failed.
func (s *submission) through(ctx context.Context, load func() (*job.Spec, error)) (record.Verdict, error) {
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
		defer s.forget(s.spec.ForMeasuring(s.run))
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
	if err = s.c.contract(ctx, s.spec); err != nil {
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

// warnOfSite says what becomes of the settings of spark-defaults.conf.
func (s *submission) warnOfSite(spark launch.Spark) error {
	site, err := launch.FindDefaults(spark.Home, s.c.env)
	for _, warning := range s.spec.SiteWarnings(s.plan, site.Path, site.Settings) {
		s.c.talk("tfos: warning: %s", warning)
	}
	return err
}

// findSpark finds Spark, and what can be known of it before it is started.
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

// pythons are those that the run uses, as far as they are on this machine.
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
	case s.settings.Python != "": // without Spark only libtensorflow is looked for with it
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

// rows counts the parquet input where it lies on this machine; 0: not known.
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

// showPlan is the dry run: it starts no process.
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

// start makes the folders, runs and removes the scratch folder again.
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
	if err = s.fill(scratch); err != nil {
		return v, err
	}
	argv := s.plan.Command(spark.Submit)
	kept, err := s.keep(ctx, argv)
	if err != nil {
		return v, err
	}
	v, err = s.follow(ctx, spark, scratch, kept.Event, argv, caretaker.Watch)
	if v.Code != exit.Done {
		if err := launch.ClearStaging(context.Background(), s.plan.Reserve, &v); err != nil {
			s.c.talk("tfos: warning: unfinished output was not deleted: %v", err)
		}
	}
	v = s.fastEnough(v)
	v.Run, v.Kind, v.Record = s.run, string(s.o.kind), s.plan.Record
	last := v
	if err != nil {
		last = withError(v, err)
	}
	if ferr := kept.Finish(context.WithoutCancel(ctx), last); ferr != nil { // the run is what it was
		s.c.talk("tfos: warning: the run's record is not complete: %v", ferr)
	}
	return v, err
}

// keep begins the run's record. A run that is interrupted meanwhile has one too.
func (s *submission) keep(ctx context.Context, argv []string) (*record.Writer, error) {
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

// forget deletes the checkpoints of a measurement.
func (s *submission) forget(checkpoints string) {
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

// phaseThroughput is where a run failed that was too slow.
const phaseThroughput = "throughput"

// fastEnough fails a run that was slower than --min-throughput. Its outputs
// stay: they are complete, and were expensive.
func (s *submission) fastEnough(v record.Verdict) record.Verdict {
	if s.o.minRate <= 0 || v.Code != exit.Done || v.Phase == launch.PhaseSkipped {
		return v
	}
	switch t := v.Throughput; {
	case t == nil:
		v.Cause = fmt.Sprintf("--min-throughput %g: nobody measured it: the program takes no rows from a feed, or only one batch", s.o.minRate)
	case t.RowsPerSecond < s.o.minRate:
		v.Cause = fmt.Sprintf("%s is less than --min-throughput %g", rowRate(t.RowsPerSecond), s.o.minRate)
	default:
		return v
	}
	v.Code, v.Phase = exit.Stalled, phaseThroughput
	return v
}

func (s *submission) lease() time.Duration { return time.Duration(s.spec.Timeouts.Lease) }

// fill writes everything that the plan names below the scratch folder.
func (s *submission) fill(scratch launch.Scratch) error {
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
	if err := s.pack(scratch); err != nil {
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

// needs tells whether the plan names a file.
func (s *submission) needs(path string) bool {
	for _, f := range append([]string{s.plan.NodeBinary, s.plan.Node.Child.Engine}, s.plan.Files...) {
		if f == path {
			return true
		}
	}
	return false
}

// follow runs spark-submit, or the driver, and tells the person about it.
func (s *submission) follow(ctx context.Context, spark launch.Spark, scratch launch.Scratch, keep func(record.Event), argv []string, started func(group int)) (record.Verdict, error) {
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
		Event:     func(e record.Event) { keep(e); talk.event(e) },
		Output:    talk,
		Kill:      s.c.kill,
	}
	if s.o.verbose {
		config.SparkLog = talk
	}
	v, err := launch.Run(ctx, config)
	talk.end()
	if v.Phase == launch.PhaseSkipped { // what only the run could see
		s.c.talk("tfos: nothing to do: the output is complete and has all of the input")
	}
	return v, err
}

// warn writes what is odd in a job but no fault.
func (c *cli) warn(spec *job.Spec) {
	for _, w := range append(spec.Warnings(), job.ExportNameWarnings(spec)...) {
		c.talk("tfos: warning: %v", w)
	}
}

// contract shows how an inference job's columns go into its model.
func (c *cli) contract(ctx context.Context, spec *job.Spec) error {
	if note := job.ModelNote(spec); note != "" {
		c.talk("tfos: model %s", note)
	}
	lines, err := job.Contract(ctx, spec, func(text string) { c.talk("tfos: warning: %s", text) })
	if len(lines) > 0 && err == nil {
		c.talk("%s", model.Table(lines))
	}
	return err
}
