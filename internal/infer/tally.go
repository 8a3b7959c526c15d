package infer

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tally sums up what splits and streams report. Safe for concurrent use.
type tally struct {
	mu          sync.Mutex
	result      Result
	rows        int64         // computed, unfinished splits included
	bytes       int64         // of the splits, that these rows take
	badRows     int64         // bad rows so far, unfinished splits included
	graphFailed int64         // of them, those that the graph failed for
	firstBad    *BadRow       // the first that was met
	graphWorks  atomic.Bool   // the graph has worked for a row
	waited      time.Duration // of all computing stages
	staged      time.Duration // their whole time
	report      Progress
}

func (t *tally) addBatch(rows, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows += rows
	t.bytes += bytes
	t.reportProgress()
}

// addSplit adds a finished split. bytes are those of the split that no batch has.
func (t *tally) addSplit(s SplitResult, bytes int64, c clocks) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += bytes
	t.result.Splits = append(t.result.Splits, s)
	t.result.Add(s.Account)
	t.addClocks(c)
	t.reportProgress()
}

// addPartition adds a stream that has ended. done: its task took all predictions.
func (t *tally) addPartition(p ServedPartition, c clocks, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if done {
		t.result.Served = append(t.result.Served, p)
	}
	t.addClocks(c)
	t.reportProgress()
}

func (t *tally) addClocks(c clocks) {
	t.result.ReadSeconds += c.read.Seconds()
	t.result.ComputeSeconds += c.compute.Seconds()
	t.result.WriteSeconds += c.write.Seconds()
	t.waited += c.waited
	t.staged += c.staged
}

// addBadRow counts a bad row. It returns an error when the run can have no output any
// more: there are too many bad rows for all rows of the job, or the graph has worked
// for none.
func (t *tally) addBadRow(row BadRow, req *Computation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.badRows++
	if row.graph {
		t.graphFailed++
	}
	if t.firstBad == nil {
		t.firstBad = &row
	}
	switch all := req.InputRows; {
	case req.MaxBad != nil && *req.MaxBad == 0 && all == 0:
		return &BadRowsError{fmt.Sprintf("there are bad rows, and max_bad is 0%%; the first is %v", t.firstBad)}
	case req.MaxBad != nil && all > 0 && beyond(t.badRows, all, *req.MaxBad):
		return tooMany(t.badRows, all, *req.MaxBad, t.firstBad)
	case t.graphFailed >= hopeless && !t.graphWorks.Load() && (req.MaxBad == nil || *req.MaxBad < 100):
		return noneWorked(t.graphFailed, t.firstBad)
	}
	return nil
}

// addStep counts a batch of a computing stage by its duration.
func (t *tally) addStep(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Steps.Add(d)
}

// setSeconds sets the run's seconds, and how many of them it waited, after the last
// split.
func (t *tally) setSeconds(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Seconds = took.Seconds()
	if t.staged > 0 {
		t.result.WaitSeconds = took.Seconds() * t.waited.Seconds() / t.staged.Seconds()
	}
}

func (t *tally) reportProgress() {
	if t.report != nil {
		t.report(int64(len(t.result.Splits)+len(t.result.Served)), t.rows, t.bytes)
	}
}

// sortedResult returns the result with its splits in the request's order.
func (t *tally) sortedResult(order []Split) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := map[int]int{}
	for i, s := range order {
		place[s.ID] = i
	}
	slices.SortFunc(t.result.Splits, func(a, b SplitResult) int { return place[a.ID] - place[b.ID] })
	return t.result
}

// servedResult returns the result of all streams: of each partition that of the
// latest attempt.
func (t *tally) servedResult() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Splits = []SplitResult{}
	t.result.Served = Latest(t.result.Served)
	for _, p := range t.result.Served {
		t.result.Add(p.Account)
	}
	return t.result
}
