package batches

import (
	"maps"
	"math"
	"slices"
	"time"

	"tfos/internal/feed"
)

// paceEvery is the least time between two reports of the pace.
const paceEvery = time.Second

// pace counts rows, seconds and steps from the first batch on. A step is the time
// from one batch to the next. The first batch only starts the clock: the wait for
// it belongs to the job's start. scripts/tfos/pace.py has the same for Python.
type pace struct {
	first, last, told      time.Time
	waitedBefore, waitedBy time.Duration // until the first batch; until the last one
	rows                   int64
	steps                  map[int64]int64 // by bucket: about 1.1^bucket microseconds
}

// addBatch counts a batch that is handed out now. waited is how long the program has
// waited for batches in total.
func (p *pace) addBatch(rows int64, waited time.Duration) {
	now := time.Now()
	if p.first.IsZero() {
		p.first, p.last, p.told = now, now, now
		p.waitedBefore, p.steps = waited, map[int64]int64{}
		return
	}
	p.rows += rows
	p.waitedBy = waited
	microseconds := max(1, float64(now.Sub(p.last))/1e3)
	p.steps[int64(math.Round(math.Log(microseconds)/math.Log(1.1)))]++
	p.last = now
}

// report returns the pace in totals. due: it is time for a report, or now is set and
// there is something to report.
func (p *pace) report(now bool) (report feed.Pace, due bool) {
	if p.rows == 0 || !now && p.last.Sub(p.told) < paceEvery {
		return feed.Pace{}, false
	}
	p.told = p.last
	report = feed.Pace{Rows: p.rows, Seconds: p.last.Sub(p.first).Seconds(), Waited: (p.waitedBy - p.waitedBefore).Seconds()}
	for _, bucket := range slices.Sorted(maps.Keys(p.steps)) {
		report.Steps = append(report.Steps, [2]int64{bucket, p.steps[bucket]})
	}
	return report, true
}
