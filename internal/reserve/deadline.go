package reserve

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tfos/internal/exit"
)

// How often Waiting is emitted while nothing changes, and Progress at most.
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
		add(p.lastHeard.Add(r.cfg.Lease()))
	}
	if r.verdict != nil {
		add(r.drainDue())
		return next
	}
	if s := r.leadingSuspect(); s != nil && !r.isPreceded(s) {
		add(r.dueTime(s))
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
			add(p.phaseSince.Add(evaluatorGrace))
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

// Tick handles the deadlines that have passed.
func (r *Roster) Tick(now time.Time) []Effect {
	r.now = now
	r.expireLeases()
	r.judgeSuspects()
	if r.finishing {
		r.checkSuccess()
	}
	switch {
	case r.verdict != nil:
	case !r.formed && !now.Before(r.start.Add(r.cfg.Reservation())):
		r.decide(r.notFormed())
	case !r.formed && !now.Before(r.waitingDue):
		r.emitWaiting()
	case r.formed && len(r.suspects) == 0 && !now.Before(r.progressed.Add(r.cfg.Stall())):
		r.endStalled()
	case !r.progressDue.IsZero() && !now.Before(r.progressDue):
		r.emitProgress()
	}
	return r.takeEffects()
}

// expireLeases removes the members whose lease is over, the longest silent first.
func (r *Roster) expireLeases() {
	over := slices.DeleteFunc(r.living(), func(p *place) bool { return r.now.Before(p.lastHeard.Add(r.cfg.Lease())) })
	slices.SortStableFunc(over, func(a, b *place) int { return a.lastHeard.Compare(b.lastHeard) })
	for _, p := range over {
		cause := fmt.Sprintf("no sign of life from %s for %s: its process, executor or host is gone, or the network between", p.registration.Host, r.cfg.Lease())
		if !r.formed && r.verdict == nil {
			r.vacatePlace(p, cause)
			continue
		}
		if r.finishing && r.verdict == nil {
			r.loseWhileFinishing(p, cause)
			continue
		}
		r.removeMember(p)
		r.loseMember(p, cause, nil)
		r.leaveFeeds(p)
	}
}

// removeMember takes a silent member's place away. Its stream may still be open. It
// is closed: the member then gets no more answers, and gives up with its own lease.
func (r *Roster) removeMember(p *place) {
	if p.session != 0 {
		r.addEffect(Send{p.session, Stop{"the lease is over"}})
		r.addEffect(Close{p.session})
	}
	p.state, p.session = lost, 0
}

// endStalled ends a run in which no member makes progress.
func (r *Roster) endStalled() {
	if r.finishing {
		r.warn(fmt.Sprintf("training has succeeded, but the evaluator made no progress for %s (timeouts.stall): it is stopped", r.cfg.Stall()))
		r.decide(Verdict{Code: exit.Done})
		return
	}
	p := slices.MinFunc(r.stallCandidates(), func(a, b *place) int {
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

// stallCandidates returns the members that may be to blame for a stall: the required
// ones that still run. If there is none, all that run. If there is none, all.
func (r *Roster) stallCandidates() []*place {
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

// rows returns how many rows a member has trained on or predicted.
func (p *place) rows() int64 {
	n := p.renewal.SplitRows
	for _, c := range p.counts() {
		n += c.Trained
	}
	return n
}
