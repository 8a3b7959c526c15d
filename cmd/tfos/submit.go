package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/model"
	"tfos/internal/record"
	"tfos/internal/store"
	"tfos/scripts"
)

// submission is one run, from the job to the verdict.
type submission struct {
	c        *cli
	o        *runOptions
	settings settings
	spec     *job.Spec
	storage  store.Settings // of the job's stores; they may have secrets
	plan     *job.Plan
	search   launch.Search
	state    string // folder of all records
	run      string
	// abandonedBy is the launcher that has made the run's record, and died before it submitted
	// the run. nil: the run is new.
	abandonedBy *record.Process
	remade      *record.Run // its record, once it is this process's
	cluster     cluster.Config
	manager     cluster.Manager
	bundle      []job.Copy   // files shipped with the program
	beside      []string     // names beside the program that are not shipped
	lines       []model.Line // how columns and tensors go together
}

// submit runs a job from loading to its exit code, and reports everything. Its
// error is a *reportedError, or nil for exit code 0.
func (c *cli) submit(ctx context.Context, o *runOptions, load func() (*job.Spec, error)) error {
	s := &submission{c: c, o: o}
	v, err := s.loadAndRun(ctx, load)
	v.Run, v.Kind = s.run, string(o.kind)
	if err == nil && !o.dryRun && v.Phase != launch.PhaseSkipped && v.Phase != launch.PhaseDetached {
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
	err := s.load(load)
	if err != nil {
		return none, err
	}
	if s.o.measure > 0 {
		defer s.deleteCheckpoints(ctx, s.spec.ForMeasuring(s.run))
	}
	if s.storage, err = s.c.openStores(ctx, s.spec); err != nil {
		return none, err
	}
	if v, adopted, err := s.adopt(ctx); adopted || err != nil {
		return v, err
	}
	if v, done, err := s.check(ctx); done || err != nil {
		return v, err
	}
	if err = s.makePlan(ctx); err != nil {
		return none, err
	}
	if s.o.dryRun {
		return none, s.showPlan()
	}
	if v, done, err := s.checkPlan(ctx); done || err != nil {
		return v, err
	}
	var spark launch.Spark
	if s.plan.Where.Spark() {
		if spark, err = s.findSpark(ctx); err != nil {
			return none, err
		}
	}
	return s.start(ctx, spark)
}

// load loads settings and job, and names the run.
func (s *submission) load(load func() (*job.Spec, error)) (err error) {
	if s.run = s.o.runID; s.run != "" {
		if err = checkRunID(s.run); err != nil {
			return err
		}
	}
	if s.settings, err = loadSettings(s.c.env); err != nil {
		return err
	}
	if s.spec, err = load(); err != nil {
		return err
	}
	s.c.warn(s.spec.Warnings())
	if s.o.interrupt.detach && !s.spec.InCluster() {
		return usageError("--on-interrupt detach: only a run in cluster mode goes on alone (spark.deploy_mode: cluster)")
	}
	if s.o.interrupt.detach && s.o.measure > 0 {
		return usageError("--on-interrupt detach: a measurement ends with its launcher, which deletes its checkpoints")
	}
	if s.run == "" {
		s.run, err = newRunID(s.spec.Name, s.c.now())
	}
	return err
}

// check checks the job's files. done: the job has nothing to do.
func (s *submission) check(ctx context.Context) (v record.Verdict, done bool, err error) {
	s.c.warn(job.ExportNameWarnings(ctx, s.spec))
	if err = job.Check(ctx, s.spec); err != nil {
		return v, false, err
	}
	if s.bundle, s.beside, err = s.c.bundle(s.spec); err != nil {
		return v, false, err
	}
	if err = job.TellFormats(ctx, s.spec); err != nil {
		return v, false, err
	}
	if path, skipped := job.Skipped(ctx, s.spec); skipped && s.o.measure == 0 {
		s.c.talk("tfos: nothing to do: %s is complete, and output.if_exists is skip", path)
		return complete(path), true, nil
	}
	s.lines, err = s.c.showContract(ctx, s.spec)
	return v, false, err
}

// checkPlan checks what only a plan shows. done: the job has nothing to do.
func (s *submission) checkPlan(ctx context.Context) (v record.Verdict, done bool, err error) {
	if err = s.spec.Submittable(); err != nil {
		return v, false, err
	}
	path, unchanged, err := job.Unchanged(ctx, s.spec, s.plan)
	if err != nil || s.o.measure > 0 {
		return v, false, err
	}
	if unchanged {
		s.c.talk("tfos: nothing to do: %s is complete and has all of the input", path)
		return complete(path), true, nil
	}
	if at, trained := job.Trained(s.spec, s.plan); trained {
		v = record.Verdict{Code: exit.Done, Phase: launch.PhaseSkipped, Train: &record.Trained{Step: at.Step, ResumedFrom: at.Prefix}}
		s.c.talk("tfos: nothing to do: %s", nothingToDo(v))
		return v, true, nil
	}
	return v, false, nil
}

// complete is the verdict on an inference job whose output is complete.
func complete(path string) record.Verdict {
	return record.Verdict{Code: exit.Done, Phase: launch.PhaseSkipped, Artifacts: []record.Artifact{{Kind: "predictions", Path: path}}}
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
	return spark, errors.Join(s.warnOfSite(spark), s.openManager(ctx, spark))
}

// openManager finds the cluster manager, and checks that it answers.
func (s *submission) openManager(ctx context.Context, spark launch.Spark) error {
	site, err := launch.FindDefaults(spark.Home, s.c.env)
	if err != nil {
		return err
	}
	s.cluster = s.plan.Cluster(site.Settings, s.c.env.Get)
	if s.manager, err = cluster.Open(s.cluster); err == nil {
		err = s.manager.Reach(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return &launch.Error{Code: exit.CodeOf(err, exit.NoSpark), Phase: "preflight", Err: err}
	}
	if housing, ok := s.manager.(cluster.Housing); ok && !s.spec.InCluster() {
		s.plan.Submission.SetDefaults(housing.Own(ctx, s.c.env.Get("HOSTNAME")))
	}
	return err
}

// pythons returns the Pythons that the run uses on this machine.
func (s *submission) pythons() launch.Uses {
	uses := launch.Uses{Arrow: s.plan.NeedsArrow()}
	if !s.plan.Where.ThisMachine() || s.spec.Environment.Archive != "" {
		return uses
	}
	uses.Worker = s.plan.Submission.Conf["spark.pyspark.python"]
	if child := s.plan.Node.Child; child.Engine == "" {
		uses.Program = child.Interpreter
	}
	return uses
}

func (s *submission) makePlan(ctx context.Context) error {
	s.search = s.c.search(s.settings, s.spec)
	var err error
	if s.search.Probe, err = scripts.Probe(); err != nil {
		return err
	}
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
		Host:          hostName(),
		Python:        python,
		PysparkPython: s.c.env.Get("PYSPARK_PYTHON"),
		Columns:       job.ColumnsOf(s.lines),
		Rows:          s.rows(ctx),
		Measure:       s.o.measure,
		MinRate:       s.o.minRate,
		Address:       s.address(),
		Cores:         s.c.cores,
		ExportVersion: job.NextVersion(ctx, s.spec),
		Beside:        s.beside,
		Verbose:       s.o.verbose,
	})
	return err
}

