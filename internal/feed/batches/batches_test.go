package batches

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/train"
)

const deadline = 20 * time.Second

var _ train.Batches = (*Batches)(nil)
var _ train.Batches = (*Pass)(nil)

func config() feed.Config {
	return feed.Config{Name: "train", QueueBytes: 4 << 20, BatchRows: 32}
}

func openTest(t *testing.T, m *member) (*Batches, *memory.CheckedAllocator, context.Context) {
	t.Helper()
	return openLast(t, m, ShortLastBatch)
}

func openLast(t *testing.T, m *member, last LastBatch) (*Batches, *memory.CheckedAllocator, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	b, err := open(ctx, m.programs, m.order.Feed.Name, last, mem)
	if err != nil {
		t.Fatal(err)
	}
	return b, mem, ctx
}

// rest takes all batches and returns their ids.
func rest(t *testing.T, ctx context.Context, b train.Batches) [][]int64 {
	t.Helper()
	var all [][]int64
	for {
		got, err := b.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ids(t, got.Rows))
		got.Rows.Release()
	}
}

func upTo(n int64) (all []int64) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// TestBatches: batches are exact over the borders of chunks and epochs, rows keep
// their order, and the account is right.
func TestBatches(t *testing.T) {
	for _, slots := range []bool{true, false} {
		t.Run(fmt.Sprint("slots ", slots), func(t *testing.T) {
			m := newMember(t, 0, config())
			b, mem, ctx := openTest(t, m)
			defer mem.AssertSize(t, 0)
			if slots {
				m.feedEpochs(writeFile(t, 333, 4), 3)
			}
			for epoch := 0; epoch < 3 && !slots; epoch++ {
				if err := errors.Join(m.sendPlain(333, 50, epoch), m.EndFeed("train", epoch, epoch == 2)); err != nil {
					t.Fatal(err)
				}
			}
			got := rest(t, ctx, b)
			for i, batch := range got[:len(got)-1] {
				if len(batch) != 32 {
					t.Errorf("batch %d has %d rows", i, len(batch))
				}
			}
			if last := len(got[len(got)-1]); last != 999%32 {
				t.Errorf("the last batch has %d rows", last)
			}
			if rows := slices.Concat(got...); !slices.Equal(rows, slices.Concat(upTo(333), upTo(333), upTo(333))) {
				t.Errorf("rows %v", rows)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			eventually(t, "all rows trained", func() bool { return m.totals().Trained == 999 })
			m.Stop("end")
			if sum := m.totals(); sum.Received != 999 || sum.Dropped != 0 {
				t.Errorf("%+v", sum)
			}
			eventually(t, "the pace", func() bool { return len(m.Paces()) == 1 && m.Paces()[0].Rows == 999-32 })
			if pace := m.Paces()[0]; pace.Seconds <= 0 || pace.Waited < 0 || len(pace.Steps) == 0 {
				t.Errorf("pace %+v", pace)
			}
			if _, err := b.Next(ctx); !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestDropLastBatch: the last rows, which fill no batch, are no batch and count as
// dropped. A feed of whole batches loses none.
func TestDropLastBatch(t *testing.T) {
	for rows, dropped := range map[int64]int64{333: 999 % 32, 64: 0, 3: 9} {
		m := newMember(t, 0, config())
		b, mem, ctx := openLast(t, m, DropLastBatch)
		m.feedEpochs(writeFile(t, rows, 1), 3)
		got := slices.Concat(rest(t, ctx, b)...)
		want := 3*rows - dropped
		if int64(len(got)) != want || b.LeftOut() != dropped {
			t.Errorf("%d rows in batches, %d left out, want %d and %d", len(got), b.LeftOut(), want, dropped)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		m.Stop("end")
		eventually(t, "the account", func() bool { sum := m.totals(); return sum.Trained == want && sum.Dropped == dropped })
		mem.AssertSize(t, 0)
	}
}

// TestQuota: of the last chunk only the rows within the quota count.
func TestQuota(t *testing.T) {
	cfg := config()
	cfg.QuotaRows = map[string]int64{"worker:0": 50}
	m := newMember(t, 0, cfg)
	b, mem, ctx := openTest(t, m)
	m.feedEpochs(writeFile(t, 333, 4), 1)
	got := rest(t, ctx, b)
	if len(got) != 2 || len(got[0]) != 32 || !slices.Equal(slices.Concat(got...), upTo(50)) {
		t.Errorf("batches %v", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	mem.AssertSize(t, 0)
	eventually(t, "the quota trained", func() bool { return m.totals().Trained == 50 })
}

// TestReplay: later epochs come from the member's file. They are mapped, not copied,
// and outlive the connection.
func TestReplay(t *testing.T) {
	cfg := config()
	cfg.CacheBytes = 1 << 20
	m := newMember(t, 0, cfg)
	b, mem, ctx := openTest(t, m)
	if err := <-m.send(writeFile(t, 64, 4), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.EndFeed("train", 0, false), m.Replay("train", 3)); err != nil {
		t.Fatal(err)
	}
	var all []int64
	var last train.Batch
	for i := range 6 {
		got, err := b.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got.Epoch != i/2 {
			t.Errorf("batch %d is of epoch %d", i, got.Epoch)
		}
		all = append(all, ids(t, got.Rows)...)
		if i > 0 {
			last.Rows.Release()
		}
		last = got
	}
	if !slices.Equal(all, slices.Concat(upTo(64), upTo(64), upTo(64))) {
		t.Errorf("rows %v", all)
	}
	if _, err := b.Next(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after the last epoch: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := ids(t, last.Rows); got[31] != 63 {
		t.Errorf("after Close %v", got)
	}
	last.Rows.Release()
	mem.AssertSize(t, 0)
}

// TestPlaces: a batch says where its rows are from and in which epoch it ends.
func TestPlaces(t *testing.T) {
	m := newMember(t, 0, config())
	b, mem, ctx := openTest(t, m)
	defer mem.AssertSize(t, 0)
	defer b.Close()
	m.feedEpochs(writeFile(t, 40, 4), 2)
	for _, want := range []train.Batch{
		{Epoch: 0, Places: []train.Place{{First: 0, Rows: 32}}},
		{Epoch: 1, Places: []train.Place{{First: 32, Rows: 8}, {First: 0, Rows: 24}}},
		{Epoch: 1, Places: []train.Place{{First: 24, Rows: 16}}},
	} {
		got, err := b.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got.Rows.Release()
		if got.Epoch != want.Epoch || !slices.Equal(got.Places, want.Places) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// TestHeldBatches: records stay as they are while many more chunks than there are
// slots pass, and after the connection has ended.
func TestHeldBatches(t *testing.T) {
	m := newMember(t, 0, config())
	b, mem, ctx := openTest(t, m)
	m.feedEpochs(writeFile(t, 30_000, 4), 1)
	var held []train.Batch
	for range 20 {
		got, err := b.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, got)
	}
	if n := len(slices.Concat(rest(t, ctx, b)...)); n != 30_000-640 {
		t.Errorf("%d rows", n)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for i, h := range held {
		if got := ids(t, h.Rows); got[0] != int64(32*i) || got[31] != int64(32*i+31) {
			t.Errorf("batch %d has rows %v", i, got)
		}
		h.Rows.Release()
	}
	mem.AssertSize(t, 0)
}

// TestShuffle: each row comes once an epoch, rows move by about the buffer's size,
// and the order depends on seed, worker and epoch alone.
func TestShuffle(t *testing.T) {
	const rows, buffer = 2_000, 500
	order := func(worker int, seed int64) [][]int64 {
		cfg := config()
		cfg.ShuffleRows, cfg.ShuffleSeed = buffer, seed
		m := newMember(t, worker, cfg)
		b, mem, ctx := openTest(t, m)
		m.feedEpochs(writeFile(t, rows, 4), 2)
		all := slices.Concat(rest(t, ctx, b)...)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		mem.AssertSize(t, 0)
		eventually(t, "all rows trained", func() bool { return m.totals().Trained == 2*rows })
		return [][]int64{all[:rows], all[rows:]}
	}
	first := order(0, 7)
	for epoch, got := range first {
		sorted := slices.Clone(got)
		slices.Sort(sorted)
		if !slices.Equal(sorted, upTo(rows)) {
			t.Errorf("epoch %d has not each row once", epoch)
		}
		moved := 0.0
		for at, id := range got {
			moved += math.Abs(float64(int64(at) - id))
		}
		if moved /= rows; moved < buffer/5 || moved > buffer {
			t.Errorf("rows move by %.0f on average", moved)
		}
	}
	if slices.Equal(first[0], first[1]) {
		t.Error("two epochs have the same order")
	}
	if again := order(0, 7); !slices.Equal(again[0], first[0]) || !slices.Equal(again[1], first[1]) {
		t.Error("another order with the same seed")
	}
	if slices.Equal(order(0, 8)[0], first[0]) || slices.Equal(order(1, 7)[0], first[0]) {
		t.Error("the same order with another seed or worker")
	}
}

// TestRefusedStep: a synchronous feed ends before the step that is refused, and what
// was not handed out is dropped.
func TestRefusedStep(t *testing.T) {
	cfg := config()
	cfg.Synchronous = true
	m := newMember(t, 0, cfg)
	b, mem, ctx := openTest(t, m)
	if err := m.SetLowWater("train", 3, false); err != nil {
		t.Fatal(err)
	}
	m.feedEpochs(writeFile(t, 333, 4), 1)
	for range 3 {
		got, err := b.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got.Rows.Release()
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := b.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a step beyond the mark: %v", err)
	}
	if err := m.SetLowWater("train", 5, true); err != nil {
		t.Fatal(err)
	}
	if got := slices.Concat(rest(t, ctx, b)...); len(got) != 64 || got[0] != 96 {
		t.Errorf("rows %v", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	mem.AssertSize(t, 0)
	m.tasks.Wait()
	eventually(t, "five steps trained", func() bool { return m.totals().Trained == 160 })
	m.Stop("end")
	if sum := m.totals(); sum.Received != 333 || sum.Dropped != 173 {
		t.Errorf("%+v", sum)
	}
}

// TestStop: Stop ends the feed on both sides, also while Next waits.
func TestStop(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		m := newMember(t, 0, config())
		b, mem, ctx := openTest(t, m)
		var ended <-chan error
		if !waiting {
			ended = m.send(writeFile(t, 30_000, 100), 0)
			got, err := b.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got.Rows.Release()
		}
		next := make(chan error, 1)
		if waiting {
			go func() { _, err := b.Next(ctx); next <- err }()
			time.Sleep(20 * time.Millisecond)
		}
		if err := b.Stop(); err != nil {
			t.Fatal(err)
		}
		if !waiting {
			_, err := b.Next(ctx)
			next <- err
			if err := <-ended; err != nil {
				t.Errorf("the task: %v", err)
			}
		}
		if err := <-next; !errors.Is(err, io.EOF) {
			t.Errorf("after Stop: %v", err)
		}
		eventually(t, "the feed stopped", func() bool { return m.totals().Stopped })
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		mem.AssertSize(t, 0)
		m.tasks.Wait()
		want := int64(32)
		if waiting {
			want = 0
		}
		eventually(t, "all that was taken trained", func() bool { return m.totals().Trained == want })
		if sum := m.totals(); sum.Received != sum.Trained+sum.Dropped {
			t.Errorf("%+v", sum)
		}
	}
}

// TestMemberGone: the member's end in the middle is an error of Next, and nothing is
// left of the feed.
func TestMemberGone(t *testing.T) {
	before := runtime.NumGoroutine()
	m := newMember(t, 0, config())
	b, mem, ctx := openTest(t, m)
	m.send(writeFile(t, 1_000, 4), 0)
	got, err := b.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m.cancel()
	for err == nil {
		var more train.Batch
		if more, err = b.Next(ctx); err == nil {
			more.Rows.Release()
		}
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		t.Errorf("the member's end is %v", err)
	}
	if _, again := b.Next(ctx); !errors.Is(again, err) {
		t.Errorf("then %v", again)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if first := ids(t, got.Rows)[0]; first != 0 { // it outlives the connection
		t.Errorf("row %d", first)
	}
	got.Rows.Release()
	mem.AssertSize(t, 0)
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// TestBadFeed: a feed that the member does not take.
func TestBadFeed(t *testing.T) {
	m := newMember(t, 0, config())
	if _, err := Open(t.Context(), m.programs, "other", ShortLastBatch); err == nil {
		t.Error("opened")
	}
}
