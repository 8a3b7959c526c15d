package reserve

import (
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// PhaseThroughput is the verdict's phase of a run that was slower than MinRowsPerSecond.
const PhaseThroughput = "throughput"

// checkRate returns the verdict of a run that has succeeded, or was too slow. Outputs of a slow
// run stay: they are complete, and were expensive to compute.
func (c Config) checkRate(v Verdict) Verdict {
	if c.MinRowsPerSecond <= 0 || v.Code != exit.Done || v.Phase != "" { // a phase: measured, or nothing to do
		return v
	}
	switch t := v.Throughput; {
	case t == nil:
		v.Cause = fmt.Sprintf("--min-throughput %g: nothing was measured: the program takes no rows from a feed, or only one batch", c.MinRowsPerSecond)
	case t.RowsPerSecond < c.MinRowsPerSecond:
		v.Cause = fmt.Sprintf("%s is less than --min-throughput %g", record.RowRate(t.RowsPerSecond), c.MinRowsPerSecond)
	default:
		return v
	}
	v.Code, v.Phase = exit.Stalled, PhaseThroughput
	return v
}

// paces is how fast a place's program took its rows: as it reported last.
func (r *Roster) paces(p *place) []Pace {
	if p.outcome != nil && len(p.outcome.Result) > 0 && r.shares.Pace != nil {
		return r.shares.Pace(p.outcome.Result)
	}
	if p.outcome != nil && len(p.outcome.Paces) > 0 {
		return p.outcome.Paces
	}
	return p.renewal.Paces
}

// throughput sums up what programs measured; nil when none of them got as far
// as a second batch.
func (r *Roster) throughput() *Throughput {
	var t Throughput
	var all Pace
	for _, p := range r.places {
		var of Pace
		paces := r.paces(p)
		if len(paces) == 0 {
			paces = r.measuredPace(p)
		}
		for _, pace := range paces {
			of.addPace(pace)
		}
		if of.Seconds <= 0 {
			continue
		}
		all.addPace(of)
		t.Seconds = max(t.Seconds, of.Seconds)
		t.Members = append(t.Members, MemberThroughput{
			Member: p.name().String(), Rows: of.Rows, RowsPerSecond: float64(of.Rows) / of.Seconds,
			StepP50: of.Steps.Quantile(0.5), StepP99: of.Steps.Quantile(0.99), FeedWait: of.waitPercent(),
		})
	}
	if len(t.Members) == 0 {
		return nil
	}
	t.RowsPerSecond = float64(all.Rows) / t.Seconds
	t.StepP50, t.StepP99, t.FeedWait = all.Steps.Quantile(0.5), all.Steps.Quantile(0.99), all.waitPercent()
	return &t
}

func (p *Pace) addPace(o Pace) {
	p.Rows += o.Rows
	p.Seconds += o.Seconds
	p.Waited += o.Waited
	p.Steps.AddAll(o.Steps)
}

func (p *Pace) waitPercent() float64 { return 100 * min(p.Waited/p.Seconds, 1) }
