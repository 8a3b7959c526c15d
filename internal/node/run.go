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

// The exit statuses of `tfos-node run`, which Spark reads: 0 ends the task,
// anything else counts as a failure and has the task placed again while
// spark.task.maxFailures allows.
const (
	// ExitDone: do not place this member again. It is done, failed for good,
	// was stopped, or its place or its run is gone.
	ExitDone = 0
	// ExitRetry: place it again (EX_TEMPFAIL of sysexits.h).
	ExitRetry = 75
)

// DefaultGrace is how long a child has between SIGTERM and SIGKILL.
const DefaultGrace = 5 * time.Second

// Options are what `tfos-node run` is given by its process.
type Options struct {
	Stdin io.Reader // one line: an Assignment as JSON
	// Stdout is the pipe that the executor reads: watched for the executor's
	// end, and written one Summary at most.
	Stdout *os.File
	Stderr io.Writer     // takes the child's output too
	Grace  time.Duration // 0: DefaultGrace
	Log    *slog.Logger
}

// Summary is the one line of JSON that a member writes to standard output, for
// who reads the output of Spark's job. The reservation server's verdict does
// not depend on it.
type Summary struct {
	Member string `json:"member"` // worker:1; "" when the assignment cannot be read
	Kind   string `json:"kind"`   // of the outcome: succeeded, failed, lost, stopped
	Cause  string `json:"cause,omitempty"`
	Status int    `json:"status"`
}

// Run is the whole of `tfos-node run`: it supervises one member of a cluster
// from its assignment to its end and returns the process's exit status. When
// it returns, no process that descends from this one and no work folder is
// left. Every child process of the calling process is reaped, and SIGPIPE is
// caught. ctx's end (SIGTERM) ends the member; so does the executor's, the
// lease's, and the server's word.
func Run(ctx context.Context, o Options) int {
	// Once the executor is gone, a write to standard error must not end the
	// supervisor before it has cleared up.
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
		o.Log.Debug("node: write the summary", "error", err) // nobody reads it
	}
	return summary.Status
}

func run(ctx context.Context, o Options) Summary {
	a, err := readAssignment(ctx, o.Stdin)
	if err != nil {
		// No server to tell. Placing it again would bring the same line again.
		o.Log.Error("node: no assignment", "error", err)
		return Summary{Kind: reserve.Failed.String(), Cause: oneLine(err.Error()), Status: ExitDone}
	}
	place := reserve.Place{Job: a.Job, Index: a.Index}
	o.Log = o.Log.With("run", a.Config.Run, "node", place.String())
	summary := Summary{Member: place.String()}
	m, err := newMember(ctx, o, a)
	if err != nil {
		// Something of this executor: another place may do better, and Spark's
		// count of failures bounds it.
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
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
