package job

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tfos/internal/shellglob"
	"tfos/internal/work"
)

// placeholder stands for one of the job's parameters in a program's argv.
var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

var (
	pythonName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	moduleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
	// hasArguments matches a command with words after it. Folders may have spaces
	// in their names.
	hasArguments = regexp.MustCompile(`\s-|^\S+\s[^/]*$|/[^/]*\s[^/]*$`)
)

// app checks that one application is given, and a Python program's keys.
func (r *rules) app() {
	a := r.s.App
	switch {
	case a.Python == nil && a.Graph == nil:
		r.broken("app", "", "must have one of python, graph")
	case a.Python != nil && a.Graph != nil:
		r.broken("app", "python and graph", "must have exactly one of them")
	}
	if a.Python != nil {
		r.python(a.Python)
		r.shipped(a.Python)
	}
	if a.Graph != nil {
		r.graph(a.Graph)
	}
}

func (r *rules) python(p *Python) {
	r.program(p)
	r.uploadRules(p)
	if hasArguments.MatchString(p.Interpreter) {
		r.broken("app.python.interpreter", p.Interpreter, noArguments)
	}
	for key, name := range map[string]string{"function": p.Function, "export_function": p.ExportFunction} {
		if name != "" && !pythonName.MatchString(name) {
			r.broken("app.python."+key, name, "must be the name of a function")
		}
	}
	if p.ExportFunction != "" && p.Function == "" {
		r.broken("app.python.export_function", p.ExportFunction, "needs app.python.function")
	}
	if p.ExportFunction != "" && r.s.ExportDir == "" {
		r.broken("app.python.export_function", p.ExportFunction, "needs export_dir")
	}
	if p.Function == "" && len(p.Args.Values) > 0 {
		r.broken("app.python.args", "a mapping", "must be a list for a script: it becomes argv, where {model_dir} stands for the parameter")
		return
	}
	parameters := r.s.parameters(r.s.ExportDir)
	for i, arg := range p.Args.Argv {
		for _, m := range placeholder.FindAllStringSubmatch(arg, -1) {
			if value, known := parameters[m[1]]; known && value == nil {
				r.broken(indexed("app.python.args", i), arg, "the job has no %s", m[1])
			}
		}
	}
	for name := range p.Args.Values {
		at := "app.python.args." + name
		if !pythonName.MatchString(name) {
			r.broken(at, "", "must be a Python name: it becomes args.%s", name)
		} else if _, double := parameters[name]; double {
			r.broken(at, p.Args.Values[name], "is a parameter of the job already: the key %s sets it", name)
		}
	}
}

const noArguments = "must be a name or a path without arguments: give options as variables in resources.all.env (-O as PYTHONOPTIMIZE, -W as PYTHONWARNINGS); -u is set already"

// program checks which program runs.
func (r *rules) program(p *Python) {
	switch {
	case p.File != "" && p.Module != "":
		r.broken("app.python.module", p.Module, "is in the place of app.python.file: give one of them")
	case p.Module != "":
		if strings.HasSuffix(p.Module, ".py") || strings.Contains(p.Module, "/") {
			r.broken("app.python.module", p.Module, "is a path: must be the name of a module, such as pkg.train; a path goes into app.python.file")
		} else if !moduleName.MatchString(p.Module) {
			r.broken("app.python.module", p.Module, "must be the name of a module, such as pkg.train")
		}
	case !r.required("app.python.file", p.File, "say which program runs (or app.python.module)"):
	case IsURL(p.File):
		r.broken("app.python.file", p.File, "must be a file on this machine")
	case !strings.HasSuffix(p.File, ".py"):
		r.broken("app.python.file", p.File, "must end in .py")
	}
}

// shipped checks the files that travel with a program: they meet in one folder.
func (r *rules) shipped(p *Python) {
	taken := r.s.reserved()
	claim := func(at, file string) {
		if r.s.InCluster() && strings.Contains(file, ",") {
			r.broken(at, file, "must have no comma: spark-submit --files takes a list")
		}
		base := path.Base(file)
		if by, double := taken[base]; double {
			r.broken(at, file, "has the same file name as one of %s: they are shipped into one folder", by)
			return
		}
		taken[base] = at
	}
	if p.File != "" {
		claim("app.python.file", p.File)
	}
	for i, file := range p.PyFiles {
		at := indexed("app.python.py_files", i)
		if !slices.Contains([]string{".py", ".zip", ".egg"}, path.Ext(file)) {
			r.broken(at, file, "must end in .py, .zip or .egg")
		}
		if IsURL(file) {
			r.broken(at, file, "must be a file on this machine")
		}
		claim(at, file)
	}
	for i, file := range p.Files {
		if IsURL(file) {
			r.broken(indexed("app.python.files", i), file, "must be a file, folder or pattern on this machine: a program opens a URL itself")
		}
	}
}

// reserved are the file names beside a program that tfos takes itself.
func (s *Spec) reserved() map[string]string {
	taken := map[string]string{}
	for _, name := range []string{"tfos", "tfos.zip", "tfos.py", "tfos-node", "tfos-engine", bundleName} {
		taken[name] = "tfos"
	}
	if s.InCluster() {
		taken["app.py"], taken["plan.json"] = "tfos", "tfos"
	}
	return taken
}

