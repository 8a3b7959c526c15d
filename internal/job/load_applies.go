package job

import (
	"slices"

	"tfos/internal/reserve"
)

// refusal is a key that has no meaning for an application and input mode.
type refusal struct {
	key  string
	app  string // "": any
	mode string // "": both
	why  string // what to do instead; "": nothing
}

// refusals is the key table of the job file (docs/job-file.md): such a key is
// refused, never ignored. Keys that Python programs get as arguments are not
// refused.
var refusals = []refusal{
	{key: "readers", mode: modeSpark},
	{key: "shuffle", app: appPython, mode: modeTensorFlow},
	{key: "epoch_cache", mode: modeTensorFlow},
	{key: "feeder", mode: modeTensorFlow},
	{key: "read_by", mode: modeTensorFlow},
	{key: "checkpoint", app: appPython},
	{key: "on_non_finite", app: appPython},
	{key: "early_stopping", app: appPython},
	{key: "tag_set", app: appPython},
	{key: "allow_narrowing", app: appPython},
	{key: "local", app: appPython, why: "a Python program runs in Spark: spark.master: local[n] runs it on this machine"},
	{key: "output", app: appPython, mode: modeTensorFlow},
	{key: "output", app: appGraph},
	{key: "export_format", app: appGraph, why: "its export is a SavedModel"},
	{key: "tensorboard", app: appGraph, why: "its members have no Python. Event files are in model_dir: run tensorboard --logdir there"},
	{key: "tensorflow", app: appPython},
}

// applicability refuses the keys that do not apply to the job's application.
func (r *rules) applicability() {
	s := r.s
	app := s.app()
	if app == "" || s.InputMode != modeSpark && s.InputMode != modeTensorFlow {
		return
	}
	table := slices.Clone(refusals)
	for _, src := range s.sources() {
		table = append(table,
			refusal{key: join(src.path, "options"), app: appPython, mode: modeTensorFlow},
			refusal{key: join(src.path, "table"), mode: modeTensorFlow},
			refusal{key: join(src.path, "sql"), mode: modeTensorFlow})
	}
	for _, x := range table {
		if (x.app != "" && x.app != app) || (x.mode != "" && x.mode != s.InputMode) || !s.source.given(x.key) {
			continue
		}
		what := "a " + app + " app"
		if x.app == "" {
			what = "an app"
		}
		if x.mode != "" {
			what += " with input_mode " + x.mode
		}
		if x.why != "" {
			what += ": " + x.why
		}
		r.broken(x.key, "", "does not apply to %s", what)
	}
}

// app is the application that the job has, "" when it has none or two.
func (s *Spec) app() string {
	switch {
	case s.App.Python != nil && s.App.Graph == nil:
		return appPython
	case s.App.Graph != nil && s.App.Python == nil:
		return appGraph
	}
	return ""
}

// namedSource is a source of data with its key.
type namedSource struct {
	purpose reserve.Purpose // of the feed, which has its name
	path    string          // input, input.train
	*Source
}

// sources lists the data of a job, training data first.
func (s *Spec) sources() []namedSource {
	if s.kind == Export {
		return nil
	}
	if s.Input.Train == nil && s.Input.Validation == nil {
		return []namedSource{{reserve.Train, "input", &s.Input.Source}}
	}
	var out []namedSource
	if s.Input.Train != nil {
		out = append(out, namedSource{reserve.Train, "input.train", s.Input.Train})
	}
	if s.Input.Validation != nil {
		out = append(out, namedSource{reserve.Validation, "input.validation", s.Input.Validation})
	}
	return out
}
