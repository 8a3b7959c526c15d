package reserve

import "tfos/internal/record"

// Event is a line for the driver: Ready, Formed, Resumed, InPlace, FeedNext, FeedStopped, or
// one that the driver passes on to the launcher as it is: Waiting, Progress,
// TensorBoard, Warning or Verdict. docs/protocols.md section 3 is the contract.
type Event = record.Event

// What the driver passes on as it is.
type (
	Waiting          = record.Waiting
	Progress         = record.Progress
	MemberPhase      = record.MemberPhase
	Training         = record.Training
	TensorBoard      = record.TensorBoard
	Warning          = record.Warning
	Verdict          = record.Verdict
	MemberLog        = record.MemberLog
	MemberFiles      = record.MemberFiles
	MemberMirror     = record.MemberMirror
	MemberGPU        = record.MemberGPU
	Rows             = record.Rows
	FeedRows         = record.FeedRows
	Artifact         = record.Artifact
	Throughput       = record.Throughput
	MemberThroughput = record.MemberThroughput
)

// Ready says where members reach the server, and with what (PEM).
type Ready struct {
	Address string `json:"address"`
	CA      string `json:"ca"`
	Cert    string `json:"cert"`
	Key     string `json:"key"`
	Token   string `json:"token"`
}

// Formed says that every member is registered.
type Formed struct {
	Members []FormedMember `json:"members"`
	Seconds float64        `json:"seconds"`
}

// FormedMember is where a member runs and how feed tasks reach it.
type FormedMember struct {
	record.Place
	Feeds []string    `json:"feeds"`
	Feed  FeedAddress `json:"feed"`
	// Executor is the identity of the process that started it.
	Executor string `json:"executor"`
}

// Resumed says what an inference job takes over from earlier runs, before the
// rest is computed.
type Resumed struct {
	record.Resumed
	// Done are the numbers of the partitions that Spark need not have predicted;
	// nil: executors read.
	Done []int `json:"done,omitempty"`
}

// InPlace says that Spark writes its output at Path, and not where the plan says. The folder
// is there, and has a file that is no output of Spark's.
type InPlace struct {
	Path string `json:"path"`
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

func (Ready) EventName() string       { return "ready" }
func (Formed) EventName() string      { return "formed" }
func (InPlace) EventName() string     { return "in_place" }
func (FeedNext) EventName() string    { return "feed_next" }
func (FeedStopped) EventName() string { return "feed_stopped" }
