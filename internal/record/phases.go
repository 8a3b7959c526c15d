package record

import (
	"slices"
	"time"
)

// Phases has the times at which a run came to its phases. The zero time: it did not.
type Phases struct {
	Begin   time.Time
	Context time.Time // the SparkContext was up
	Formed  time.Time // all members were there
	export  time.Time // the first member reported that it exports
	Verdict time.Time
}

// Note notes what an event says of the phases.
func (p *Phases) Note(at time.Time, e Event) {
	switch e := e.(type) {
	case Context:
		p.Context = at
	case Formed:
		p.Formed = at
	case Progress:
		if p.export.IsZero() && slices.ContainsFunc(e.Members, func(m MemberPhase) bool { return m.Phase == "exporting" }) {
			p.export = at
		}
	case Verdict:
		p.Verdict = at
	}
}

// Seconds returns Verdict.Seconds of a run that ended at end. A phase that was not reached
// is absent.
func (p *Phases) Seconds(end time.Time) map[string]float64 {
	seconds := func(d time.Duration) float64 { return max(0, d).Round(time.Millisecond).Seconds() }
	all := map[string]float64{"total": seconds(end.Sub(p.Begin))}
	at := p.Begin
	reached := func(phase string, end time.Time) {
		if !end.IsZero() {
			all[phase] = seconds(end.Sub(at))
			at = end
		}
	}
	reached("submit", p.Context)
	reached("form", p.Formed)
	if p.export.IsZero() {
		reached("run", p.Verdict)
	} else {
		reached("run", p.export)
		reached("export", p.Verdict)
	}
	reached("stop", end)
	return all
}
