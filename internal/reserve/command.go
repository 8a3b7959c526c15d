package reserve

import "tfos/internal/exit"

// Command is a command of the driver (FeedEnded, Fail, SparkFailed, ExecutorDied or
// StopRun) or of the run's work (Settle).
type Command interface{ command() }

// FeedEnded says that an epoch was sent, and that members acknowledged Rows of it.
type FeedEnded struct {
	Feed  string
	Epoch int
	Rows  int64
	Last  bool // no epoch follows
	// Stopped: not all rows were sent, because no member wanted the rest. Members may have
	// more than Rows: what was on its way.
	Stopped bool
}

// Fail ends the run with a cause that the driver knows for certain.
type Fail struct {
	Code         exit.Code
	Phase, Cause string
	Retryable    bool
}

// SparkFailed says that a Spark job failed, for a reason that may be a
// consequence of what happened to a member.
type SparkFailed struct{ Phase, Cause string }

// StopRun ends the run on request.
type StopRun struct{ Reason string }

// Settle ends the run with success before its members begin: they have nothing to do.
type Settle struct{ Phase string }

func (Settle) command()      {}
func (FeedEnded) command()   {}
func (Fail) command()        {}
func (SparkFailed) command() {}
func (StopRun) command()     {}

// Effect is what the roster wants done, in order: Send, Close, Emit, Decided
// or Drained.
type Effect interface{ effect() }

// Send gives a message to the member at the other end of a stream.
type Send struct {
	Session int64
	Message Message
}

// Close ends a stream after what was sent on it.
type Close struct{ Session int64 }

// Emit tells the driver.
type Emit struct{ Event Event }

// Decided says that the run's end is known; members are being stopped.
type Decided struct {
	Code          exit.Code
	Member, Cause string
}

// Drained says that every member is gone, or had its lease to go:
// Roster.Verdict is final.
type Drained struct{}

func (Send) effect()    {}
func (Close) effect()   {}
func (Emit) effect()    {}
func (Decided) effect() {}
func (Drained) effect() {}
