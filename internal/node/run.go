package node

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/reserve"
)

// The exit statuses of `tfos-node run`, which Spark reads. 0 ends the task. Any other
// status is a failure: Spark starts the task again, as long as spark.task.maxFailures
// allows.
const (
	// ExitDone: do not start this member again. It has succeeded or failed for good,
	// was stopped, or lost its place or its run.
	ExitDone = 0
	// ExitRetry: start this member again (EX_TEMPFAIL of sysexits.h).
	ExitRetry = 75
)

// DefaultGrace is how long a child has between SIGTERM and SIGKILL.
const DefaultGrace = 5 * time.Second

// Options are the inputs and outputs of `tfos-node run`.
type Options struct {
	Stdin io.Reader // one line: an Assignment as JSON
	// Stdout is the pipe that the executor reads. Run watches it for the executor's
	// end, and writes one Summary.
	Stdout *os.File
	Stderr io.Writer     // receives the child's output too
	Grace  time.Duration // 0: DefaultGrace
	Log    *slog.Logger
}

// Summary is the one line of JSON that a member writes to standard output, for readers
// of the Spark job's output. The reservation server's verdict does not depend on it.
type Summary struct {
	Member string `json:"member"` // worker:1; "" if the assignment cannot be read
	Kind   string `json:"kind"`   // of the outcome: succeeded, failed, lost, stopped
	Cause  string `json:"cause,omitempty"`
	Status int    `json:"status"`
}

// Run supervises one member of a cluster from its assignment to its end: it is the whole
// of `tfos-node run`. It returns the process's exit status. When it returns, no
// descendant process and no work folder is left.
//
// The member ends when ctx ends (SIGTERM), when the executor ends, when the lease is
// lost, or when the server sends Stop. Run reaps every child of the calling process and
// catches SIGPIPE.
func Run(ctx context.Context, o Options) int {
	// Without the executor, standard error has no reader. A write to it must not end
	// the supervisor before it has cleaned up.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, unix.SIGPIPE)
	defer signal.Stop(broken)
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	summary := run(ctx, o)
	line, err := json.Marshal(summary)
	if err == nil {
		_, err = o.Stdout.Write(append(line, '\n'))
	}
	if err != nil {
		o.Log.Debug("node: write the summary", "error", err) // the executor is gone
	}
	return summary.Status
}

func run(ctx context.Context, o Options) Summary {
	a, err := readAssignment(ctx, o.Stdin)
	if err != nil {
		// There is no server to report to. Another start would get the same line.
		o.Log.Error("node: no assignment", "error", err)
		return Summary{Kind: reserve.Failed.String(), Cause: oneLine(err.Error()), Status: ExitDone}
	}
	place := reserve.Place{Job: a.Job, Index: a.Index}
	o.Log = o.Log.With("run", a.Config.Run, "node", place.String())
	summary := Summary{Member: place.String()}
	m, err := newMember(ctx, o, a)
	if err != nil {
		// The cause is this executor: the member may start on another. Spark's limit
		// of failures ends the attempts.
		o.Log.Error("node: begin", "error", err)
		reportNotStarted(ctx, o, a, err)
		summary.Kind, summary.Cause, summary.Status = reserve.Lost.String(), oneLine(err.Error()), ExitRetry
		return summary
	}
	end := m.live(ctx)
	summary.Kind, summary.Cause, summary.Status = end.kind.String(), oneLine(end.cause), end.status
	return summary
}

// reportNotStarted reports that the member failed before it registered. The verdict
// can then say why its place stayed empty.
func reportNotStarted(ctx context.Context, o Options, a Assignment, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer cancel()
	client, err := reserve.Dial(ctx, a.credentials())
	if err == nil {
		err = client.Report(ctx, reserve.Outcome{
			Place: reserve.Place{Job: a.Job, Index: a.Index}, Kind: reserve.Lost, Phase: phaseStarting,
			Cause: oneLine(why.Error()), ExitCode: -1, Host: hostName(""),
		})
	}
	if err != nil {
		o.Log.Error("node: report", "error", err)
	}
}
