package train

import (
	"testing"
	"time"
)

// TestWindow: means and rates are those since the last report.
func TestWindow(t *testing.T) {
	at := time.Unix(100, 0)
	var w window
	w.add([]float64{3, 1}, 10)
	if !w.due(at) || w.rate(at, 1) != 0 {
		t.Errorf("first step: due %v, rate %v", w.due(at), w.rate(at, 1))
	}
	if rows, wait := w.feeding(at); rows != 0 || wait != 0 {
		t.Errorf("first step: %v rows/s, %v %%", rows, wait)
	}
	w.reset(at, 1)
	w.add([]float64{5, 1}, 10)
	w.add([]float64{7, 2}, 10)
	w.waited += 500 * time.Millisecond
	if now := at.Add(tellTime - 1); w.due(now) {
		t.Error("due too early")
	}
	now := at.Add(2 * time.Second)
	rows, wait := w.feeding(now)
	if mean := w.mean(); !w.due(now) || mean[0] != 6 || mean[1] != 1.5 || w.rate(now, 9) != 4 || rows != 10 || wait != 25 {
		t.Errorf("mean %v, %v steps/s, %v rows/s, %v %%", mean, w.rate(now, 9), rows, wait)
	}
	w.reset(now, 9)
	if !w.empty() || w.due(now.Add(time.Hour)) || w.sums[0] != 0 || w.waited != 0 {
		t.Errorf("after a report: %+v", w)
	}
}
