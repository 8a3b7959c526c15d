package train

// Progress is how far a training is.
type Progress struct {
	Step           int64   `json:"step"`            // updates of all trainers so far
	Steps          int64   `json:"steps,omitempty"` // the job's; 0: no limit
	Loss           float64 `json:"loss"`            // mean since the last report
	StepsPerSecond float64 `json:"steps_per_s"`     // of all trainers
}

// Start is a checkpoint that a training goes on from.
type Start struct {
	Prefix string `json:"prefix"`
	Step   int64  `json:"step"`
}

// Role is what a member does in a training.
type Role string

const (
	RoleChief     Role = "chief"   // number 0 of the trainers
	RoleTrainer   Role = "trainer" // the others
	RoleEvaluator Role = "evaluator"
)

// Result is what one trainer, or the evaluator, has done.
type Result struct {
	Role    Role    `json:"role"`
	Step    int64   `json:"step"`    // updates of all trainers, those before a resume included
	Steps   int64   `json:"steps"`   // of this trainer in this run
	Skipped int64   `json:"skipped"` // of them, undone because their loss was not finite
	Seconds float64 `json:"seconds"`
	// LeftOut are the last rows, which fill no batch, where the graph takes whole batches
	// only. EvalLeftOut are those of an evaluation.
	LeftOut     int64 `json:"left_out,omitempty"`
	EvalLeftOut int64 `json:"eval_left_out,omitempty"`
	// Metrics are means over the last steps, by name. Evaluated are those of the last
	// evaluation; nil: there was none.
	Metrics   map[string]float64 `json:"metrics,omitempty"`
	Evaluated map[string]float64 `json:"evaluated,omitempty"`
	// Stopped is why the training ended: steps, rows, early stopping.
	Stopped string `json:"stopped"`
	// Checkpoint is the prefix of the last one that this run has written; "": none.
	Checkpoint string `json:"checkpoint,omitempty"`
	Resumed    *Start `json:"resumed,omitempty"`
	InitFrom   string `json:"init_from,omitempty"`
	// Divided are variables whose rows are divided over parameter servers. Whole says of
	// other large ones why they are not.
	Divided []string `json:"divided,omitempty"`
	Whole   []string `json:"whole,omitempty"`
}
