package reserve

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tfos/internal/exit"
)

// How often the driver is told what has not changed, and at most what has.
const (
	waitingEvery  = 5 * time.Second
	progressEvery = time.Second
)

// NextDeadline is when Tick must be called if no other input comes before; the
// zero time: never.
func (r *Roster) NextDeadline() time.Time {
	var next time.Time
	add := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if r.drained {
		return next
	}
	for _, p := range r.living() {
		add(p.heard.Add(r.cfg.Lease()))
	}
	if r.verdict != nil {
		add(r.drainDue())
		return next
	}
	if s := r.lead(); s != nil && !r.preceded(s) {
		add(r.due(s))
	}
	if !r.formed {
		add(r.start.Add(r.cfg.Reservation()))
		add(r.waitingDue)
		return next
	}
	if len(r.suspects) == 0 {
		add(r.progressed.Add(r.cfg.Stall()))
	}
	for _, p := range r.living() {
		if r.finishing && p.Job == Evaluator && p.renewal.Phase == PhaseRunning {
			add(p.phased.Add(evaluatorGrace))
		}
	}
	if !r.progressDue.IsZero() {
		add(r.progressDue)
	}
	if !r.measured.IsZero() {
		add(r.measured)
	}
	return next
}

// Tick does what time alone brings about.
func (r *Roster) Tick(now time.Time) []Effect {
	r.now = now
	r.expire()
	r.judge()
	if r.finishing {
		r.succeed()
	}
	switch {
	case r.verdict != nil:
	case !r.formed && !now.Before(r.start.Add(r.cfg.Reservation())):
		r.decide(r.notFormed())
	case !r.formed && !now.Before(r.waitingDue):
		r.waiting()
	case r.formed && len(r.suspects) == 0 && !now.Before(r.progressed.Add(r.cfg.Stall())):
		r.stall()
	case !r.progressDue.IsZero() && !now.Before(r.progressDue):
		r.progress()
	}
	return r.take()
}

// expire takes the places of members whose lease is over, the longest silent
// first.
func (r *Roster) expire() {
	over := slices.DeleteFunc(r.living(), func(p *place) bool { return r.now.Before(p.heard.Add(r.cfg.Lease())) })
	slices.SortStableFunc(over, func(a, b *place) int { return a.heard.Compare(b.heard) })
	for _, p := range over {
		cause := fmt.Sprintf("no sign of life from %s for %s: its process, executor or host is gone, or the network between", p.registration.Host, r.cfg.Lease())
		if !r.formed && r.verdict == nil {
			r.vacate(p, cause)
			continue
		}
		if r.finishing && r.verdict == nil {
			r.lostAtTheEnd(p, cause)
			continue
		}
		r.forget(p)
		r.lose(p, cause, nil)
		r.leaveFeeds(p)
	}
}

// forget takes a silent member's place. Its stream may be open for all that:
// closed, it answers no more renewals, and the lease does its work.
func (r *Roster) forget(p *place) {
	if p.session != 0 {
		r.do(Send{p.session, Stop{"the lease is over"}})
		r.do(Close{p.session})
	}
	p.state, p.session = lost, 0
}

// stall ends a run in which nobody makes progress.
func (r *Roster) stall() {
	if r.finishing {
		r.warn(fmt.Sprintf("training has succeeded, but the evaluator made no progress for %s (timeouts.stall): it is stopped", r.cfg.Stall()))
		r.decide(Verdict{Code: exit.Done})
		return
	}
	p := slices.MinFunc(r.candidates(), func(a, b *place) int {
		return cmp.Or(a.progressed.Compare(b.progressed), cmp.Compare(a.rows(), b.rows()))
	})
	r.decide(Verdict{
		Code: exit.Stalled, Phase: p.renewal.Phase, Member: p.name().String(),
		Host: p.registration.Host, LogPath: p.registration.LogPath,
		Cause: fmt.Sprintf("no member made progress for %s (timeouts.stall); %s has made the least: phase %q, %d rows; "+
			"for %s it took no row, printed no line, %s; "+
			"a longer wait needs a longer timeouts.stall",
			r.cfg.Stall(), p.name(), p.renewal.Phase, p.rows(), r.now.Sub(p.progressed).Round(time.Second), p.renewal.Usage.since(p.used)),
	})
}

// candidates for a stall are the required members that still run; without any,
// all that do; without any, all.
func (r *Roster) candidates() []*place {
	running := r.living()
	required := slices.DeleteFunc(slices.Clone(running), func(p *place) bool { return !p.Required })
	switch {
	case len(required) > 0:
		return required
	case len(running) > 0:
		return running
	default:
		return r.places
	}
}

// rows is how much a member has worked through.
func (p *place) rows() int64 {
	n := p.renewal.SplitRows
	for _, c := range p.counts() {
		n += c.Trained
	}
	return n
}
