package train

import (
	"math"
	"time"
)

const (
	// tellTime is the shortest time between two reports of scalars. Steps that are
	// slower are reported one by one.
	tellTime = 200 * time.Millisecond
)

// window is the steps since the last report.
type window struct {
	sums   []float64
	steps  int64
	rows   int64         // of this trainer
	waited time.Duration // of this trainer, for rows
	since  time.Time     // of the last report; zero: there was none
	step   int64         // of the last report
}

func (w *window) add(values []float64, rows int64) {
	if w.sums == nil {
		w.sums = make([]float64, len(values))
	}
	for i, v := range values {
		w.sums[i] += v
	}
	w.steps++
	w.rows += rows
}

func (w *window) empty() bool { return w.steps == 0 }

// due tells whether it is time for a report. The first step is reported at once.
func (w *window) due(now time.Time) bool {
	return w.steps > 0 && now.Sub(w.since) >= tellTime
}

// mean returns the means of the values of the window's steps.
func (w *window) mean() []float64 {
	mean := make([]float64, len(w.sums), len(w.sums)+3)
	for i, sum := range w.sums {
		mean[i] = sum / float64(w.steps)
	}
	return mean
}

// rate is the updates a second since the last report; 0 in the first.
func (w *window) rate(now time.Time, step int64) float64 {
	if w.since.IsZero() {
		return 0
	}
	return float64(step-w.step) / max(now.Sub(w.since).Seconds(), 1e-9)
}

// feeding returns the rows a second since the last report, and the percentage of the
// time in which the trainer waited for them; 0 in the first.
func (w *window) feeding(now time.Time) (rows, waitPercent float64) {
	if w.since.IsZero() {
		return 0, 0
	}
	seconds := max(now.Sub(w.since).Seconds(), 1e-9)
	return float64(w.rows) / seconds, 100 * w.waited.Seconds() / seconds
}

func (w *window) reset(now time.Time, step int64) {
	clear(w.sums)
	*w = window{sums: w.sums, since: now, step: step}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// named pairs names with values.
func named(names []string, values []float64) map[string]float64 {
	out := map[string]float64{}
	for i, name := range names {
		out[name] = values[i]
	}
	return out
}
