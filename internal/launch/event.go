package launch

import (
	"encoding/json"
	"fmt"
)

// Event is one "@tfos {json}" line of the driver: a DriverEvent, ContextEvent,
// WaitingEvent, FormedEvent, ProgressEvent, ResumedEvent, TensorBoardEvent, ContractEvent,
// WarningEvent or Verdict.
type Event interface{ event() }

// DriverEvent names the process to which SIGTERM is an orderly end.
type DriverEvent struct {
	PID int `json:"pid"`
}

// ContextEvent says that the SparkContext is up.
type ContextEvent struct {
	Application  string `json:"application"`
	Master       string `json:"master"`
	SparkVersion string `json:"spark_version"`
}

// WaitingEvent says which members have not registered yet, as "worker:1".
type WaitingEvent struct {
	Missing    []string `json:"missing"`
	Registered int      `json:"registered"`
	Members    int      `json:"members"`
	Seconds    float64  `json:"seconds"`
}

// FormedEvent says that every member is registered.
type FormedEvent struct {
	Members []Place `json:"members"`
	Seconds float64 `json:"seconds"`
}

// Place is where a member runs.
type Place struct {
	Job   string `json:"job"`
	Index int    `json:"index"`
	Host  string `json:"host"`
}

// ProgressEvent holds totals since the start of the run.
type ProgressEvent struct {
	Feeds   []FeedRows    `json:"feeds"`
	Members []MemberPhase `json:"members"`
	Splits  int64         `json:"splits"`
	Rows    int64         `json:"rows"` // inference: rows computed
	// Inference: about how many bytes of the input the rows take, and how much
	// there is to compute in all; 0: not known.
	Bytes     int64 `json:"bytes"`
	AllSplits int64 `json:"all_splits"`
	AllBytes  int64 `json:"all_bytes"`
}

// ResumedEvent says what an inference job takes over from earlier runs.
type ResumedEvent struct {
	Splits  int   `json:"splits"` // taken over
	Rows    int64 `json:"rows"`   // in them
	Missing int   `json:"missing"`
}

// TensorBoardEvent says where TensorBoard shows the run.
type TensorBoardEvent struct {
	URL string `json:"url"`
}

// ContractEvent says which column feeds which tensor, where the driver alone
// sees the data.
type ContractEvent struct {
	Table string `json:"table"` // several lines
}

// WarningEvent is for the person, in one line.
type WarningEvent struct {
	Message string `json:"message"`
}

func (DriverEvent) event()      {}
func (ContextEvent) event()     {}
func (WaitingEvent) event()     {}
func (FormedEvent) event()      {}
func (ProgressEvent) event()    {}
func (ResumedEvent) event()     {}
func (TensorBoardEvent) event() {}
func (ContractEvent) event()    {}
func (WarningEvent) event()     {}
func (Verdict) event()          {}

// parseEvent reads the JSON of an "@tfos" line. A nil Event with a nil error
// is a kind that this version does not know: newer drivers may say more.
func parseEvent(data []byte) (Event, error) {
	var kind struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("launch: driver event: %w", err)
	}
	switch kind.Event {
	case "driver":
		return decode[DriverEvent](data)
	case "context":
		return decode[ContextEvent](data)
	case "waiting":
		return decode[WaitingEvent](data)
	case "formed":
		return decode[FormedEvent](data)
	case "progress":
		return decode[ProgressEvent](data)
	case "resumed":
		return decode[ResumedEvent](data)
	case "tensorboard":
		return decode[TensorBoardEvent](data)
	case "contract":
		return decode[ContractEvent](data)
	case "warning":
		return decode[WarningEvent](data)
	case "verdict":
		return decodeVerdict(data)
	case "":
		return nil, fmt.Errorf("launch: driver event: no \"event\" in it")
	}
	return nil, nil
}

func decode[E Event](data []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("launch: driver event: %w", err)
	}
	return e, nil
}

// decodeVerdict refuses a verdict without a code: 0 is success and must have
// been said.
func decodeVerdict(data []byte) (Event, error) {
	var said struct {
		Code *int `json:"code"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, fmt.Errorf("launch: driver event: %w", err)
	}
	if said.Code == nil {
		return nil, fmt.Errorf("launch: driver event: a verdict without a code")
	}
	return decode[Verdict](data)
}
