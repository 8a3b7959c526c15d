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
// Env, Dir, Record, Grace, Settle, Started, Event, SparkLog and Kill.
//
// An error says that the application was not taken, or that ctx was cancelled, in which
// case it may have been.
func Submit(ctx context.Context, c Config) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.setDefaults()
	p, err := c.start()
	if err != nil {
		return err
	}
	w := newWatch(c, p.group, time.Now())
	w.follow(ctx, p.events, p.settled)
	err = c.finish(p)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.group.state.Success():
		return err
	}
	log, _ := digestFile(c.sparkLog()) // what cannot be read says nothing
	return &Error{Code: exit.NoSpark, Phase: "submit", Err: &refused{withReason("spark-submit did not submit the application ("+describeEnd(p.group.state)+")", log.first), log.tail, c.sparkLog()}}
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
