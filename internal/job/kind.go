package job

import (
	"go.yaml.in/yaml/v3"

	"tfos/internal/reserve"
)

// Kind is what a job does, as the command spells it.
type Kind string

const (
	Train  Kind = "train"
	Infer  Kind = "infer"
	Export Kind = "export"
)

// KindOf is the kind of a job file that may be Train or Infer: who has an app
// trains.
func KindOf(file string) Kind {
	data, err := readFile(file)
	var top struct {
		App any `yaml:"app"`
	}
	// What cannot be read is told in Load, with its line.
	if err == nil && yaml.Unmarshal(data, &top) == nil && top.App == nil {
		return Infer
	}
	return Train
}

// ForMeasuring has the job leave alone what it would write: it replaces outputs
// that are never published, and keeps its checkpoints in a folder of its own,
// which it returns ("": there is none) for the caller to delete.
func (s *Spec) ForMeasuring(run string) (checkpoints string) {
	s.ExportIfExists = "replace"
	if s.Output != nil {
		s.Output.IfExists = "replace"
	}
	if s.kind != Train || s.ModelDir == "" {
		return "" // inference reads its model there
	}
	s.ModelDir = staging(s.ModelDir, run)
	return s.ModelDir
}

// Values of app, input_mode and strategy, and the jobs of a cluster.
const (
	appPython = "python"
	appGraph  = "graph"

	modeSpark      = "spark"
	modeTensorFlow = "tensorflow"

	parameterServer = "parameter_server"
	allReduce       = "all_reduce"
	independent     = "independent"

	jobPS        = "ps"
	jobChief     = "chief"
	jobWorker    = "worker"
	jobEvaluator = reserve.Evaluator
)
