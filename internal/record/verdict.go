package record

import (
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/exit"
)

// Verdict is how a run ended. It is what `--output json` prints, what
// verdict.json in the run's record holds, and, without the fields that only
// the launcher knows, the driver's last event.
type Verdict struct {
	Code     exit.Code `json:"code"`
	Cause    string    `json:"cause"`  // one line; "" on success
	Phase    string    `json:"phase"`  // in which it failed
	Member   string    `json:"member"` // the first that failed, as "worker:1"; "" when no member did
	Host     string    `json:"host"`
	ExitCode int       `json:"exit_code"` // of the member's program
	Signal   int       `json:"signal"`    // that ended it; 0: none
	Stderr   []string  `json:"stderr"`    // last lines of the failing program
	LogPath  string    `json:"log_path"`  // on Host
	// Logs are the members' log files, in the plan's order.
	Logs []MemberLog `json:"logs,omitempty"`
	// WorkingFiles are what programs have written into their working directories,
	// of the members that tell of any, in the plan's order.
	WorkingFiles []MemberFiles `json:"working_files,omitempty"`
	Retryable    bool          `json:"retryable"`      // the same job may succeed when it is started again
	Run          string        `json:"run"`            // the launcher's
	Kind         string        `json:"kind,omitempty"` // the launcher's
	Rows         Rows          `json:"rows"`
	Feeds        []FeedRows    `json:"feeds"`
	// Throughput is how fast the rows were used; nil: nobody measured it, because
	// the program takes no rows from a feed.
	Throughput *Throughput `json:"throughput"`
	Artifacts  []Artifact  `json:"artifacts"`
	// Kept are files and folders that programs have written as an export and that
	// have not got their names, because the run failed.
	Kept []string `json:"kept,omitempty"`
	// Infer is the sum of all members' results, an infer.Result; nil for other jobs.
	Infer json.RawMessage `json:"infer,omitempty"`
	// Seconds, the launcher's, by phase: submit (spark-submit to SparkContext), form
	// (to the complete cluster), run, export (from the first member that exports, to
	// the verdict, with outputs committed), stop (to the last process), total.
	// A phase that was not reached is absent.
	Seconds map[string]float64 `json:"seconds"`
	Record  string             `json:"record"`           // the launcher's: folder that is kept; "" before there is one
	Faults  []string           `json:"faults,omitempty"` // the launcher's: of the job file, one line each
}

// MemberLog is where a member has logged what its program printed.
type MemberLog struct {
	Member string `json:"member"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	// Stdout are the last lines of the chief's program, of a run that succeeded.
	Stdout []string `json:"stdout,omitempty"`
}

// MemberFiles is what one member's program has written into its working directory.
type MemberFiles struct {
	Member        string `json:"member"`
	Host          string `json:"host"`
	Folder        string `json:"folder"` // on Host
	Files         int64  `json:"files"`
	Bytes         int64  `json:"bytes"`
	UploadedFiles int64  `json:"uploaded_files"` // of them
	UploadedBytes int64  `json:"uploaded_bytes"`
	UploadedTo    string `json:"uploaded_to,omitempty"` // a folder; "": none was
	Error         string `json:"error,omitempty"`       // why a file was not uploaded
}

// Rows is the account of all members: read = trained + dropped + quarantined.
type Rows struct {
	Read        int64 `json:"read"`
	Trained     int64 `json:"trained"`
	Dropped     int64 `json:"dropped"`
	Quarantined int64 `json:"quarantined"`
}

// FeedRows is the account of one feed and epoch at one member.
type FeedRows struct {
	Member      string `json:"member"`
	Feed        string `json:"feed"`
	Epoch       int    `json:"epoch"`
	Epochs      int    `json:"epochs,omitempty"` // that it sums up, from Epoch on; absent: one
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

// Throughput is how fast a run's programs used the rows of their feeds, or an
// inference job its input: the line that every job ends with.
type Throughput struct {
	RowsPerSecond float64 `json:"rows_per_s"`
	Seconds       float64 `json:"seconds"` // of the member that took longest
	// StepP50 and StepP99 are milliseconds from batch to batch, over all
	// members.
	StepP50 float64 `json:"step_p50_ms"`
	StepP99 float64 `json:"step_p99_ms"`
	// FeedWait is the percentage of its time that an average program waited
	// for rows, or for leave to take them.
	FeedWait float64            `json:"feed_wait_percent"`
	Members  []MemberThroughput `json:"members"`
}

// MemberThroughput is the same of one member.
type MemberThroughput struct {
	Member        string  `json:"member"`
	Rows          int64   `json:"rows"`
	RowsPerSecond float64 `json:"rows_per_s"`
	StepP50       float64 `json:"step_p50_ms"`
	StepP99       float64 `json:"step_p99_ms"`
	FeedWait      float64 `json:"feed_wait_percent"`
}

// plain is a Verdict that encoding/json writes field by field.
type plain Verdict

// withLists has empty lists and maps where there are none: readers need not tell
// null from none.
func (v Verdict) withLists() plain {
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
	return plain(v)
}

// MarshalJSON writes the whole verdict, as the launcher says it.
func (v Verdict) MarshalJSON() ([]byte, error) { return json.Marshal(v.withLists()) }

// driverVerdict leaves out the fields that only the launcher knows, and a
// throughput that nobody measured: encoding/json takes the outer one of two fields
// of one name.
type driverVerdict struct {
	plain
	Throughput *Throughput     `json:"throughput,omitempty"`
	Infer      json.RawMessage `json:"infer,omitempty"` // here for its place in the line

	Run     *struct{} `json:"run,omitempty"`
	Kind    *struct{} `json:"kind,omitempty"`
	Seconds *struct{} `json:"seconds,omitempty"`
	Record  *struct{} `json:"record,omitempty"`
	Faults  *struct{} `json:"faults,omitempty"`
}

func (v Verdict) driverForm() driverVerdict {
	return driverVerdict{plain: v.withLists(), Throughput: v.Throughput, Infer: v.Infer}
}

// parseVerdict refuses a verdict without a code: 0 is success and must have
// been said.
func parseVerdict(data []byte) (Event, error) {
	var said struct {
		Code *int `json:"code"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, fmt.Errorf("record: read an event: %w", err)
	}
	if said.Code == nil {
		return nil, errors.New("record: read an event: a verdict without a code")
	}
	return parse[Verdict](data)
}
