package main

import (
	"testing"

	"tfos/internal/record"
)

// TestLastEvent: tfos show says how far a run is in the words of its progress line.
func TestLastEvent(t *testing.T) {
	gpus := []record.MemberGPU{{Busy: 87, Memory: -1, TotalMemory: -1}}
	for _, c := range []struct {
		event record.Event
		want  string
	}{
		{nil, "newer"},
		{record.Formed{}, "formed"},
		{record.Warning{Message: "slow"}, "warning (slow)"},
		{record.Waiting{Missing: []string{"worker:1", "worker:2"}}, "waiting (worker:1, worker:2 missing)"},
		{record.Progress{}, "progress"},
		{record.Progress{Training: &record.Training{Step: 20, Steps: 20, Loss: 0.5, StepsPerSecond: 3}, GPUs: gpus}, "progress (step 20 of 20, loss 0.5, 3.0 steps/s; GPU 87 % busy)"},
		{record.Progress{Rows: 700, Splits: 1, AllSplits: 4}, "progress (700 rows, 1 of 4 splits done)"},
	} {
		name := "newer"
		if c.event != nil {
			name = c.event.EventName()
		}
		if got := lastEvent(record.Entry{Name: name, Event: c.event}); got != c.want {
			t.Errorf("%+v: %q, not %q", c.event, got, c.want)
		}
	}
}
