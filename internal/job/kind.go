package job

import "tfos/internal/reserve"

// Kind is what a job does, as the command spells it.
type Kind string

const (
	Train  Kind = "train"
	Infer  Kind = "infer"
	Export Kind = "export"
)

// Exit codes that a fault can stand for.
const (
	CodeJob     = 2 // command line or job file
	CodeCluster = 4 // the cluster cannot form
	CodeOutput  = 7 // the output exists
)

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
