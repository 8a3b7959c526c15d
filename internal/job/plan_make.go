package job

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/store"
	"tfos/internal/work"
)

var runID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// MakePlan works out a run. It is a function of its arguments alone: equal ones
// give an equal Plan. The Spec is one that Load or FromFlags returned.
func MakePlan(s *Spec, env Environment) (*Plan, error) {
	if !runID.MatchString(env.RunID) {
		return nil, fmt.Errorf("job: plan: run id %q must be letters, digits, dots, dashes", env.RunID)
	}
	if !filepath.IsAbs(env.Scratch) || !filepath.IsAbs(env.Record) {
		return nil, fmt.Errorf("job: plan: scratch folder %q and record folder %q must be absolute", env.Scratch, env.Record)
	}
	s = s.onMachine(env.Cores)
	l := s.layout()
	outputs := s.outputs(env)
	p := &Plan{
		Version: PlanVersion, Kind: s.kind, Run: env.RunID, Name: s.Name,
		Scratch: env.Scratch, Record: env.Record,
		Where: l.master.where, DeployMode: s.deployMode(),
		Files: s.files(env.Scratch), Copies: s.copies(env.Scratch), NodeBinary: filepath.Join(env.Scratch, "tfos-node"),
		TaskCPUs: l.taskCPUs, TaskGPUs: s.sparkGPUs(),
		Reserve: work.Config{Config: s.reserveConfig(env, l), Outputs: outputs, ModelDir: s.lockedModelDir()},
		Node:    s.nodeConfig(env, l, outputs),
		Feeds:   s.feeds(),
		Stores:  s.UsesStores(),
		summary: s.summary(env, l),
	}
	if s.bundles() {
		p.Bundle = filepath.Join(env.Scratch, "files", bundleName)
	}
	if l.master.where.Spark() {
		p.Submission = s.submission(env, l)
	}
	if err := s.planInference(p, outputs); err != nil {
		return nil, err
	}
	if err := s.planExport(p); err != nil {
		return nil, err
	}
	if err := s.planTraining(p, env.Columns, outputs); err != nil {
		return nil, err
	}
	if s.InCluster() {
		p.inCluster()
		p.Record = s.RecordFolder(env.RunID)
	}
	return p, nil
}

// inCluster makes the plan that of a driver elsewhere: files are where Spark
// puts them, this machine's folders and the launcher are out of reach.
func (p *Plan) inCluster() {
	for i, file := range p.Files {
		p.Files[i] = filepath.Base(file)
	}
	p.NodeBinary = "./" + filepath.Base(p.NodeBinary)
	p.Scratch = ""
}

// InCluster tells whether Spark starts the driver in the cluster.
func (p *Plan) InCluster() bool { return p.DeployMode == deployCluster }

// JSON is the content of plan.json.
func (p *Plan) JSON() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("job: write plan: %w", err)
	}
	return append(data, '\n'), nil
}

// files are shipped to executors, by absolute path on this machine.
func (s *Spec) files(scratch string) []string {
	files := []string{filepath.Join(scratch, "tfos-node")}
	for _, c := range s.copies(scratch) {
		files = append(files, c.To)
	}
	if s.App.Python != nil && s.kind == Train {
		if s.bundles() {
			files = append(files, filepath.Join(scratch, "files", bundleName))
		}
		return files
	}
	return append(files, filepath.Join(scratch, "tfos-engine"))
}

// copies are the user's files to ship. Spark ships a link under the name of
// what it points to, so copies go under the names that the job file uses.
func (s *Spec) copies(scratch string) []Copy {
	var out []Copy
	mine := s.shippedLibraries()
	if p := s.App.Python; p != nil && s.kind == Train {
		mine = slices.Clone(p.PyFiles)
		if p.File != "" {
			mine = append([]string{p.File}, mine...)
		}
	}
	for _, file := range mine {
		out = append(out, Copy{From: file, To: filepath.Join(scratch, "files", filepath.Base(file))})
	}
	return out
}

