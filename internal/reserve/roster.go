package reserve

import (
	"fmt"
	"slices"
	"time"

	"tfos/internal/exit"
)

// state is where a place of the roster is.
type state int

const (
	vacant state = iota // no member holds it
	live                // a member holds it, its lease counts
	ended               // its member has reported how it ended
	lost                // its member's lease is over
)

// place is one place of the roster and who has it.
type place struct {
	MemberConfig
	state           state
	incarnation     int64 // of the last holder; 0: there was none
	registration    Registration
	session         int64     // its open stream; 0: none
	lastHeard       time.Time // when its last message came
	renewal         Renewal
	progressed      time.Time
	used            Usage     // when it progressed
	outcome         *Outcome  // Feeds: as renewed since
	refusals        int       // registrations refused because of where they ran
	rowsBefore      int64     // rows of inference when a measurement began
	notesSent       int       // how many notes of the renewals the driver has
	trainingEndSent bool      // the member was told that training has ended
	phaseSince      time.Time // when its phase began
	failingSince    time.Time // when its program reported a failure; zero: it has not
}

func (p *place) name() Place { return Place{p.Job, p.Index} }

func (p *place) takesFeed(feed string) bool { return slices.Contains(p.Feeds, feed) }

// counts is the latest account of the place's feeds.
func (p *place) counts() []FeedCount {
	if p.outcome != nil && len(p.outcome.Feeds) > 0 {
		return p.outcome.Feeds
	}
	return p.renewal.Feeds
}

// Roster is the state of one run: who is a member, who is alive, how the run
// ends. It is pure: it has no clock, goroutine or socket. Its inputs are the
// methods that take the present time, which must not go back; each returns
// what is to be done, in order. It is not safe for concurrent use.
type Roster struct {
	cfg    Config
	shares Shares
	start  time.Time
	now    time.Time
	places []*place
	feeds  []*feedState

	formed     bool
	progressed time.Time     // when a member last made progress
	conflict   string        // why a member was refused its place, for the verdict
	vacated    *Verdict      // of the last member lost before the cluster formed
	deaths     int           // of executors before the cluster formed
	death      *ExecutorDied // the last

	measured  time.Time // when a measurement is over; zero: it has not begun
	finishing bool      // training has succeeded; an evaluator has not finished
	suspects  []*suspect
	verdict   *Verdict // decided
	decided   time.Time
	uploading time.Time // when a member last reported that it uploads files
	drained   bool
	// serversStopped: parameter servers were told to stop, after the others had gone.
	serversStopped bool

	waitingDue  time.Time
	progressDue time.Time // zero: nothing new to tell
	progressAt  time.Time // last told

	effects []Effect
}

// NewRoster returns the roster of a run that starts now.
func NewRoster(cfg Config, shares Shares, now time.Time) *Roster {
	r := &Roster{cfg: cfg, shares: shares, start: now, now: now, waitingDue: now}
	for _, m := range cfg.Members {
		r.places = append(r.places, &place{MemberConfig: m})
	}
	for _, f := range cfg.Feeds {
		r.feeds = append(r.feeds, newFeedState(f, r.feedMembers(f.Name)))
	}
	return r
}

// takeEffects ends an input: it decides what follows from the new state, and
// returns the effects so far.
func (r *Roster) takeEffects() []Effect {
	r.judgeSuspects()
	r.checkMeasurement()
	r.checkDrained()
	out := r.effects
	r.effects = nil
	return out
}

func (r *Roster) addEffect(e Effect) { r.effects = append(r.effects, e) }

// send sends to a member that has a stream. A member without one gets the state of
// the run when it reconnects.
func (r *Roster) send(p *place, m Message) {
	if p.session != 0 {
		r.addEffect(Send{p.session, m})
	}
}

func (r *Roster) warn(message string) { r.addEffect(Emit{Warning{Message: message}}) }

// emitNotes emits the member's notes that the driver does not have yet.
func (r *Roster) emitNotes(p *place) {
	for _, n := range p.renewal.Notes[min(p.notesSent, len(p.renewal.Notes)):] {
		switch n.Kind {
		case NoteTensorBoard:
			r.addEffect(Emit{TensorBoard{URL: n.Text}})
		default:
			r.warn(fmt.Sprintf("%s: %s", p.name(), n.Text))
		}
	}
	p.notesSent = len(p.renewal.Notes)
}

func (r *Roster) find(name Place) *place {
	for _, p := range r.places {
		if p.name() == name {
			return p
		}
	}
	return nil
}

func (r *Roster) bySession(session int64) *place {
	for _, p := range r.places {
		if session != 0 && p.session == session {
			return p
		}
	}
	return nil
}

// feedMembers returns the members that take a feed's rows.
func (r *Roster) feedMembers(feed string) []Place {
	var out []Place
	for _, p := range r.places {
		if p.takesFeed(feed) {
			out = append(out, p.name())
		}
	}
	return out
}

func (r *Roster) living() []*place {
	var out []*place
	for _, p := range r.places {
		if p.state == live {
			out = append(out, p)
		}
	}
	return out
}

// Disconnected says that a stream has ended. Its member keeps its place until
// its lease is over.
func (r *Roster) Disconnected(now time.Time, session int64) []Effect {
	r.now = now
	if p := r.bySession(session); p != nil {
		p.session = 0
	}
	return r.takeEffects()
}

// Renew applies a member's renewal with its sequence number.
func (r *Roster) Renew(now time.Time, session int64, renewal Renewal, sequence int64) []Effect {
	r.now = now
	p := r.bySession(session)
	if p == nil { // fenced, or refused
		r.addEffect(Close{session})
		return r.takeEffects()
	}
	p.lastHeard = now
	if renewal.Uploading {
		r.uploading = now
	}
	r.send(p, Renewed{sequence})
	switch p.state {
	case live:
		r.applyRenewal(p, renewal)
		r.emitNotes(p)
		if r.finishing {
			r.checkSuccess()
		}
		r.clearFromSuspects(p)
	case ended: // it still takes, and drops, what feed tasks had on the way
		p.outcome.Feeds = mergeCounts(p.outcome.Feeds, renewal.Feeds)
	}
	return r.takeEffects()
}

// Command applies a command of the driver.
func (r *Roster) Command(now time.Time, c Command) []Effect {
	r.now = now
	switch c := c.(type) {
	case FeedEnded:
		r.feedEnded(c)
	case Fail:
		r.decide(Verdict{Code: c.Code, Phase: c.Phase, Cause: c.Cause, Retryable: c.Retryable})
	case SparkFailed:
		r.addSparkSuspect(c)
	case ExecutorDied:
		r.executorDied(c)
	case Settle:
		r.decide(Verdict{Code: exit.Done, Phase: c.Phase})
	case StopRun:
		r.decide(Verdict{Code: exit.Interrupted, Cause: c.Reason, Retryable: true})
	}
	return r.takeEffects()
}
