package record

import (
	"time"

	"tfos/internal/exit"
	"tfos/internal/proc"
)

// Version is that of records that this package writes. It grows when a field
// changes its meaning; new fields do not change it. Read refuses later ones.
const Version = 1

// Files of a record.
const (
	runFile     = "run.json"
	eventsFile  = "events.jsonl"
	verdictFile = "verdict.json"
	logsFolder  = "logs" // members' output, of those that run on the launcher's machine
)

// State is how a run is.
type State string

const (
	Running   State = "running"
	Lost      State = "lost" // never written: readers find that the writer is dead
	Succeeded State = "succeeded"
	Failed    State = "failed"
)

// Run is run.json.
type Run struct {
	Version     int        `json:"version"`
	ID          string     `json:"id"`
	Kind        string     `json:"kind"` // train, infer, export
	Job         string     `json:"job"`  // its name in the job file
	State       State      `json:"state"`
	Started     time.Time  `json:"started"`
	Ended       time.Time  `json:"ended,omitzero"`
	Application string     `json:"application"` // Spark's id; "": there is none yet, or no Spark
	Master      string     `json:"master"`      // as the job names it, then as Spark does
	TrackingURL string     `json:"tracking_url"`
	Writer      Process    `json:"writer"`
	Outputs     []Artifact `json:"outputs"` // complete, under their final names
}

// Process is the one that writes a record: the launcher.
type Process struct {
	Host string `json:"host"` // for people
	proc.ID
}

// stateOf is the state of a run that ended with code.
func stateOf(code exit.Code) State {
	if code == exit.Done {
		return Succeeded
	}
	return Failed
}
