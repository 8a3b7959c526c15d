package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"tfos/internal/exit"
	"tfos/internal/feed/task"
	"tfos/internal/reserve"
)

// mostTasks bounds the feed tasks that run at once. They share the processors with the
// program that they feed.
const mostTasks = 4

// feedPlan is an entry of the plan's feeds: files that feed tasks read.
type feedPlan struct {
	task.Feed
	task.Input
	Epochs int `json:"epochs"` // 0: until the member wants no more
}

// feeds sends the plan's feeds to the member, one after another, as the Spark
// application does with tfos-node feed. The tasks are goroutines.
type feeds struct {
	plans []feedPlan
	found []task.Partitions // the files of plans
	send  func(command any) // to the reservation server
	next  chan bool         // answers to the end of an epoch: whether another one is to be sent

	mu      sync.Mutex
	stopped map[string]bool               // no member wants more rows
	cancel  map[string]context.CancelFunc // of the feed that is being sent
}

func newFeeds(plans []feedPlan, send func(any)) *feeds {
	return &feeds{plans: plans, send: send, next: make(chan bool, 1), stopped: map[string]bool{}, cancel: map[string]context.CancelFunc{}}
}

// find looks for the files of all feeds.
func (f *feeds) find(ctx context.Context) error {
	for i := range f.plans {
		p := &f.plans[i]
		p.Slots = tasks()
		found, err := task.Plan(ctx, p.Input)
		if err != nil {
			return fmt.Errorf("input: %w", err)
		}
		f.found = append(f.found, found)
	}
	return nil
}

func tasks() int { return min(mostTasks, runtime.NumCPU()) }

// run sends all feeds to the members that take them. It returns at the first failure,
// which it has reported, and when ctx ends.
func (f *feeds) run(ctx context.Context, members []reserve.FormedMember, ready reserve.Ready) {
	for i, p := range f.plans {
		order := task.Order{Feed: p.Feed, CA: ready.CA, Token: ready.Token, Members: takers(members, p.Name)}
		if !f.runFeed(ctx, task.Sending{Order: order, Files: f.found[i], Tasks: tasks(), Epochs: p.Epochs, Input: "the input"}) {
			return
		}
	}
}

func takers(members []reserve.FormedMember, feed string) []task.Member {
	var out []task.Member
	for _, m := range members {
		if slices.Contains(m.Feeds, feed) {
			out = append(out, task.Member{Job: m.Job, Index: m.Index, Feed: task.Address(m.Feed)})
		}
	}
	return out
}

// runFeed sends the epochs of one feed, until the member repeats them by itself or wants
// no more. false: the run ends.
func (f *feeds) runFeed(parent context.Context, feed task.Sending) bool {
	ctx, end := f.begin(parent, feed.Order.Feed.Name)
	defer end()
	feed.EndEpoch = func(ctx context.Context, sent task.Epoch) bool {
		f.send(map[string]any{"cmd": "feed_end", "feed": feed.Order.Feed.Name, "epoch": sent.Number, "rows": sent.Rows, "last": sent.Last, "stopped": sent.Stopped})
		return !sent.Last && f.awaitNext(ctx)
	}
	err := feed.Run(ctx)
	var data *task.DataError
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil:
		return parent.Err() == nil // no member wants more
	case errors.As(err, &data):
		f.send(map[string]any{"cmd": "fail", "code": exit.BadData, "phase": "feed", "cause": err.Error(), "retryable": false})
	default:
		// The member's end may be the cause. The server finds out.
		f.send(map[string]any{"cmd": "spark_failed", "phase": "feed", "cause": err.Error()})
	}
	return false
}

// begin returns the context of a feed, which ends when no member wants more rows.
func (f *feeds) begin(parent context.Context, name string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancel[name] = cancel
	if f.stopped[name] {
		cancel()
	}
	return ctx, cancel
}

// stopFeed ends a feed that no member wants more rows of.
func (f *feeds) stopFeed(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped[name] = true
	if cancel := f.cancel[name]; cancel != nil {
		cancel()
	}
}

// awaitNext waits for the server's answer to the end of an epoch: whether the next one
// is to be sent.
func (f *feeds) awaitNext(ctx context.Context) bool {
	select {
	case next := <-f.next:
		return next
	case <-ctx.Done():
		return false
	}
}

// answerNext takes that answer.
func (f *feeds) answerNext(next reserve.FeedNext) {
	select {
	case f.next <- !next.Replay:
	default: // nobody waits: the feed has stopped
	}
}
