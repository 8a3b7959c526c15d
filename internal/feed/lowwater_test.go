package feed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

// server stands in for the reservation server. It computes the minimum of the
// steps that members hold whenever they change, and sends it to all members.
type server struct {
	mu      sync.Mutex
	members []*testMember
	feed    string
}

func (s *server) settle(t *testing.T, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := int64(1) << 62
	for _, m := range s.members {
		mark = min(mark, m.totals(s.feed).StepsHeld)
	}
	for _, m := range s.members {
		if err := m.SetLowWater(s.feed, mark, final); err != nil {
			t.Error(err)
		}
	}
}

func (s *server) watch(t *testing.T, ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, m := range s.members {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-m.Changed():
					s.settle(t, false)
				}
			}
		})
	}
	return &wg
}

// stepper takes permitted steps of batch rows, as the Python client does: it
// first collects the rows. It returns the number of steps taken.
func stepper(ctx context.Context, in *Chunks, batch int64) (int64, error) {
	var have, steps int64
	for {
		for have < (steps+1)*batch {
			b, end, err := in.Next(ctx)
			if err != nil {
				return steps, err
			}
			if b == nil {
				if end.Last {
					return steps, nil
				}
				continue
			}
			have += int64(b.Rows)
		}
		permitted, err := in.Permit(ctx, steps+1)
		if err != nil || !permitted {
			return steps, err
		}
		steps++
		if err := in.Trained(0, steps*batch); err != nil {
			return steps, err
		}
	}
}

// TestLockstep: with uneven numbers of chunks, and a queue below one batch, all
// workers take the same number of steps and none hangs.
func TestLockstep(t *testing.T) {
	cfg := trainConfig()
	cfg.Synchronous, cfg.BatchRows, cfg.QueueBytes = true, 64, 3_000
	members := append(twoMembers(t, cfg), newTestMember(t, 2, cfg))
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	s := &server{members: members, feed: "train"}
	watchers := s.watch(t, ctx)
	steps := make([]int64, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		in, err := OpenChunks(ctx, m.children, "train", 1)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer in.Close()
			if steps[i], err = stepper(ctx, in, 64); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	feedAll(t, members, 0, 12, 5, 977)
	s.settle(t, true)
	endFeed(t, members, "train", 0, true)
	wg.Wait()
	if steps[0] != steps[1] || steps[0] != steps[2] || steps[0] < 12*977/3/64-3 {
		t.Errorf("steps %v", steps)
	}
	cancel()
	watchers.Wait()
	checkBalance(t, members, "train", 12*977, 3*64*steps[0])
}

func TestPermit(t *testing.T) {
	cfg := trainConfig()
	cfg.Synchronous = true
	cfg.QuotaRows = map[string]int64{"worker:0": 50}
	m := newTestMember(t, 0, cfg)
	in, err := OpenChunks(t.Context(), m.children, "train", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ask := func(step int64) chan bool {
		answer := make(chan bool, 1)
		go func() {
			if err := in.child.send(TypePermit, Permit{Feed: "train", Step: step}); err != nil {
				t.Error(err)
			}
			answer <- (<-in.answers).Go
		}()
		return answer
	}
	third := ask(3)
	_ = m.SetLowWater("train", 2, false)
	select {
	case <-third:
		t.Fatal("step 3 was decided at mark 2")
	case <-time.After(50 * time.Millisecond):
	}
	_ = m.SetLowWater("train", 3, false)
	if !<-third {
		t.Error("step 3 refused at mark 3")
	}
	if <-ask(6) {
		t.Error("step 6 permitted beyond the quota of 5 steps")
	}
	_ = m.SetLowWater("train", 1, false) // an old message
	if !<-ask(2) {
		t.Error("step 2 refused after mark 3")
	}
	fourth := ask(4)
	_ = m.SetLowWater("train", 3, true)
	if <-fourth {
		t.Error("step 4 permitted at final mark 3")
	}
}

// TestAskAhead: the answer to a step is there before the program wants it, and a
// program that asks ahead for a step that is refused is told so once and for all.
func TestAskAhead(t *testing.T) {
	cfg := trainConfig()
	cfg.Synchronous = true
	m := newTestMember(t, 0, cfg)
	in, err := OpenChunks(t.Context(), m.children, "train", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_ = m.SetLowWater("train", 2, true)
	for step := int64(1); step <= 4; step++ {
		for range 2 { // asked for once
			if err := in.AskAhead(); err != nil {
				t.Fatal(err)
			}
		}
		if step <= 3 {
			eventually(t, "an answer", func() bool { return len(in.answers) == 1 })
		}
		if ok, err := in.Permit(t.Context(), step); err != nil || ok != (step <= 2) {
			t.Errorf("step %d: %t, %v", step, ok, err)
		}
	}
}

// TestBrokenPrograms: a frame that a program may not send ends its connection.
func TestBrokenPrograms(t *testing.T) {
	other := trainConfig()
	other.Name = "other"
	for name, frames := range map[string][]struct {
		typ     byte
		payload string
	}{
		"unknown feed":   {{TypeNext, `{"feed":"x","chunks":1}`}},
		"two feeds":      {{TypeNext, `{"feed":"train","chunks":1}`}, {TypeNext, `{"feed":"other","chunks":1}`}},
		"step 0":         {{TypePermit, `{"feed":"train","step":0}`}},
		"negative":       {{TypeNext, `{"feed":"train","chunks":-1}`}},
		"negative epoch": {{TypeTrained, `{"feed":"train","epoch":-1}`}},
		"another's slot": {{TypeNext, `{"feed":"train","chunks":1,"freed":[3]}`}},
		"a feed task's":  {{TypeChunk, `{"feed":"train"}`}},
		"not JSON":       {{TypeNext, `x`}},
		"attached twice": {{TypeAttach, `{"feed":"train"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMember(t, 0, trainConfig(), other)
			c, err := Attach(t.Context(), m.children)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, f := range frames {
				if err := WriteFrame(c.conn, f.typ, []byte(f.payload)); err != nil {
					t.Fatal(err)
				}
			}
			_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, _, err := ReadFrame(c.conn); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection goes on: %v", err)
			}
		})
	}
}

func TestControlFrames(t *testing.T) {
	m := NewReceiver(nil, testToken, "worker:0", "")
	client, served := socketPair(t)
	var got bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- m.ServeChild(t.Context(), served, func(typ byte, payload []byte) error {
			got.WriteByte(typ)
			got.Write(payload)
			if typ == TypeResult {
				return io.ErrShortBuffer
			}
			return nil
		})
	}()
	c := &Child{conn: client}
	for _, err := range []error{
		c.Phase("running"), c.Progress(1, 2, 3), c.Failed("running", "why", 6), c.Result(map[string]int{"rows": 3}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("control's error: %v", err)
	}
	want := "\x20{\"phase\":\"running\"}\x22{\"splits\":1,\"rows\":2,\"bytes\":3}" +
		"\x21{\"phase\":\"running\",\"cause\":\"why\",\"code\":6}\x23{\"rows\":3}"
	if got.String() != want {
		t.Errorf("control got %q", got.String())
	}
}
