package batches

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestPasses: each pass has all rows in the same order, passes do not disturb each
// other, rows are trained once, and nothing stays in the folder.
func TestPasses(t *testing.T) {
	cfg := config()
	cfg.Name, cfg.QueueBytes = "validation", 4<<10
	m := newMember(t, 0, cfg)
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	folder := t.TempDir()
	p, err := openPasses(ctx, m.programs, "validation", folder, ShortLastBatch, mem)
	if err != nil {
		t.Fatal(err)
	}
	early, half := p.Pass(), p.Pass() // before the rows
	m.feedEpochs(writeFile(t, 333, 4), 1)
	m.tasks.Wait() // a queue of 4 KiB does not stop them
	first, err := half.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, first.Rows); got[0] != 0 {
		t.Errorf("rows %v", got)
	}
	first.Rows.Release()
	for _, pass := range []*Pass{early, p.Pass(), p.Pass()} {
		got := rest(t, ctx, pass)
		if !slices.Equal(slices.Concat(got...), upTo(333)) || len(got[0]) != 32 || len(got[10]) != 13 {
			t.Errorf("%d batches: %v", len(got), got)
		}
		if err := pass.Stop(); err != nil {
			t.Error(err)
		}
	}
	if got := slices.Concat(rest(t, ctx, half)...); len(got) != 333-32 {
		t.Errorf("%d rows in the rest", len(got))
	}
	eventually(t, "each row trained once", func() bool { return m.totals().Trained == 333 })
	last := p.Pass()
	held, err := last.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(half.Stop(), last.Stop(), p.Close()); err != nil {
		t.Error(err)
	}
	if got := ids(t, held.Rows); got[31] != 31 {
		t.Errorf("after Close %v", got)
	}
	held.Rows.Release()
	mem.AssertSize(t, 0)
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestPassesDropLastBatch: each pass leaves the same rows out, which count as dropped once.
func TestPassesDropLastBatch(t *testing.T) {
	m := newMember(t, 0, config())
	p, err := OpenPasses(t.Context(), m.programs, "train", t.TempDir(), DropLastBatch)
	if err != nil {
		t.Fatal(err)
	}
	m.feedEpochs(writeFile(t, 333, 4), 1)
	for range 2 {
		pass := p.Pass()
		if got := slices.Concat(rest(t, t.Context(), pass)...); !slices.Equal(got, upTo(320)) || pass.LeftOut() != 13 {
			t.Errorf("%d rows, %d left out", len(got), pass.LeftOut())
		}
		if err := pass.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	m.Stop("end")
	eventually(t, "the account", func() bool { sum := m.totals(); return sum.Trained == 320 && sum.Dropped == 13 })
}

// TestPassesOfNothing: a feed without rows.
func TestPassesOfNothing(t *testing.T) {
	m := newMember(t, 0, config())
	p, err := OpenPasses(t.Context(), m.programs, "train", t.TempDir(), ShortLastBatch)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.EndFeed("train", 0, true); err != nil {
		t.Fatal(err)
	}
	pass := p.Pass()
	if got := rest(t, t.Context(), pass); len(got) > 0 {
		t.Errorf("rows %v", got)
	}
	if err := errors.Join(pass.Stop(), p.Close()); err != nil {
		t.Error(err)
	}
}

// TestPassesFail: what cannot be kept is each pass's error, and feed tasks do not
// wait.
func TestPassesFail(t *testing.T) {
	m := newMember(t, 0, config())
	p, err := OpenPasses(t.Context(), m.programs, "train", t.TempDir(), ShortLastBatch)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.recording.file.Close(); err != nil {
		t.Fatal(err)
	}
	ended := m.send(writeFile(t, 100_000, 100), 0)
	pass := p.Pass()
	defer pass.Stop()
	if _, err := pass.Next(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the pass: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the task: %v", err)
	}
}

// TestPassesOfEpochs: a feed of several epochs is refused.
func TestPassesOfEpochs(t *testing.T) {
	m := newMember(t, 0, config())
	p, err := OpenPasses(t.Context(), m.programs, "train", t.TempDir(), ShortLastBatch)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := m.EndFeed("train", 0, false); err != nil {
		t.Fatal(err)
	}
	pass := p.Pass()
	defer pass.Stop()
	if _, err := pass.Next(t.Context()); !errors.Is(err, errEpochs) {
		t.Errorf("the pass: %v", err)
	}
}

// TestPassStopped: Stop ends a Next that waits for rows.
func TestPassStopped(t *testing.T) {
	m := newMember(t, 0, config())
	p, err := OpenPasses(t.Context(), m.programs, "train", t.TempDir(), ShortLastBatch)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pass := p.Pass()
	next := make(chan error, 1)
	go func() { _, err := pass.Next(t.Context()); next <- err }()
	time.Sleep(20 * time.Millisecond)
	if err := pass.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-next; !errors.Is(err, io.EOF) {
		t.Errorf("after Stop: %v", err)
	}
}
