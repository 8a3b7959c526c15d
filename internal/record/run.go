package record

import (
	"os"
	"time"

	"tfos/internal/exit"
	"tfos/internal/proc"
)

// Version is the version of the records that this package writes. It grows when a field
// changes its meaning, but not for new fields. Read refuses later versions.
const Version = 1

// Files of a record.
const (
	runFile     = "run.json"
	eventsFile  = "events.jsonl"
	verdictFile = "verdict.json"
	stopFile    = "stop.json" // a launcher's request to a driver in the cluster
	lockFile    = ".run.lock" // of who replaces run.json, before a driver has
	logsFolder  = "logs"      // output of the members that run on the launcher's machine
)

// State is the state of a run.
type State string

const (
	Running   State = "running"
	Lost      State = "lost" // never written: Read finds it if the writer is dead
	Succeeded State = "succeeded"
	Failed    State = "failed"
)

// Run is the content of run.json.
type Run struct {
	Version     int       `json:"version"`
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // train, infer, export
	Job         string    `json:"job"`  // the name in the job file
	State       State     `json:"state"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended,omitzero"`
	Application string    `json:"application"` // Spark's id; "": none yet, or a run without Spark
	Master      string    `json:"master"`      // from the job; once Spark runs, from Spark
	TrackingURL string    `json:"tracking_url"`
	ManagerURL  string    `json:"manager_url,omitempty"` // of a standalone master
	Writer      Process   `json:"writer"`
	// InCluster says that the driver runs in the cluster and writes the record, once it has
	// adopted it: Adopted. Before, the launcher is the writer.
	InCluster bool       `json:"in_cluster,omitempty"`
	Adopted   bool       `json:"adopted,omitempty"`
	Outputs   []Artifact `json:"outputs"` // complete, under their final names
}

// Process is the process that writes a record: the launcher, or a driver in the cluster.
type Process struct {
	Host string `json:"host"` // for people
	proc.ID
}

// ThisProcess is this process as the writer of a record.
func ThisProcess() (p Process, err error) {
	if p.Host, err = os.Hostname(); err == nil {
		p.ID, err = proc.Identify(os.Getpid())
	}
	return p, err
}

// stateOf returns the state of a run that ended with code.
func stateOf(code exit.Code) State {
	if code == exit.Done {
		return Succeeded
	}
	return Failed
}
