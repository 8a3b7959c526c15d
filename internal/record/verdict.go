package record

import (
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/exit"
)

// Verdict is how a run ended. `--output json` prints it, verdict.json in the run's
// record has it, and it is the driver's last event. The driver's form lacks the fields
// that only the launcher knows.
type Verdict struct {
	Code     exit.Code `json:"code"`
	Cause    string    `json:"cause"`  // one line; "" on success
	Phase    string    `json:"phase"`  // in which the run failed
	Member   string    `json:"member"` // the first that failed, as "worker:1"; "" if no member did
	Host     string    `json:"host"`
	ExitCode int       `json:"exit_code"` // of the member's program
	Signal   int       `json:"signal"`    // that ended the program; 0: none
	Stderr   []string  `json:"stderr"`    // last lines of the failing program
	LogPath  string    `json:"log_path"`  // on Host
	// Logs are the members' log files, in the plan's order.
	Logs []MemberLog `json:"logs,omitempty"`
	// WorkingFiles are the files that programs have written into their working
	// directories: an entry for each member that reports any, in the plan's order.
	WorkingFiles []MemberFiles `json:"working_files,omitempty"`
	// Mirrored says how far a model_dir on a store is there: an entry for each member that
	// uploads, in the plan's order.
	Mirrored []MemberMirror `json:"mirrored,omitempty"`
	// GPUs says how programs used their devices: an entry for each device, in the plan's
	// order.
	GPUs      []MemberGPU `json:"gpus,omitempty"`
	Retryable bool        `json:"retryable"`      // the same job may succeed when it is started again
	Run       string      `json:"run"`            // set by the launcher
	Kind      string      `json:"kind,omitempty"` // set by the launcher
	Rows      Rows        `json:"rows"`
	Feeds     []FeedRows  `json:"feeds"`
	// Throughput is how fast the rows were used. Nil: not measured, because the
	// program takes no rows from a feed.
	Throughput *Throughput `json:"throughput"`
	Artifacts  []Artifact  `json:"artifacts"`
	// Kept are exported files and folders that did not get their final names, because
	// the run failed.
	Kept []string `json:"kept,omitempty"`
	// Infer is the sum of all members' results, an infer.Result. Nil for other jobs.
	Infer json.RawMessage `json:"infer,omitempty"`
	// Export is what an export job's SavedModel holds and what proved it, an
	// export.Result. Nil for other jobs.
	Export json.RawMessage `json:"export,omitempty"`
	// Train is what the training of a graph program came to. Nil for other jobs.
	Train *Trained `json:"train,omitempty"`
	// Seconds has the duration of each phase. The launcher sets it:
	//   - submit: from spark-submit to the SparkContext;
	//   - form: to the complete cluster;
	//   - run;
	//   - export: from the first exporting member to the verdict, with outputs
	//     committed;
	//   - stop: to the end of the last process;
	//   - total.
	// A phase that was not reached is absent.
	Seconds map[string]float64 `json:"seconds"`
	Record  string             `json:"record"`           // the record's folder, set by the launcher; "" before there is one
	Faults  []string           `json:"faults,omitempty"` // of the job file, one line each, set by the launcher
}

// Trained is what the training of a graph program came to.
type Trained struct {
	Step           int64   `json:"step"`  // updates in total, those of earlier runs included
	Steps          int64   `json:"steps"` // of them, in this run
	StepsPerSecond float64 `json:"steps_per_s"`
	// Skipped are batches whose update was undone, because the loss was not finite.
	Skipped int64 `json:"skipped,omitempty"`
	// LeftOut are the last rows of the trainers, which fill no batch, where the graph takes
	// whole batches only. EvalLeftOut are those of an evaluation.
	LeftOut     int64 `json:"left_out,omitempty"`
	EvalLeftOut int64 `json:"eval_left_out,omitempty"`
	// Metrics are means over the last steps, by name. Evaluated are those of the last
	// evaluation.
	Metrics   map[string]float64 `json:"metrics,omitempty"`
	Evaluated map[string]float64 `json:"evaluated,omitempty"`
	Stopped   string             `json:"stopped"` // why it ended: steps, rows, early stopping
	// Checkpoint is the last one, ResumedFrom the one that the run began with, and
	// InitFrom says what else it began with. "": none.
	Checkpoint  string `json:"checkpoint,omitempty"`
	ResumedFrom string `json:"resumed_from,omitempty"`
	InitFrom    string `json:"init_from,omitempty"`
	// Divided are variables whose rows are divided over parameter servers. Whole says of
	// other large ones why they are not.
	Divided []string `json:"divided,omitempty"`
	Whole   []string `json:"whole,omitempty"`
}

// MemberLog is where a member keeps the output of its program.
type MemberLog struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	// Stdout has the last lines of the program. Only the chief of a successful run has
	// them.
	Stdout []string `json:"stdout,omitempty"`
}

// MemberFiles counts the files that one member's program has written into its working
// directory.
type MemberFiles struct {
	Member        string `json:"member"`
	Host          string `json:"host"`
	Folder        string `json:"folder"` // on Host
	Files         int64  `json:"files"`
	Bytes         int64  `json:"bytes"`
	UploadedFiles int64  `json:"uploaded_files"` // of Files
	UploadedBytes int64  `json:"uploaded_bytes"`
	UploadedTo    string `json:"uploaded_to,omitempty"` // a folder; "": nothing was uploaded
	Error         string `json:"error,omitempty"`       // why a file was not uploaded
}

