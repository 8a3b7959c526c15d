package reserve

import (
	"encoding/json"

	"tfos/internal/exit"
)

// Event is a line for the driver: Ready, Waiting, Formed, Progress, Resumed,
// FeedNext, FeedStopped, TensorBoard, Warning or Verdict. docs/protocols.md section 3 is the contract.
type Event interface{ event() string }

// Ready says where members reach the server, and with what (PEM).
type Ready struct {
	Address string `json:"address"`
	CA      string `json:"ca"`
	Cert    string `json:"cert"`
	Key     string `json:"key"`
	Token   string `json:"token"`
}

// Waiting says which members have not registered yet.
type Waiting struct {
	Missing    []string `json:"missing"`
	Registered int      `json:"registered"`
	Members    int      `json:"members"`
	Seconds    float64  `json:"seconds"`
}

// Formed says that every member is registered.
type Formed struct {
	Members []FormedMember `json:"members"`
	Seconds float64        `json:"seconds"`
}

// FormedMember is where a member runs and how feed tasks reach it.
type FormedMember struct {
	Job   string      `json:"job"`
	Index int         `json:"index"`
	Host  string      `json:"host"`
	Feeds []string    `json:"feeds"`
	Feed  FeedAddress `json:"feed"`
	// Executor is the identity of the process that started it.
	Executor string `json:"executor"`
}

// Progress holds totals since the start of the run.
type Progress struct {
	Feeds   []FeedRows       `json:"feeds"`
	Members []MemberProgress `json:"members"`
	Splits  int64            `json:"splits"`
	Rows    int64            `json:"rows"` // inference: rows computed
	// Inference: about how many bytes of the input the rows take, and how much
	// there is to compute in all.
	Bytes     int64 `json:"bytes,omitempty"`
	AllSplits int64 `json:"all_splits,omitempty"`
	AllBytes  int64 `json:"all_bytes,omitempty"`
}

// Resumed says what an inference job takes over from earlier runs, before the
// rest is computed.
type Resumed struct {
	Splits  int   `json:"splits"` // taken over
	Rows    int64 `json:"rows"`   // in them
	Missing int   `json:"missing"`
	// Done are the numbers of the partitions that Spark need not have predicted;
	// nil: executors read.
	Done []int `json:"done,omitempty"`
}

// MemberProgress is how far one member's program is: starting, importing,
// running, exporting, ended.
type MemberProgress struct {
	Member string `json:"member"`
	Phase  string `json:"phase"`
}

// FeedNext answers the end of an epoch that was not the feed's last. Replay:
// members have the rows, nothing of the feed is to be sent any more; else Epoch is
// to be sent.
type FeedNext struct {
	Feed   string `json:"feed"`
	Epoch  int    `json:"epoch"`
	Replay bool   `json:"replay"`
}

// FeedStopped says that no member wants more rows of a feed.
type FeedStopped struct {
	Feed   string `json:"feed"`
	Reason string `json:"reason"`
}

// TensorBoard says where TensorBoard shows the run.
type TensorBoard struct {
	URL string `json:"url"`
}

// Warning is one line for the user.
type Warning struct {
	Message string `json:"message"`
}

// Verdict is how the run ended. Code is the run's exit code.
type Verdict struct {
	Code     exit.Code `json:"code"`
	Cause    string    `json:"cause"`
	Phase    string    `json:"phase"`
	Member   string    `json:"member"` // the first that failed; "" when none did
	Host     string    `json:"host"`
	ExitCode int       `json:"exit_code"`
	Signal   int       `json:"signal"`
	Stderr   []string  `json:"stderr"`
	LogPath  string    `json:"log_path"`
	// Logs are the members' log files, in the plan's order.
	Logs []MemberLog `json:"logs,omitempty"`
	// WorkingFiles are what programs have written into their working directories, in
	// the plan's order of the members that report any.
	WorkingFiles []MemberFiles `json:"working_files,omitempty"`
	Retryable    bool          `json:"retryable"`
	Rows         Rows          `json:"rows"`
	Feeds        []FeedRows    `json:"feeds"`
	Artifacts    []Artifact    `json:"artifacts"`
	// Kept are files and folders that programs have written as an export and that
	// have not got their names, because the run failed.
	Kept []string `json:"kept,omitempty"`
	// Throughput is how fast the rows were used; nil: it was not measured.
	Throughput *Throughput `json:"throughput,omitempty"`
	// Infer is the sum of all members' results, an infer.Result; nil for other jobs.
	Infer json.RawMessage `json:"infer,omitempty"`
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

func (Ready) event() string       { return "ready" }
func (Waiting) event() string     { return "waiting" }
func (Formed) event() string      { return "formed" }
func (Progress) event() string    { return "progress" }
func (Resumed) event() string     { return "resumed" }
func (FeedNext) event() string    { return "feed_next" }
func (FeedStopped) event() string { return "feed_stopped" }
func (TensorBoard) event() string { return "tensorboard" }
func (Warning) event() string     { return "warning" }
func (Verdict) event() string     { return "verdict" }

// encodeEvent is the event's line, without its end: the event's own object
// with "event" as its first key.
func encodeEvent(e Event) ([]byte, error) {
	if v, ok := e.(Verdict); ok {
		e = v.withLists()
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	line := []byte(`{"event":"` + e.event() + `"`)
	if len(body) > len("{}") {
		line = append(line, ',')
	}
	return append(line, body[1:]...), nil
}

// withLists replaces nil lists by empty ones: readers get [] and never null.
func (v Verdict) withLists() Verdict {
	if v.Stderr == nil {
		v.Stderr = []string{}
	}
	if v.Feeds == nil {
		v.Feeds = []FeedRows{}
	}
	if v.Artifacts == nil {
		v.Artifacts = []Artifact{}
	}
	return v
}
