package reserve

import (
	"fmt"
	"strings"

	"tfos/internal/exit"
)

// PhaseExecutors is the phase of a run whose executors died before the cluster
// had formed.
const PhaseExecutors = "executors"

// minDeaths is how many executors must have died before the run gives up. Spark
// replaces each: one may have had bad luck.
const minDeaths = 2

// ExecutorDied says that Spark has lost an executor before the cluster formed.
type ExecutorDied struct {
	Executor string   `json:"executor"` // Spark's number
	Host     string   `json:"host"`     // "": not known
	Reason   string   `json:"-"`        // "reason": in one line
	ExitCode int      `json:"exit_code"`
	Stderr   []string `json:"stderr"`   // its last lines; empty: they could not be read
	LogPath  string   `json:"log_path"` // "": not known
	Living   int      `json:"living"`   // executors that Spark has now
}

func (ExecutorDied) command() {}

// executorDied ends the run when executors come and die: more have died than
// live, so that Spark's replacements die too.
func (r *Roster) executorDied(d ExecutorDied) {
	if r.formed || r.verdict != nil {
		return
	}
	r.deaths++
	r.death = &d
	if r.deaths >= minDeaths && r.deaths > d.Living {
		r.decide(r.executorsVerdict())
		return
	}
	r.warn(fmt.Sprintf("executor %s died: %s", d.place(), d.Reason))
}

// executorsVerdict returns the verdict about executors that die. At least one has
// died.
func (r *Roster) executorsVerdict() Verdict {
	d := r.death
	died := fmt.Sprintf("%d executors died", r.deaths)
	if r.deaths == 1 {
		died = "an executor died"
	}
	where := ""
	if d.LogPath != "" {
		where = "; its log: " + d.LogPath
	}
	return Verdict{Code: exit.NotFormed, Phase: PhaseExecutors, Host: d.Host, ExitCode: d.ExitCode, Stderr: d.Stderr, LogPath: d.LogPath,
		Cause: fmt.Sprintf("%s before the cluster formed; the last was executor %s: %s%s; "+
			"correct what this names: the executors' Java, memory, host name or Spark settings",
			died, d.place(), strings.TrimRight(d.Reason, ". "), where)}
}

func (d *ExecutorDied) place() string {
	if d.Host == "" {
		return d.Executor
	}
	return d.Executor + " on " + d.Host
}
