package record

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Event is what the driver says of a run: Driver, Context, Waiting, Formed, Progress,
// Resumed, TensorBoard, Contract, Warning or Verdict. The reservation server has
// some more, for the driver alone.
type Event interface {
	// EventName is the value of "event" in the event's line.
	EventName() string
}

// Driver names the process to which SIGTERM is an orderly end.
type Driver struct {
	PID int `json:"pid"`
}

// Context says that the SparkContext is up.
type Context struct {
	Application  string `json:"application"`
	Master       string `json:"master"`
	SparkVersion string `json:"spark_version"`
	TrackingURL  string `json:"tracking_url"` // Spark's web page of the application; "": it has none
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
	// Inference: about how many bytes of the input the rows take, and how much
	// there is to compute in all; 0: not known.
	Bytes     int64 `json:"bytes,omitempty"`
	AllSplits int64 `json:"all_splits,omitempty"`
	AllBytes  int64 `json:"all_bytes,omitempty"`
}

// MemberPhase is how far one member's program is: starting, importing,
// running, exporting, ended.
type MemberPhase struct {
	Member string `json:"member"`
	Phase  string `json:"phase"`
}

// Resumed says what an inference job takes over from earlier runs, before the
// rest is computed.
type Resumed struct {
	Splits  int   `json:"splits"` // taken over
	Rows    int64 `json:"rows"`   // in them
	Missing int   `json:"missing"`
}

// TensorBoard says where TensorBoard shows the run.
type TensorBoard struct {
	URL string `json:"url"`
}

// Contract says which column feeds which tensor, where the driver alone sees the
// data.
type Contract struct {
	Table string `json:"table"` // several lines
}

// Warning is for the person, in one line.
type Warning struct {
	Message string `json:"message"`
}

func (Driver) EventName() string      { return "driver" }
func (Context) EventName() string     { return "context" }
func (Waiting) EventName() string     { return "waiting" }
func (Formed) EventName() string      { return "formed" }
func (Progress) EventName() string    { return "progress" }
func (Resumed) EventName() string     { return "resumed" }
func (TensorBoard) EventName() string { return "tensorboard" }
func (Contract) EventName() string    { return "contract" }
func (Warning) EventName() string     { return "warning" }
func (Verdict) EventName() string     { return "verdict" }

// parsers has the events of a driver by name.
var parsers = map[string]func(data []byte) (Event, error){
	"driver":      parse[Driver],
	"context":     parse[Context],
	"waiting":     parse[Waiting],
	"formed":      parse[Formed],
	"progress":    parse[Progress],
	"resumed":     parse[Resumed],
	"tensorboard": parse[TensorBoard],
	"contract":    parse[Contract],
	"warning":     parse[Warning],
	"verdict":     parseVerdict,
}

// Parse reads a driver's event. A nil Event with a nil error is an event that this
// version does not know: newer drivers may say more.
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

// Encode is the event's line, without its end: the event's own object with
// "event" as its first key. A verdict is encoded as the driver says it.
func Encode(e Event) ([]byte, error) { return encode(e, `{"event":"`+e.EventName()+`"`) }

// encode puts head, an object without its last brace, before the event's own keys.
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
