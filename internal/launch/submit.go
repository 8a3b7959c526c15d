package launch

import (
	"context"
	"errors"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// Submit runs the spark-submit of a job in cluster mode until it ends: the cluster manager
// has taken the application, or has refused it. Its JVM then is gone. Of c it uses Argv,
// Env, Dir, Record, Grace, Settle, Started, SparkLog and Kill.
//
// An error says that the application was not taken, or that ctx was cancelled, in which
// case it may have been.
func Submit(ctx context.Context, c Config) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.setDefaults()
	pipes, err := openPipes(c)
	if err != nil {
		return fail(exit.Internal, "submit", "%w", err)
	}
	cmd := command(c)
	cmd.Stdout, cmd.Stderr = pipes.stdout.write, pipes.stderr()
	g, err := startGroup(cmd)
	pipes.closeWriteEnds()
	if err != nil {
		return errors.Join(c.notStarted(err), pipes.waitReaders(), pipes.file.Close())
	}
	c.Started(g.id)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		g.settle(c.Settle)
		pipes.expireReads(c.Settle)
	}()
	w := newWatch(c, g, time.Now())
	w.follow(ctx, pipes.events, settled)
	err = errors.Join(pipes.waitReaders(), pipes.file.Close())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case g.state.Success():
		return err
	}
	log, _ := digestFile(c.sparkLog()) // what cannot be read says nothing
	return &Error{Code: exit.NoSpark, Phase: "submit", Err: &refused{withReason("spark-submit did not submit the application ("+describeEnd(g.state)+")", log.first), log.tail, c.sparkLog()}}
}

// refused is the error of an application that was not submitted.
type refused struct {
	text string
	tail []string
	log  string
}

func (r *refused) Error() string { return "launch: " + r.text }

// addLog adds what spark-submit said to the verdict of its error.
func addLog(v *record.Verdict, err error) {
	var r *refused
	if errors.As(err, &r) {
		v.Stderr, v.LogPath = r.tail, r.log
	}
}