// training checks data, numbers and outputs.
func (r *rules) training() {
	s := r.s
	r.oneOf("input_mode", s.InputMode, modeSpark, modeTensorFlow)
	r.oneOf("feeder", s.Feeder, "arrow", "pipe", "auto")
	if s.sparkFed() {
		r.readBy()
		r.withoutSpark()
	}
	r.input()
	r.columns()
	r.between("batch_size", int64(s.BatchSize), 1, maxBatch)
	r.between("epochs", int64(s.Epochs), 1, maxEpochs)
	r.atLeast("readers", int64(s.Readers), 1)
	r.oneOf("protocol", s.Protocol, "grpc", "grpc+verbs", "rdma")
	if s.source.given("steps") {
		r.atLeast("steps", s.Steps, 1)
		// A share of nothing would read as no limit.
		if n := len(s.trainers()); s.feedsMembers() && s.Steps >= 1 && s.Strategy != allReduce && s.Steps < int64(n) {
			r.broken("steps", s.Steps, "must be at least one for each of %d workers", n)
		}
		if s.Steps > 0 && s.BatchSize > 0 && s.Steps > (1<<53)/int64(s.BatchSize) {
			r.broken("steps", s.Steps, "is too large: steps x batch_size must stay below 2^53 rows")
		}
	}
	if s.Shuffle != nil {
		r.atLeast("shuffle.buffer", int64(s.Shuffle.Buffer), 1)
	}
	if s.Checkpoint != nil {
		r.atLeast("checkpoint.every_steps", s.Checkpoint.EverySteps, 1)
		r.atLeast("checkpoint.keep", int64(s.Checkpoint.Keep), 1)
	}
	if s.ExportDir != "" {
		r.folder("export_dir", s.ExportDir)
	}
	r.oneOf("export_if_exists", s.ExportIfExists, "fail", "replace")
	r.oneOf("export_format", s.ExportFormat, formatAny, work.KindSavedModel)
	for key, value := range map[string]string{"export_if_exists": s.ExportIfExists, "export_format": s.ExportFormat} {
		if s.source.given(key) && s.ExportDir == "" {
			r.broken(key, value, "needs export_dir")
		}
	}
	if s.TensorBoard && s.ModelDir == "" {
		r.broken("tensorboard", true, "needs model_dir")
	}
	if s.Output != nil {
		r.output()
	}
	r.distinct()
}

// input checks the sources of data.
func (r *rules) input() {
	in := r.s.Input
	named := in.Train != nil || in.Validation != nil
	direct := in.Path != "" || in.Table != "" || in.SQL != ""
	if named && direct {
		r.broken("input", "both", "is one source, or named ones (train, validation), not both")
		return
	}
	if in.Validation != nil && in.Train == nil {
		r.broken("input.train", "", "say what is trained on")
	}
	for _, src := range r.s.sources() {
		r.source(src.path, src.Source)
	}
}

func (r *rules) source(at string, src *Source) {
	var ways []string
	for _, way := range [][2]string{{"path", src.Path}, {"table", src.Table}, {"sql", src.SQL}} {
		if way[1] != "" {
			ways = append(ways, way[0])
		}
	}
	if len(ways) > 1 {
		r.broken(at, strings.Join(ways, " and "), "must have exactly one of path, table, sql")
	}
	if len(ways) == 0 && (r.s.InputMode != modeTensorFlow || r.s.App.Python == nil) {
		text := "say what is read: one of path, table, sql"
		switch {
		case r.s.readsShards():
			text = "say which files are read"
		case r.s.App.Python != nil:
			text = "say what Spark reads (one of path, table, sql), or set input_mode: tensorflow for a program that reads its own data"
		}
		r.broken(join(at, "path"), "", "%s", text)
	}
	if src.Path == "" && len(ways) > 0 {
		for _, key := range []string{"format", "options"} {
			if r.s.source.given(join(at, key)) {
				r.broken(join(at, key), "", "applies to a path only")
			}
		}
	}
	if src.Path != "" && src.Format == "" {
		r.broken(join(at, "format"), "", "must not be empty")
	}
}

// columns checks the mappings: no name twice, none empty.
func (r *rules) columns() {
	for _, m := range []struct {
		path    string
		mapping Mapping
	}{{"input_mapping", r.s.InputMapping}, {"output_mapping", r.s.OutputMapping}} {
		seen := map[string]string{}
		for _, kv := range m.mapping {
			at := join(m.path, kv[0])
			if kv[0] == "" || kv[1] == "" {
				r.broken(at, kv[1], "must name both sides")
			} else if first, double := seen[kv[1]]; double {
				r.broken(at, kv[1], "is the name that %s has", first)
			}
			seen[kv[1]] = at
		}
	}
}

// uploadRules checks the keys about files in a program's working directory.
func (r *rules) uploadRules(p *Python) {
	for i, pattern := range p.Outputs {
		at := indexed("app.python.outputs", i)
		switch {
		case strings.TrimSpace(pattern) == "":
			r.broken(at, pattern, "must name files below the working directory: . for all of them")
		case path.IsAbs(pattern) || IsURL(pattern) || !filepath.IsLocal(path.Clean(pattern)):
			r.broken(at, pattern, "must be below the working directory of the program: only what lies there is brought")
		case shellglob.Check(pattern) != nil:
			r.broken(at, pattern, "is no pattern: a bracket is not closed")
		}
	}
	switch {
	case p.OutputDir != "" && len(p.Outputs) == 0:
		r.broken("app.python.output_dir", p.OutputDir, "does nothing without app.python.outputs")
	case p.OutputDir != "":
		r.folder("app.python.output_dir", p.OutputDir)
	case len(p.Outputs) > 0 && r.s.InCluster():
		r.broken("app.python.outputs", "", "needs app.python.output_dir with spark.deploy_mode cluster: this machine's record is out of the driver's reach")
	}
}