// hostName is this machine's name; "": it has none.
func hostName() string {
	name, _ := os.Hostname()
	return name
}

// search is where Python and Spark are looked for. spec may be nil.
func (c *cli) search(settings settings, spec *job.Spec) launch.Search {
	found := launch.Search{Python: settings.Python, Spark: settings.SparkHome, Dirs: []string{c.dir}, Env: c.env}
	if spec == nil {
		return found
	}
	found.Home = spec.Spark.Home
	if file := spec.File(); file != "" {
		if dir, err := filepath.Abs(filepath.Dir(file)); err == nil && dir != c.dir {
			found.Dirs = append(found.Dirs, dir)
		}
	}
	return found
}

// address is that of this machine on the way to the master, where executors need it and the
// environment does not choose another one; "": Spark chooses.
func (s *submission) address() string {
	if !s.spec.Where().NeedsAddress() || s.c.env.Get("SPARK_LOCAL_IP")+s.c.env.Get("SPARK_LOCAL_HOSTNAME") != "" {
		return ""
	}
	return cluster.AddressTo(s.spec.Spark.Master)
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

// warn writes warnings about a job: unusual things that are not faults.
func (c *cli) warn(warnings []job.Fault) {
	for _, w := range warnings {
		c.talk("tfos: warning: %v", w)
	}
}

// showContract shows which columns of a job feed which tensors, and returns that.
func (c *cli) showContract(ctx context.Context, spec *job.Spec) ([]model.Line, error) {
	if note := job.ModelNote(spec); note != "" {
		c.talk("tfos: model %s", note)
	}
	lines, err := job.Contract(ctx, spec, func(text string) { c.talk("tfos: warning: %s", text) })
	if len(lines) > 0 && err == nil {
		c.talk("%s", model.Table(lines))
	}
	return lines, err
}
