package train

import "tfos/internal/model"

// Strategy is how trainers train together, in the words of the job file.
type Strategy = model.Strategy

const (
	Independent     = model.Independent
	ParameterServer = model.ParameterServer
	AllReduce       = model.AllReduce
)

// Names that a member's context has: jobs, whose others are trainers, and feeds.
const (
	PSJob          = "ps"
	EvaluatorJob   = model.EvaluatorJob
	TrainFeed      = "train"
	ValidationFeed = "validation"
)

// NonFinite is what becomes of a batch whose loss is not finite.
type NonFinite string

const (
	FailNonFinite NonFinite = "fail" // the run fails
	SkipNonFinite NonFinite = "skip" // the variables get the values back that they had before the batch
)

// Request is the training of a graph program. All members of a run have the same.
type Request struct {
	Graph          string   `json:"graph"` // a SavedModel's folder, or a .meta file
	TagSet         []string `json:"tag_set,omitempty"`
	TrainSignature string   `json:"train_signature"`
	// EvalSignature runs on validation rows. "": there are none.
	EvalSignature string   `json:"eval_signature,omitempty"`
	Strategy      Strategy `json:"strategy"`
	// InputMapping is column -> alias of the signature, or tensor. Empty: columns and
	// aliases have the same names.
	InputMapping map[string]string `json:"input_mapping,omitempty"`
	BatchSize    int               `json:"batch_size"`      // rows of a step of one trainer
	Steps        int64             `json:"steps,omitempty"` // updates in total, those before a resume included; 0: no limit
	// AllowNarrowing rounds numbers of columns to a tensor's narrower floating type.
	AllowNarrowing bool `json:"allow_narrowing,omitempty"`
	// ModelDir is the folder of checkpoints and event files. "": there are none.
	ModelDir string `json:"model_dir,omitempty"`
	// Resume is the newest checkpoint in ModelDir. Nil: there is none.
	Resume *Start `json:"resume,omitempty"`
	// InitFrom is a checkpoint, a folder of them, or a SavedModel, whose values the
	// variables begin with where they fit. "": the graph's own.
	InitFrom      string         `json:"init_from,omitempty"`
	EverySteps    int64          `json:"every_steps"` // between two checkpoints
	Keep          int            `json:"keep"`        // checkpoints that are kept
	OnNonFinite   NonFinite      `json:"on_non_finite"`
	EarlyStopping *EarlyStopping `json:"early_stopping,omitempty"`
	// Export is the staging folder of export_dir. "": no export.
	Export   string `json:"export,omitempty"`
	Protocol string `json:"protocol"` // of TensorFlow's servers
	Threads  int    `json:"threads"`  // intra-op threads; 0: TensorFlow's choice
}

// Done tells whether a training that goes on from a checkpoint has nothing to do.
func (r Request) Done(at Start) bool { return r.Steps > 0 && at.Step >= r.Steps && r.Export == "" }

// EarlyStopping ends the training when a metric of validation rows no longer improves.
type EarlyStopping struct {
	Metric   string  `json:"metric"`    // a scalar of the eval signature
	Mode     string  `json:"mode"`      // min or max: which is better
	Patience int     `json:"patience"`  // evaluations without improvement
	MinDelta float64 `json:"min_delta"` // the least that counts as an improvement
}