// MemberMirror is how far the local model_dir of one member is at its store.
type MemberMirror struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	URL    string `json:"url"`
	// Checkpoint is the newest one that is complete at the store, and Newest the newest
	// that the program has written: if they differ, Newest is not there. "": none.
	Checkpoint string `json:"checkpoint"`
	Newest     string `json:"newest"`
	// ResumedFrom came down before the program's start. "": none.
	ResumedFrom string `json:"resumed_from,omitempty"`
	// Files, Bytes and Seconds are those of the last upload of a checkpoint.
	Files   int64   `json:"files"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	// UploadedFiles and UploadedBytes are those of all uploads.
	UploadedFiles int64  `json:"uploaded_files"`
	UploadedBytes int64  `json:"uploaded_bytes"`
	Error         string `json:"error,omitempty"` // why the last try to upload failed
}

// MemberGPU is how the program of one member uses one GPU. -1: not known, because
// nvidia-smi does not say it (of a MIG instance), or because the program ran for less than
// 10 s.
type MemberGPU struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	Device string `json:"device"` // index, name and UUID
	// Busy is the percentage of time in which the device computed, lately, and MeanBusy
	// the mean since the program's start.
	Busy     int     `json:"busy_percent"`
	MeanBusy float64 `json:"mean_busy_percent"`
	// Memory is in MiB, and counts all processes.
	Memory        int64 `json:"memory_mib"`
	HighestMemory int64 `json:"highest_memory_mib"`
	TotalMemory   int64 `json:"total_memory_mib"`
}

// Rows counts the rows of all members: read = trained + dropped + quarantined.
type Rows struct {
	Read        int64 `json:"read"`
	Trained     int64 `json:"trained"`
	Dropped     int64 `json:"dropped"`
	Quarantined int64 `json:"quarantined"`
}

// FeedRows counts the rows of one feed in one epoch at one member.
type FeedRows struct {
	Member      string `json:"member"`
	Feed        string `json:"feed"`
	Epoch       int    `json:"epoch"`
	Epochs      int    `json:"epochs,omitempty"` // number of epochs that are summed, from Epoch on; absent: one
	Received    int64  `json:"received"`
	Trained     int64  `json:"trained"`
	Dropped     int64  `json:"dropped"`
	Quarantined int64  `json:"quarantined"`
}

// Artifact is an output that is complete under its final name.
type Artifact struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
}

// Throughput is how fast a run's programs used the rows of their feeds, or an inference
// job its input. Every job prints it in its last line.
type Throughput struct {
	RowsPerSecond float64 `json:"rows_per_s"`
	Seconds       float64 `json:"seconds"` // of the member that took longest
	// StepP50 and StepP99 are quantiles of the milliseconds from batch to batch, over
	// all members.
	StepP50 float64 `json:"step_p50_ms"`
	StepP99 float64 `json:"step_p99_ms"`
	// FeedWait is the percentage of its time that an average program waited for rows,
	// or for permission to use them.
	FeedWait float64            `json:"feed_wait_percent"`
	Members  []MemberThroughput `json:"members"`
}

// RowRate writes a number of rows a second for people.
func RowRate(rate float64) string {
	if rate < 100 {
		return fmt.Sprintf("%.1f rows/s", rate)
	}
	return fmt.Sprintf("%.0f rows/s", rate)
}

// MemberThroughput is the throughput of one member.
type MemberThroughput struct {
	Member        string  `json:"member"`
	Rows          int64   `json:"rows"`
	RowsPerSecond float64 `json:"rows_per_s"`
	StepP50       float64 `json:"step_p50_ms"`
	StepP99       float64 `json:"step_p99_ms"`
	FeedWait      float64 `json:"feed_wait_percent"`
}

// plainVerdict is a Verdict without its methods, so that encoding/json writes its fields.
type plainVerdict Verdict

// withLists replaces nil lists and maps by empty ones, so that JSON has no null for
// them.
func (v Verdict) withLists() plainVerdict {
	if v.Stderr == nil {
		v.Stderr = []string{}
	}
	if v.Feeds == nil {
		v.Feeds = []FeedRows{}
	}
	if v.Artifacts == nil {
		v.Artifacts = []Artifact{}
	}
	if v.Seconds == nil {
		v.Seconds = map[string]float64{}
	}
	return plainVerdict(v)
}

// MarshalJSON writes all fields: the launcher's form.
func (v Verdict) MarshalJSON() ([]byte, error) { return json.Marshal(v.withLists()) }

// driverVerdict is the driver's form of a verdict. It lacks the fields that only the
// launcher knows, and a throughput that was not measured. Of two fields with the same
// key, encoding/json writes the outer one.
type driverVerdict struct {
	plainVerdict
	Throughput *Throughput     `json:"throughput,omitempty"`
	Infer      json.RawMessage `json:"infer,omitempty"` // here for its place in the line

	Run     *struct{} `json:"run,omitempty"`
	Kind    *struct{} `json:"kind,omitempty"`
	Seconds *struct{} `json:"seconds,omitempty"`
	Record  *struct{} `json:"record,omitempty"`
	Faults  *struct{} `json:"faults,omitempty"`
}

func (v Verdict) driverForm() driverVerdict {
	return driverVerdict{plainVerdict: v.withLists(), Throughput: v.Throughput, Infer: v.Infer}
}

// parseVerdict reads a verdict. It refuses one without a code, which would otherwise
// count as 0, success.
func parseVerdict(data []byte) (Event, error) {
	var verdict struct {
		Code *int `json:"code"`
	}
	if err := json.Unmarshal(data, &verdict); err != nil {
		return nil, fmt.Errorf("record: read an event: %w", err)
	}
	if verdict.Code == nil {
		return nil, errors.New("record: read an event: a verdict without a code")
	}
	return parse[Verdict](data)
}