func (s *Spec) reserveConfig(env Environment, l layout) reserve.Config {
	c := reserve.Config{
		Run: env.RunID, Members: s.members(), Shared: l.master.where.sharedExecutor(),
		ExecutorCores:    l.executorCores,
		ReservationMS:    s.Timeouts.Reservation.Milliseconds(),
		LeaseMS:          s.Timeouts.Lease.Milliseconds(),
		StallMS:          s.Timeouts.Stall.Milliseconds(),
		MeasureMS:        env.Measure.Milliseconds(),
		MinRowsPerSecond: env.MinRate,
		Uploads:          s.uploads(env),
	}
	if l.executorCores > 0 { // else the executor is the driver, or there is no Spark
		c.ExecutorMemory = s.settings(env, l)["spark.executor.memory"]
	}
	for _, f := range s.feedConfigs() {
		purpose := reserve.Purpose(f.Name)
		c.Feeds = append(c.Feeds, reserve.FeedConfig{
			Name: f.Name, Purpose: purpose, Synchronous: f.Synchronous, Epochs: s.epochs(purpose), Cached: f.CacheBytes > 0,
		})
	}
	if s.predicts() == infer.Partitions {
		c.Feeds = append(c.Feeds, reserve.FeedConfig{Name: string(reserve.Predict), Purpose: reserve.Predict, Epochs: 1})
	}
	return c
}

// lockedModelDir is the model_dir that one run at a time trains in; "": none is locked. What
// a Python program does with a path of each host is its own business.
func (s *Spec) lockedModelDir() string {
	if s.kind != Train || !s.trainsGraph() && !(store.Remote(s.ModelDir) && store.Knows(s.ModelDir)) {
		return ""
	}
	return s.ModelDir
}

func (s *Spec) nodeConfig(env Environment, l layout, outputs []work.Output) node.Config {
	c := node.Config{
		Run: env.RunID, Kind: string(s.kind), Feeds: s.feedConfigs(), ExitMS: s.Timeouts.Exit.Milliseconds(),
		Child: s.child(env, l.master), Roles: map[string]node.RoleConfig{},
	}
	for _, r := range s.roles() {
		c.Roles[r.job] = node.RoleConfig{Cores: r.role.Cores, GPUs: r.role.GPUs, Env: s.env(r.role)}
	}
	if s.memberGPUs() > 0 {
		c.GPUs = l.master.where.place().gpus
	}
	if s.App.Python != nil && s.kind == Train {
		c.Context = s.context(outputs, env.Beside, env.Verbose)
	}
	if s.kind == Train && s.ModelDir != "" {
		c.Model = &node.ModelConfig{Dir: s.ModelDir, Independent: s.Strategy == independent, Board: s.TensorBoard}
		if s.trainsGraph() {
			c.Model.Keep = s.Checkpoint.Keep
		}
	}
	exportTo := ""
	if s.kind == Export {
		exportTo = exportFolder(env.Scratch)
	}
	c.Outputs = storedOutputs(outputs, exportTo)
	if l.master.where.ThisMachine() {
		c.LogDir = filepath.Join(env.Record, "logs")
	}
	return c
}

func (s *Spec) child(env Environment, m master) node.ChildConfig {
	c := node.ChildConfig{Kind: "engine", Interpreter: s.interpreter(env, m)}
	if s.App.Python == nil || s.kind != Train {
		c.Engine, c.LibDir, c.OpLibraries = "tfos-engine", s.libraryFolder(), s.librariesOnExecutors()
		return c
	}
	c.Kind = "python"
	if env.Measure == 0 {
		c.Outputs = s.App.Python.Outputs
	}
	if s.bundles() {
		c.Archive = bundleName
	}
	c.PythonPath = []string{"tfos.zip"}
	for _, file := range s.App.Python.PyFiles {
		if slices.Contains([]string{".zip", ".egg"}, filepath.Ext(file)) {
			c.PythonPath = append(c.PythonPath, filepath.Base(file))
		}
	}
	return c
}

// bundles tells whether the job has such an archive, be it an empty one.
func (s *Spec) bundles() bool {
	p := s.App.Python
	return p != nil && s.kind == Train && (len(p.Files) > 0 || p.Module != "")
}

// bundleName is the archive that brings app.python.files to executors: one
// file for Spark to ship, however many there are.
const bundleName = "tfos-files.tar"

// shippedLibraries are the libraries that go to executors with the job. Without
// Spark there is nowhere to go.
func (s *Spec) shippedLibraries() []string {
	var files []string
	for _, entry := range s.TensorFlow.OpLibraries {
		if isLibraryFile(entry) && s.Where().Spark() {
			files = append(files, entry)
		}
	}
	return files
}

// librariesOnExecutors are the libraries as a member finds them: shipped ones by
// their file names, others by their paths, packages by their names.
func (s *Spec) librariesOnExecutors() []string {
	var entries []string
	for _, entry := range s.TensorFlow.OpLibraries {
		if isLibraryFile(entry) && s.Where().Spark() {
			entry = "./" + path.Base(entry)
		}
		entries = append(entries, strings.TrimPrefix(entry, onExecutors))
	}
	return entries
}
