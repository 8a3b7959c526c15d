package main

import (
	"testing"
	"time"

	"tfos/internal/record"
)

func TestPace(t *testing.T) {
	var p pace
	for _, step := range []struct {
		at            time.Duration
		splits, rows  int64
		bytes, all, n int64
		want          string
	}{
		{0, 0, 0, 0, 1000, 4, ""},
		{time.Second, 0, 100, 10, 1000, 4, "100 rows, 0 of 4 splits done"},
		{3 * time.Second, 0, 300, 100, 1000, 4, "300 rows, 100 rows/s, 0 of 4 splits done"},
		{11 * time.Second, 1, 1100, 210, 1000, 4, "1100 rows, 100 rows/s, 1 of 4 splits done, about 40 s left"},
		{11 * time.Second, 1, 1100, 29, 1000, 4, "1100 rows, 100 rows/s, 1 of 4 splits done"}, // less than 2 % is done
		{11 * time.Second, 1, 1100, 40, 1000, 4, "1100 rows, 100 rows/s, 1 of 4 splits done, about 5 min left"},
		{1001 * time.Second, 1, 50100, 60, 1000, 4, "50100 rows, 50.0 rows/s, 1 of 4 splits done, about 5.2 h left"},
		{1011 * time.Second, 4, 60000, 1000, 1000, 4, "60000 rows, 59.3 rows/s, 4 of 4 splits done"},
		{1011 * time.Second, 4, 60000, 0, 0, 0, "60000 rows, 59.3 rows/s, 4 parts done"}, // Spark reads the input
	} {
		e := record.Progress{Splits: step.splits, Rows: step.rows, Bytes: step.bytes, AllBytes: step.all, AllSplits: step.n}
		if got := p.line(e, time.Unix(0, 0).Add(step.at)); got != step.want {
			t.Errorf("%v: %q, want %q", e, got, step.want)
		}
	}
}

// TestProgressLine: a line has all that a progress says, in one order, and nothing else.
func TestProgressLine(t *testing.T) {
	fed := []record.FeedRows{{Received: 60, Trained: 50}, {Received: 40, Trained: 10}}
	gpus := []record.MemberGPU{{Busy: 87, Memory: -1, TotalMemory: -1}}
	training := &record.Training{Step: 20, Steps: 50, Loss: 0.25, StepsPerSecond: 2}
	for _, c := range []struct {
		e    record.Progress
		want string
	}{
		{record.Progress{}, ""},
		{record.Progress{GPUs: gpus}, "GPU 87 % busy"},
		{record.Progress{Feeds: fed}, "100 rows fed, 60 trained"},
		{record.Progress{Feeds: fed, GPUs: gpus}, "100 rows fed, 60 trained; GPU 87 % busy"},
		{record.Progress{Feeds: fed, Training: training, GPUs: gpus}, "step 20 of 50, loss 0.25, 2.0 steps/s, about 15 s left; GPU 87 % busy"},
		{record.Progress{Rows: 7, Splits: 1, AllSplits: 4, GPUs: gpus}, "7 rows, 1 of 4 splits done; GPU 87 % busy"},
		{record.Progress{Feeds: fed, Rows: 7, Splits: 1}, "100 rows fed, 60 trained; 7 rows, 1 parts done"},
	} {
		if got := new(pace).line(c.e, time.Unix(0, 0)); got != c.want {
			t.Errorf("%+v: %q, not %q", c.e, got, c.want)
		}
	}
}
