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
	sums  []float64
	steps int64
	since time.Time // of the last report; zero: there was none
	step  int64     // of the last report
}

func (w *window) add(values []float64) {
	if w.sums == nil {
		w.sums = make([]float64, len(values))
	}
	for i, v := range values {
		w.sums[i] += v
	}
	w.steps++
}

func (w *window) empty() bool { return w.steps == 0 }

// due tells whether it is time for a report. The first step is reported at once.
func (w *window) due(now time.Time) bool {
	return w.steps > 0 && now.Sub(w.since) >= tellTime
}

// mean returns the means of the values of the window's steps.
func (w *window) mean() []float64 {
	mean := make([]float64, len(w.sums), len(w.sums)+1)
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

func (w *window) reset(now time.Time, step int64) {
	clear(w.sums)
	w.steps, w.since, w.step = 0, now, step
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
