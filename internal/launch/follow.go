package launch

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"tfos/internal/record"
)

// settleTime is how long the record of an application that has ended may lack what its
// driver has written last.
const settleTime = 3 * time.Second

// Follow follows a run until it has ended and its application too. If nobody else has
// judged the run, Follow writes the verdict into the record: what the manager says.
//
// The end of ctx stops the run, or leaves it alone: see Detach. The error is not nil only
// if the record cannot be written. Everything about the run itself is in the verdict.
func Follow(ctx context.Context, c FollowConfig) (record.Verdict, error) {
	c.setDefaults()
	f := newFollowing(c)
	asking := context.WithoutCancel(ctx)
	cancelled, kill := ctx.Done(), c.Kill
	tick := time.NewTicker(c.Look)
	defer tick.Stop()
	for {
		f.look(asking, time.Now())
		if j := f.decide(asking, time.Now()); j != nil {
			return f.conclude(asking, *j)
		}
		select {
		case <-tick.C:
		case <-cancelled:
			cancelled = nil
			if c.Detach {
				return f.conclude(asking, detached(context.Cause(ctx)))
			}
			f.requestStop(asking, context.Cause(ctx))
		case <-kill:
			kill = nil
			f.kill(asking, Signal{syscall.SIGTERM})
		}
	}
}

// following is a run that is followed.
type following struct {
	c          FollowConfig
	driver     driver      // what the record says
	app        application // what the cluster manager says
	submission submission  // while the cluster has no application of the run
	heard      time.Time   // when record or manager said something last
	stop       stop
	warned     map[string]bool
}

func newFollowing(c FollowConfig) *following {
	return &following{
		c: c, driver: driver{record: record.Follow(c.Store, c.Record)},
		heard: time.Now(), warned: map[string]bool{},
	}
}

// look reads what is new in the record, and asks the manager.
func (f *following) look(ctx context.Context, now time.Time) {
	f.readRecord(ctx, now)
	if now.Sub(f.app.asked) >= 3*f.c.Look || f.stop.killed {
		f.app.asked = now
		f.askManager(ctx)
	}
}

// decide returns the judgement of a run that has ended, and its application too. Otherwise it
// does what is due, and returns nil.
func (f *following) decide(ctx context.Context, now time.Time) *judgement {
	switch judged, gone := f.driver.hasJudged(), f.gone(now); {
	case judged && gone:
		if f.driver.verdict != nil || now.Sub(f.driver.judged) >= settleTime {
			return f.judgeDriver()
		}
		return nil
	case judged:
		return f.awaitEnd(ctx, now)
	case gone:
		if f.app.standing == appUnknown || now.Sub(f.app.since) >= settleTime {
			return f.judgeSilent()
		}
		return nil
	case f.stop.why != nil:
		return f.awaitStop(ctx, now)
	}
	return f.awaitDriver(ctx, now)
}

// gone says that no application of the run is left in the cluster.
func (f *following) gone(now time.Time) bool {
	switch f.app.standing {
	case appEnded:
		return true
	case appUnknown:
		if f.app.known || f.driver.stage > stageUnbegun || f.driver.verdict != nil {
			return now.Sub(f.app.since) >= f.c.Unknown
		}
		return f.submission.failed(f.c, f.app.since, now)
	}
	return false
}

// awaitEnd kills an application that goes on after the verdict.
func (f *following) awaitEnd(ctx context.Context, now time.Time) *judgement {
	switch {
	case now.Sub(f.driver.judged) < f.c.Stop:
		return nil
	case f.stop.killed:
		return f.judgeDriver()
	case f.outOfReach(now):
		f.warn("reach", "the cluster manager does not answer: the application may go on in the cluster after its verdict")
		return f.judgeDriver()
	}
	f.warn("linger", fmt.Sprintf("the application did not end within %v after the verdict: it is killed", f.c.Stop))
	f.kill(ctx, errLinger)
	return nil
}

// awaitStop kills an application that was asked to stop and goes on.
func (f *following) awaitStop(ctx context.Context, now time.Time) *judgement {
	switch since := now.Sub(f.stop.since); {
	case f.stop.killed:
	case since >= f.c.Grace+f.c.Stop:
		return f.judgeOutOfReach(fmt.Sprintf("%v: %s", f.stop.why, f.app.whyNotKilled()))
	case since >= f.c.Grace:
		f.kill(ctx, f.stop.why)
	}
	return f.awaitAnswer(now)
}

// awaitDriver kills an application that will not begin, or not in time.
func (f *following) awaitDriver(ctx context.Context, now time.Time) *judgement {
	switch {
	case f.driver.stage < stageFormed && f.app.state.Final:
		f.kill(ctx, &hopelessError{f.app.state})
	case f.driver.stage < stageUp && f.app.known && f.c.Formation > 0 && now.Sub(f.c.Submitted) >= f.c.Formation:
		f.kill(ctx, errFormation)
	}
	return f.awaitAnswer(now)
}

// awaitAnswer gives up a run of which nobody says anything.
func (f *following) awaitAnswer(now time.Time) *judgement {
	if !f.outOfReach(now) {
		return nil
	}
	return f.judgeOutOfReach(fmt.Sprintf("neither the cluster manager nor the driver was heard for %v (timeouts.unreachable): %v", f.c.Unreachable, f.app.silence.err))
}

// outOfReach says that neither manager nor record has said anything for too long.
func (f *following) outOfReach(now time.Time) bool {
	return f.app.standing == appSilent && now.Sub(f.heard) >= f.c.Unreachable
}

// warn reports each kind of trouble once.
func (f *following) warn(kind, text string) {
	if !f.warned[kind] {
		f.warned[kind] = true
		f.c.Event(record.Warning{Message: text})
	}
}
