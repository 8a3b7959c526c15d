package reserve

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

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
	all := Pace{Steps: map[int]int64{}}
	for _, p := range r.places {
		of := Pace{Steps: map[int]int64{}}
		paces := r.paces(p)
		if len(paces) == 0 {
			paces = r.measuredPace(p)
		}
		for _, pace := range paces {
			of.add(pace)
		}
		if of.Seconds <= 0 {
			continue
		}
		all.add(of)
		t.Seconds = max(t.Seconds, of.Seconds)
		t.Members = append(t.Members, MemberThroughput{
			Member: p.name().String(), Rows: of.Rows, RowsPerSecond: float64(of.Rows) / of.Seconds,
			StepP50: of.quantile(0.5), StepP99: of.quantile(0.99), FeedWait: of.waitPercent(),
		})
	}
	if len(t.Members) == 0 {
		return nil
	}
	t.RowsPerSecond = float64(all.Rows) / t.Seconds
	t.StepP50, t.StepP99, t.FeedWait = all.quantile(0.5), all.quantile(0.99), all.waitPercent()
	return &t
}

func (p *Pace) add(o Pace) {
	p.Rows += o.Rows
	p.Seconds += o.Seconds
	p.Waited += o.Waited
	for bucket, n := range o.Steps {
		p.Steps[bucket] += n
	}
}

func (p *Pace) waitPercent() float64 { return 100 * min(p.Waited/p.Seconds, 1) }

// quantile is the duration in milliseconds that a share q of all steps did not
// exceed, to a tenth of itself; 0 without steps.
func (p *Pace) quantile(q float64) float64 {
	var total, seen int64
	for _, n := range p.Steps {
		total += n
	}
	for _, bucket := range slices.SortedFunc(maps.Keys(p.Steps), cmp.Compare) {
		seen += p.Steps[bucket]
		if float64(seen) >= q*float64(total) {
			return math.Pow(1.1, float64(bucket)) / 1000
		}
	}
	return 0
}
