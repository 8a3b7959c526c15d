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

// kindOf tells the kind of a job file's text. Export has signatures, or a graph
// without input, or model_dir and export_dir without app, input and output. Any other
// job without app is an Infer. The rest is Train, a text that is no YAML too.
func kindOf(data []byte) Kind {
	var keys struct {
		App *struct {
			Graph any `yaml:"graph"`
		} `yaml:"app"`
		Signatures any `yaml:"signatures"`
		Input      any `yaml:"input"`
		Output     any `yaml:"output"`
		ModelDir   any `yaml:"model_dir"`
		ExportDir  any `yaml:"export_dir"`
	}
	switch err := yaml.Unmarshal(data, &keys); {
	case err != nil:
		return Train
	case keys.Signatures != nil, keys.App != nil && keys.App.Graph != nil && keys.Input == nil:
		return Export
	case keys.App == nil && keys.Input == nil && keys.Output == nil && keys.ModelDir != nil && keys.ExportDir != nil:
		return Export
	case keys.App == nil:
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
