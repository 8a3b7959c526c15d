package launch

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// Verdict is how a run ended. It is what `--output json` prints, what
// verdict.json in the record folder holds, and, without the fields that only
// the launcher knows, the driver's last event.
type Verdict struct {
	Code     exit.Code   `json:"code"`
	Cause    string      `json:"cause"`  // one line; "" on success
	Phase    string      `json:"phase"`  // in which it failed
	Member   string      `json:"member"` // the first that failed, as "worker:1"; "" when no member did
	Host     string      `json:"host"`
	ExitCode int         `json:"exit_code"`      // of the member's program
	Signal   int         `json:"signal"`         // that ended it; 0: none
	Stderr   []string    `json:"stderr"`         // last lines of the failing program
	LogPath  string      `json:"log_path"`       // on Host
	Logs     []MemberLog `json:"logs,omitempty"` // of all members
	// WorkingFiles are what programs have written into their working directories.
	WorkingFiles []MemberFiles   `json:"working_files,omitempty"`
	Retryable    bool            `json:"retryable"` // the same job may succeed when it is started again
	Run          string          `json:"run"`
	Kind         string          `json:"kind,omitempty"`
	Rows         Rows            `json:"rows"`
	Feeds        []FeedRows      `json:"feeds"`
	Throughput   *Throughput     `json:"throughput"` // null when nobody measured it: a program that takes no rows from a feed
	Artifacts    []Artifact      `json:"artifacts"`
	Kept         []string        `json:"kept,omitempty"` // what programs wrote as an export, of a run that failed; it has not got its name
	Infer        json.RawMessage `json:"infer,omitempty"`
	// Seconds by phase: submit (spark-submit to SparkContext), form (to the
	// complete cluster), run, export (from the first member that exports, to
	// the verdict, with outputs committed), stop (to the last process), total.
	// A phase that was not reached is absent.
	Seconds map[string]float64 `json:"seconds"`
	Record  string             `json:"record"`           // folder that is kept; "" before there is one
	Faults  []string           `json:"faults,omitempty"` // of the job file, one line each
}

// What the reservation server says of a run, as it says it.
type (
	Rows        = reserve.Rows
	FeedRows    = reserve.FeedRows
	Artifact    = reserve.Artifact
	MemberLog   = reserve.MemberLog
	MemberFiles = reserve.MemberFiles
	MemberPhase = reserve.MemberProgress
	Throughput  = reserve.Throughput
)

// PhaseMeasured is the phase of a measurement that its time has ended.
const PhaseMeasured = reserve.PhaseMeasured

// PhaseCommit is the phase in which outputs get their names: programs have ended well.
const PhaseCommit = work.PhaseCommit

// PhaseUpload is the phase in which members' files are brought: programs have ended well.
const PhaseUpload = reserve.PhaseUpload

// ClearStaging deletes what a failed run has staged, where the driver could not,
// and adds to its verdict what stays.
func ClearStaging(ctx context.Context, run work.Config, v *Verdict) error {
	kept, err := work.ClearStaging(ctx, run)
	for _, path := range kept {
		if !slices.Contains(v.Kept, path) {
			v.Kept = append(v.Kept, path)
		}
	}
	return err
}

// PhaseExecutors is where a run failed whose executors died.
const PhaseExecutors = reserve.PhaseExecutors

// PhaseSkipped is the phase of a job that had nothing to do.
const PhaseSkipped = work.PhaseSkipped

// Failure is the verdict for err, for failures before anything ran.
func Failure(err error, run string) Verdict {
	v := Verdict{Code: CodeOf(err), Cause: err.Error(), Run: run}
	var e *Error
	if errors.As(err, &e) {
		v.Phase = e.Phase
	}
	return v
}

// MarshalJSON writes empty lists and maps as such, so that readers need not
// tell null from none.
func (v Verdict) MarshalJSON() ([]byte, error) {
	type plain Verdict
	p := plain(v)
	if p.Stderr == nil {
		p.Stderr = []string{}
	}
	if p.Feeds == nil {
		p.Feeds = []FeedRows{}
	}
	if p.Artifacts == nil {
		p.Artifacts = []Artifact{}
	}
	if p.Seconds == nil {
		p.Seconds = map[string]float64{}
	}
	return json.Marshal(p)
}
