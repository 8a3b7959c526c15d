package feed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const deadline = 60 * time.Second

func trainConfig() Config { return Config{Name: "train", QueueBytes: 64 << 10, BatchRows: 10} }

// twoMembers returns workers 0 and 1 with the same feeds.
func twoMembers(t *testing.T, cfgs ...Config) []*testMember {
	return []*testMember{newTestMember(t, 0, cfgs...), newTestMember(t, 1, cfgs...)}
}

// newTask is one attempt at a partition of feed train. It has greeted all
// members.
func newTask(t *testing.T, members []*testMember, epoch, partition int, attempt int64) *testTask {
	t.Helper()
	f := &testTask{
		hello:     Hello{Feed: "train", Epoch: epoch, Partition: partition, Attempt: attempt},
		chunkRows: 20, rowBytes: 100, slack: 40,
	}
	var dial []dialer
	for _, m := range members {
		dial = append(dial, unixDialer(m.feeders))
	}
	if err := f.greet(dial...); err != nil {
		t.Fatal(err)
	}
	return f
}

// feedAll sends partitions of rows rows each, with this many parallel tasks.
func feedAll(t *testing.T, members []*testMember, epoch, partitions, parallel int, rows int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(parallel)
	for p := range partitions {
		g.Go(func() error { return newTask(t, members, epoch, p, 1).run(ctx, rows) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func endFeed(t testing.TB, members []*testMember, feed string, epoch int, last bool) {
	t.Helper()
	for _, m := range members {
		if err := m.EndFeed(feed, epoch, last); err != nil {
			t.Fatal(err)
		}
	}
}

// checkBalance stops members and checks received = trained + dropped.
func checkBalance(t *testing.T, members []*testMember, feed string, received, trained int64) {
	t.Helper()
	var sum Count
	for _, m := range members {
		eventually(t, "the end of the programs' connections", func() bool { return m.programs() == 0 })
		m.Stop("the run has ended")
		for _, c := range m.Counts() {
			if c.Received != c.Trained+c.Dropped+c.Quarantined {
				t.Errorf("does not balance: %+v", c)
			}
		}
		c := m.totals(feed)
		sum.Received += c.Received
		sum.Trained += c.Trained
		if held := m.held(feed); held != 0 {
			t.Errorf("%d bytes held at the end", held)
		}
	}
	if sum.Received != received || sum.Trained != trained {
		t.Errorf("received %d, trained %d; want %d, %d", sum.Received, sum.Trained, received, trained)
	}
}

func TestEvenDistribution(t *testing.T) {
	for name, test := range map[string]struct {
		partitions, parallel int
		rows                 int64
	}{
		"one partition":    {1, 1, 2_000},
		"1000 partitions":  {1_000, 8, 30},
		"100 at once":      {100, 100, 60},
		"giant partition":  {1, 1, 200_000},
		"fewer than chunk": {40, 4, 7},
	} {
		t.Run(name, func(t *testing.T) {
			members := twoMembers(t, trainConfig())
			seen := newSeenRows()
			var consumers []*consumer
			for _, m := range members {
				consumers = append(consumers, consume(t, m, "train", seen, nil))
			}
			feedAll(t, members, 0, test.partitions, test.parallel, test.rows)
			endFeed(t, members, "train", 0, true)
			for _, c := range consumers {
				c.wait(t)
			}
			seen.check(t, 1, test.partitions, test.rows)
			all := int64(test.partitions) * test.rows
			// Each task may be wrong by the rows that others have on the way.
			if apart := abs(consumers[0].total - consumers[1].total); apart > int64(test.parallel)*60 {
				t.Errorf("%d rows and %d", consumers[0].total, consumers[1].total)
			}
			checkBalance(t, members, "train", all, all)
		})
	}
}

func abs(n int64) int64 { return max(n, -n) }

// TestMemoryBound: eight fast tasks, a slow program.
func TestMemoryBound(t *testing.T) {
	for _, queueBytes := range []int64{1, 5_000, 64 << 10} {
		t.Run(fmt.Sprint(queueBytes), func(t *testing.T) {
			cfg := trainConfig()
			cfg.QueueBytes = queueBytes
			members := []*testMember{newTestMember(t, 0, cfg)}
			seen := newSeenRows()
			c := consume(t, members[0], "train", seen, func(*Chunk) { time.Sleep(100 * time.Microsecond) })
			feedAll(t, members, 0, 8, 8, 1_000)
			endFeed(t, members, "train", 0, true)
			c.wait(t)
			seen.check(t, 1, 8, 1_000)
			if peak, bound := members[0].peak("train"), queueBytes+8*2_000; peak > bound || peak == 0 {
				t.Errorf("held up to %d bytes, the bound is %d", peak, bound)
			}
		})
	}
}

// TestOrder: a member hands out the rows of a partition in row order.
func TestOrder(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		next := map[int]int64{}
		consumers = append(consumers, consume(t, m, "train", seen, func(b *Chunk) {
			p, rows := parseChunk(b.Data, b.Rows)
			if rows.first < next[p] {
				t.Errorf("partition %d: row %d after row %d", p, rows.first, next[p])
			}
			next[p] = rows.end
		}))
	}
	feedAll(t, members, 0, 4, 4, 3_000)
	endFeed(t, members, "train", 0, true)
	for _, c := range consumers {
		c.wait(t)
	}
	seen.check(t, 1, 4, 3_000)
}

func TestEpochsAndTwoFeeds(t *testing.T) {
	validation := trainConfig()
	validation.Name = "validation"
	members := twoMembers(t, trainConfig(), validation)
	seen, other := newSeenRows(), newSeenRows()
	var consumers, others []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
		others = append(others, consume(t, m, "validation", other, nil))
	}
	const epochs = 50
	for e := range epochs {
		feedAll(t, members, e, 3, 3, 100)
		endFeed(t, members, "train", e, e == epochs-1)
	}
	var dial []dialer
	for _, m := range members {
		dial = append(dial, unixDialer(m.feeders))
	}
	f := &testTask{hello: Hello{Feed: "validation"}, chunkRows: 5, rowBytes: 10, slack: 10}
	if err := f.greet(dial...); err != nil {
		t.Fatal(err)
	}
	if err := f.run(t.Context(), 77); err != nil {
		t.Fatal(err)
	}
	endFeed(t, members, "validation", 0, true)
	for i := range consumers {
		consumers[i].wait(t)
		others[i].wait(t)
		if n := len(consumers[i].ends); n != epochs || !consumers[i].ends[n-1].Last || consumers[i].ends[0].Last {
			t.Errorf("member %d: %d epoch ends: %v", i, n, consumers[i].ends)
		}
		if len(others[i].bytes) != 1 || others[i].bytes[0] != "schema of validation" {
			t.Errorf("schemas %q", others[i].bytes)
		}
	}
	if counts := members[0].Counts(); len(counts) != epochs+1 {
		t.Errorf("%d counts of %d epochs and a validation", len(counts), epochs)
	}
	seen.check(t, epochs, 3, 100)
	other.check(t, 1, 1, 77)
	checkBalance(t, members, "train", epochs*300, epochs*300)
	checkBalance(t, members, "validation", 77, 77)
}

// TestLaterEpochWaits: rows of epoch 1 that arrive before the end of epoch 0 is
// known are handed out after it.
func TestLaterEpochWaits(t *testing.T) {
	members := []*testMember{newTestMember(t, 0, trainConfig())}
	seen := newSeenRows()
	var epochs []int
	c := consume(t, members[0], "train", seen, func(b *Chunk) { epochs = append(epochs, b.Epoch) })
	feedAll(t, members, 1, 1, 1, 40)
	feedAll(t, members, 0, 1, 1, 40)
	endFeed(t, members, "train", 0, false)
	endFeed(t, members, "train", 1, true)
	c.wait(t)
	seen.check(t, 2, 1, 40)
	if fmt.Sprint(epochs) != "[0 0 1 1]" {
		t.Errorf("order of epochs %v", epochs)
	}
}

func TestQuota(t *testing.T) {
	cfg := trainConfig()
	quota := []int64{130, 90}
	cfg.QuotaRows = map[string]int64{"worker:0": quota[0], "worker:1": quota[1]}
	members := twoMembers(t, cfg)
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
	}
	task := newTask(t, members, 0, 0, 1)
	if err := task.run(t.Context(), 1_000_000); !errors.Is(err, errStopped) {
		t.Errorf("the task ended with %v", err)
	}
	for i, c := range consumers {
		c.wait(t) // without EndFeed: the quota ends the feed
		if c.total != quota[i] || len(c.ends) != 1 || !c.ends[0].Last {
			t.Errorf("worker %d took %d rows, ends %v", i, c.total, c.ends)
		}
		if got := members[i].totals("train"); !got.Stopped || got.Left || got.StepsHeld != quota[i]/10 {
			t.Errorf("worker %d: %+v", i, got)
		}
	}
	late := newTask(t, members, 0, 1, 2)
	if err := late.run(t.Context(), 10); !errors.Is(err, errStopped) {
		t.Errorf("a task after the stop ended with %v", err)
	}
	received := members[0].totals("train").Received + members[1].totals("train").Received
	checkBalance(t, members, "train", received, 220)
}

// TestTerminate: one program wants no further rows. Its member stops, and the
// other one goes on.
func TestTerminate(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	other := consume(t, members[1], "train", seen, nil)
	in, err := OpenChunks(t.Context(), members[0].children, "train", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	result := make(chan error, 1)
	go func() { result <- newTask(t, members, 0, 0, 1).run(t.Context(), 10_000) }()
	first, _, err := in.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{in.Trained(0, int64(first.Rows)), in.Terminate()} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := <-result; err != nil {
		t.Errorf("the task ended with %v", err)
	}
	for {
		b, end, err := in.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			if !end.Last {
				t.Errorf("end %+v", end)
			}
			break
		}
	}
	_ = in.Close()
	endFeed(t, members, "train", 0, true)
	other.wait(t)
	left := members[0].totals("train")
	if !left.Stopped || !left.Left || left.Trained != int64(first.Rows) {
		t.Errorf("the terminated member: %+v", left)
	}
	checkBalance(t, members, "train", 10_000, other.total+int64(first.Rows))
}

// TestProgramFailureWakesTasks: no program takes rows, and all tasks are
// blocked.
func TestProgramFailureWakesTasks(t *testing.T) {
	cfg := trainConfig()
	cfg.QueueBytes = 4_000
	members := []*testMember{newTestMember(t, 0, cfg)}
	var g errgroup.Group
	for p := range 5 {
		task := newTask(t, members, 0, p, 1)
		g.Go(func() error {
			if err := task.run(t.Context(), 1_000_000); !errors.Is(err, errStopped) {
				return fmt.Errorf("partition %d ended with %w", p, err)
			}
			if stop := task.links[0].stop; !stop.Failed || stop.Reason != "exit 1" {
				return fmt.Errorf("told %+v", stop)
			}
			return nil
		})
	}
	eventually(t, "a full queue", func() bool { return members[0].held("train") >= 4_000 })
	members[0].Fail("exit 1")
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	received := members[0].totals("train").Received
	checkBalance(t, members, "train", received, 0)
}

func TestChangedTellsSteps(t *testing.T) {
	cfg := trainConfig()
	cfg.Synchronous = true
	m := newTestMember(t, 0, cfg)
	feedAll(t, []*testMember{m}, 0, 1, 1, 9)
	select {
	case <-m.Changed():
		t.Error("changed below one batch")
	default:
	}
	feedAll(t, []*testMember{m}, 0, 1, 1, 9) // the same partition again: all duplicates
	feedAll(t, []*testMember{m}, 1, 1, 1, 1)
	<-m.Changed()
	if got := m.totals("train").StepsHeld; got != 1 {
		t.Errorf("%d steps held", got)
	}
}
