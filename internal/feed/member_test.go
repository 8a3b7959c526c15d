package feed

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

const testToken = "the run's secret"

// testMember is a Receiver behind real Unix sockets.
type testMember struct {
	*Receiver
	feeders  string // socket of feed tasks
	children string
	mu       sync.Mutex
	errs     []error // of ServeFeeder
}

// newTestMember serves until the test ends. Then no goroutine may be left.
func newTestMember(t testing.TB, worker int, cfgs ...Config) *testMember {
	t.Helper()
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	m := &testMember{
		Receiver: NewReceiver(cfgs, testToken, fmt.Sprintf("worker:%d", worker), dir),
		feeders:  filepath.Join(dir, "f"), children: filepath.Join(dir, "p"),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	serve := func(path string, each func(net.Conn)) net.Listener {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { each(conn) })
			}
		})
		return l
	}
	feeders := serve(m.feeders, func(c net.Conn) {
		if err := m.ServeFeeder(ctx, c); err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.errs = append(m.errs, err)
		}
	})
	programs := serve(m.children, func(c net.Conn) {
		var a AttachRequest
		if ReadJSON(c, TypeAttach, &a) == nil && WriteJSON(c, TypeContext, ProgramContext{Feeds: cfgs}) == nil {
			_ = m.ServeChild(ctx, c, func(byte, []byte) error { return nil })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = feeders.Close()
		_ = programs.Close()
		wg.Wait()
		checkGoroutines(t, before)
	})
	return m
}

// checkGoroutines waits a little for goroutines that are about to end.
func checkGoroutines(t testing.TB, before int) {
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
}

// feederErrors returns the errors of ServeFeeder so far.
func (m *testMember) feederErrors() []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]error(nil), m.errs...)
}

func (m *testMember) peak(feed string) int64 {
	q := m.Receiver.feeds[feed]
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.credit.peak
}

func (m *testMember) held(feed string) int64 {
	q := m.Receiver.feeds[feed]
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.credit.held
}

// programs counts the programs' connections being served.
func (m *testMember) programs() int {
	n := 0
	for _, q := range m.Receiver.feeds {
		q.mu.Lock()
		n += len(q.programs)
		q.mu.Unlock()
	}
	return n
}

// totals sums the counts of a feed over its epochs.
func (m *testMember) totals(feed string) Count {
	var sum Count
	for _, c := range m.Counts() {
		if c.Feed == feed {
			sum.Received += c.Received
			sum.Trained += c.Trained
			sum.Dropped += c.Dropped
			sum.StepsHeld = c.StepsHeld
			sum.Stopped, sum.Left = c.Stopped, c.Left
		}
	}
	return sum
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("5 s without %s", what)
}

func socketPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, server
}
