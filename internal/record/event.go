package record

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Event is an event that the driver reports: Driver, Context, Queued, Waiting, Formed, Progress,
// Resumed, TensorBoard, Contract, Warning or Verdict. The reservation server has more
// events, which go only to the driver.
type Event interface {
	// EventName is the value of "event" in the event's line.
	EventName() string
}

// Driver names the process that ends the run in order on SIGTERM.
type Driver struct {
	PID int `json:"pid"`
}

// Context says that the SparkContext has started.
type Context struct {
	Application  string `json:"application"`
	Master       string `json:"master"`
	SparkVersion string `json:"spark_version"`
	TrackingURL  string `json:"tracking_url"` // Spark's web page of the application, or ""
	// ManagerURL is the web page of the cluster manager, of a standalone master; or "".
	ManagerURL string `json:"manager_url,omitempty"`
}

// Queued is what the cluster manager says of an application that waits for what it asked for.
// The launcher reports it.
type Queued struct {
	Queue string `json:"queue,omitempty"` // of YARN, namespace of Kubernetes
	Words string `json:"words"`           // the manager's own
}

// Waiting says which members have not registered yet, as "worker:1".
type Waiting struct {
	Missing    []string `json:"missing"`
	Registered int      `json:"registered"`
	Members    int      `json:"members"`
	Seconds    float64  `json:"seconds"`
}

// Formed says that every member is registered.
type Formed struct {
	Members []Place `json:"members"`
	Seconds float64 `json:"seconds"`
}

// Place is where a member runs.
type Place struct {
	Job   string `json:"job"`
	Index int    `json:"index"`
	Host  string `json:"host"`
}

// Progress holds totals since the start of the run.
type Progress struct {
	Feeds   []FeedRows    `json:"feeds"`
	Members []MemberPhase `json:"members"`
	Splits  int64         `json:"splits"`
	Rows    int64         `json:"rows"` // inference: rows computed
	// Inference: the approximate bytes of input of the computed rows, and the splits
	// and bytes of the whole input. 0: unknown.
	Bytes     int64 `json:"bytes,omitempty"`
	AllSplits int64 `json:"all_splits,omitempty"`
	AllBytes  int64 `json:"all_bytes,omitempty"`
	// Training is that of a graph program; nil: there is none, or it has not begun.
	Training *Training `json:"training,omitempty"`
	// Mirrored is that of a verdict, so far.
	Mirrored []MemberMirror `json:"mirrored,omitempty"`
	// GPUs are how members use their devices so far.
	GPUs []MemberGPU `json:"gpus,omitempty"`
}

// Training is how far a graph program's training is.
type Training struct {
	Step           int64   `json:"step"`            // updates of all trainers so far
	Steps          int64   `json:"steps,omitempty"` // the job's; 0: no limit
	Loss           float64 `json:"loss"`            // mean over the last steps
	StepsPerSecond float64 `json:"steps_per_s"`     // of all trainers
}

// MemberPhase is the phase of one member's program: starting, importing, running,
// evaluating, exporting, ended.
type MemberPhase struct {
	Member string `json:"member"`
	Phase  string `json:"phase"`
}

// Resumed says what a job takes over from earlier runs: an inference job finished
// splits, a graph program's training a checkpoint. It comes before the rest is computed.
type Resumed struct {
	Checkpoint string `json:"checkpoint,omitempty"` // its prefix; "": an inference job
	Step       int64  `json:"step,omitempty"`       // of the checkpoint
	Splits     int    `json:"splits"`               // finished by earlier runs
	Rows       int64  `json:"rows"`                 // in these splits
	Missing    int    `json:"missing"`              // splits to compute
}

// TensorBoard has the address of the run's TensorBoard.
type TensorBoard struct {
	URL string `json:"url"`
}

// Contract says which column feeds which tensor. The driver reports it if only the
// driver sees the data.
type Contract struct {
	Table string `json:"table"` // several lines
}

// Warning is one line for the user.
type Warning struct {
	Message string `json:"message"`
}

func (Driver) EventName() string      { return "driver" }
func (Context) EventName() string     { return "context" }
func (Queued) EventName() string      { return "queued" }
func (Waiting) EventName() string     { return "waiting" }
func (Formed) EventName() string      { return "formed" }
func (Progress) EventName() string    { return "progress" }
func (Resumed) EventName() string     { return "resumed" }
func (TensorBoard) EventName() string { return "tensorboard" }
func (Contract) EventName() string    { return "contract" }
func (Warning) EventName() string     { return "warning" }
func (Verdict) EventName() string     { return "verdict" }

// parsers has a parser for each event of a driver, by name.
var parsers = map[string]func(data []byte) (Event, error){
	"driver":      parse[Driver],
	"context":     parse[Context],
	"queued":      parse[Queued],
	"waiting":     parse[Waiting],
	"formed":      parse[Formed],
	"progress":    parse[Progress],
	"resumed":     parse[Resumed],
	"tensorboard": parse[TensorBoard],
	"contract":    parse[Contract],
	"warning":     parse[Warning],
	"verdict":     parseVerdict,
}

// Parse reads a driver's event. It returns nil and no error for an event that this
// version does not know, because newer drivers may have more events.
func Parse(data []byte) (Event, error) {
	var kind struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("record: read an event: %w", err)
	}
	if kind.Event == "" {
		return nil, errors.New("record: read an event: no \"event\" in it")
	}
	parser, known := parsers[kind.Event]
	if !known {
		return nil, nil
	}
	return parser(data)
}

func parse[E Event](data []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("record: read an event: %w", err)
	}
	return e, nil
}

// Encode returns the event's line, without the newline: the event's JSON object with
// "event" as its first key. A verdict is encoded in the driver's form.
func Encode(e Event) ([]byte, error) { return encode(e, `{"event":"`+e.EventName()+`"`) }

// encode returns head followed by the event's own keys. head is a JSON object without
// its closing brace.
func encode(e Event, head string) ([]byte, error) {
	var object any = e
	if v, ok := e.(Verdict); ok {
		object = v.driverForm()
	}
	body, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("record: write event %s: %w", e.EventName(), err)
	}
	line := []byte(head)
	if len(body) > len("{}") {
		line = append(line, ',')
	}
	return append(line, body[1:]...), nil
}
