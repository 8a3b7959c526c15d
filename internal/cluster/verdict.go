package cluster

import (
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/oneline"
	"tfos/internal/record"
)

// Cause is why an application waits, or how it or an executor ended.
type Cause string

const (
	CauseQueue   Cause = "queue"   // no room: the queue is full, no node has so much, a quota is used up
	CauseImage   Cause = "image"   // the image or an archive cannot be had
	CauseRefused Cause = "refused" // the manager does not take it: unknown queue, no permission, more than its maximum
	CauseKilled  Cause = "killed"  // by a person or a scheduler, through the manager
	CauseMemory  Cause = "memory"  // more memory than its container's limit
	CauseLost    Cause = "lost"    // its machine or container is gone
	CauseSignal  Cause = "signal"  // a signal from elsewhere ended its process
	CauseExit    Cause = "exit"    // it ended by itself, with an exit code
)

// Phases of verdicts that come from a manager.
const (
	PhaseSubmit      = "submit"
	PhaseDriver      = "driver"
	PhaseInterrupted = "interrupted"
)

// judgment is the part of a verdict that a Cause decides.
type judgment struct {
	code      exit.Code
	phase     string
	retryable bool
	text      string // what happened, before the manager's words
}

var judgments = map[Cause]judgment{
	CauseQueue:   {exit.NotFormed, PhaseSubmit, true, "the cluster has no room for the application"},
	CauseImage:   {exit.NotFormed, PhaseSubmit, false, "the application's image or archive cannot be had"},
	CauseRefused: {exit.NoSpark, PhaseSubmit, false, "the cluster refuses the application"},
	CauseKilled:  {exit.Terminated, PhaseInterrupted, true, "the application was killed from outside"},
	CauseMemory:  {exit.Failed, PhaseDriver, false, "the driver was killed by the cluster: memory"},
	CauseLost:    {exit.Failed, PhaseDriver, true, "the driver's machine or container is lost"},
	CauseSignal:  {exit.Failed, PhaseDriver, true, "the driver was killed"},
	CauseExit:    {exit.Failed, PhaseDriver, true, "the driver died"},
}

// Verdict returns the verdict on a run without one of its own, of whose application the
// manager says s. An application that ended well without a verdict has failed: its driver
// was ended before it could write one.
func (s State) Verdict() record.Verdict {
	cause := s.Cause
	switch {
	case cause != "":
	case s.Phase == Killed:
		cause = CauseKilled
	default:
		cause = CauseExit
	}
	j := judgments[cause]
	text := j.text
	if cause == CauseExit && s.ExitCode != 0 {
		text += fmt.Sprintf(" (exit %d)", s.ExitCode)
	}
	if words := OneLine(s.Words); words != "" {
		text += ": " + words
	}
	return record.Verdict{
		Code: j.code, Phase: j.phase, Cause: text, Retryable: j.retryable,
		ExitCode: s.ExitCode, Stderr: s.Lines, LogPath: s.URL,
	}
}

// OneLine joins the lines of a manager's words, and cuts them at 1 KiB.
func OneLine(words string) string {
	return oneline.Of(words, 1<<10)
}
