package feed

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestRetryAfterKill kills attempts after random chunks. Each next attempt cuts
// its chunks differently. No row may be lost or arrive twice.
func TestRetryAfterKill(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
	}
	const rows = 5_000
	random := rand.New(rand.NewPCG(3, 3))
	attempts := 0
	for done := false; !done; attempts++ {
		task := newTask(t, members, 0, 0, int64(attempts))
		task.chunkRows = 1 + random.Int64N(50)
		left := 20 + random.IntN(60)
		if attempts < 20 {
			task.before = func(int64) {
				if left--; left == 0 {
					task.close() // like a kill: bytes on the way stay on the way
				}
			}
		}
		done = task.run(t.Context(), rows) == nil
	}
	if attempts < 3 {
		t.Errorf("only %d attempts: nothing was tried", attempts)
	}
	endFeed(t, members, "train", 0, true)
	for _, c := range consumers {
		c.wait(t)
	}
	seen.check(t, 1, 1, rows)
	checkBalance(t, members, "train", rows, rows)
}

// TestFenceWhileSending: the earlier attempt is alive and keeps sending.
func TestFenceWhileSending(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
	}
	const rows, attempts = 4_000, 8
	ended := make(chan error, attempts)
	later := make(chan struct{}) // closed when the later attempt has its WELCOME
	for a := range int64(attempts) {
		task := newTask(t, members, 0, 0, a)
		close(later)
		later = make(chan struct{})
		started, later := make(chan struct{}), later
		var sent atomic.Int64
		task.before = func(int64) {
			switch sent.Add(1) {
			case 10:
				close(started)
			case 20: // otherwise it could send all rows, and leave none to the later attempt
				if a < attempts-1 {
					<-later
				}
			}
		}
		go func() { ended <- task.run(t.Context(), rows) }()
		if a < attempts-1 {
			<-started
		}
	}
	good := 0
	for range attempts {
		if err := <-ended; err == nil {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d attempts ended well", good)
	}
	endFeed(t, members, "train", 0, true)
	for _, c := range consumers {
		c.wait(t)
	}
	seen.check(t, 1, 1, rows)
}

func TestEarlierAttemptIsRefused(t *testing.T) {
	m := newTestMember(t, 0, trainConfig())
	late := newTask(t, []*testMember{m}, 0, 0, 7)
	defer late.close()
	early := &testTask{hello: Hello{Feed: "train", Attempt: 6}}
	if err := early.greet(unixDialer(m.feeders)); err == nil {
		t.Error("attempt 6 was welcome after attempt 7")
	}
	eventually(t, "the refusal", func() bool { return len(m.feederErrors()) == 1 })
	if err := m.feederErrors()[0]; !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
}

// TestFenceWhileWaitingForCredit: the earlier attempt waits for credit.
func TestFenceWhileWaitingForCredit(t *testing.T) {
	cfg := trainConfig()
	cfg.QueueBytes = 3_000
	members := []*testMember{newTestMember(t, 0, cfg)}
	blocked := newTask(t, members, 0, 0, 1)
	ended := make(chan error, 1)
	go func() { ended <- blocked.run(t.Context(), 1_000) }()
	q := members[0].Receiver.feeds["train"]
	eventually(t, "a task without credit", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.credit.waiting) == 1
	})
	seen := newSeenRows()
	again := newTask(t, members, 0, 0, 2)
	if err := <-ended; err == nil {
		t.Error("the fenced attempt ended well")
	}
	c := consume(t, members[0], "train", seen, nil)
	if err := again.run(t.Context(), 1_000); err != nil {
		t.Fatal(err)
	}
	endFeed(t, members, "train", 0, true)
	c.wait(t)
	seen.check(t, 1, 1, 1_000)
}

// faultConn drops, delays or truncates what a feed task writes.
type faultConn struct {
	net.Conn
	left  int // bytes until the fault
	fault string
}

func (c *faultConn) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		if c.fault == "delay" && c.left%3 == 0 {
			time.Sleep(time.Millisecond)
		}
		return c.Conn.Write(b)
	}
	switch c.fault {
	case "truncate": // half a frame, then the end
		_, _ = c.Conn.Write(b[:c.left])
		_ = c.Conn.Close()
		return c.left, net.ErrClosed
	case "drop": // the bytes vanish, the connection stays: later frames are garbage
		n := c.left
		c.left = 1 << 30
		_, err := c.Conn.Write(b[:n])
		return len(b), err
	}
	return c.Conn.Write(b)
}

// TestFaultyConnections: attempts fail in every way, and the last one succeeds.
func TestFaultyConnections(t *testing.T) {
	members := twoMembers(t, trainConfig())
	seen := newSeenRows()
	var consumers []*consumer
	for _, m := range members {
		consumers = append(consumers, consume(t, m, "train", seen, nil))
	}
	const rows = 3_000
	random := rand.New(rand.NewPCG(5, 5))
	for a := range 30 {
		fault := []string{"truncate", "drop", "delay"}[a%3]
		task := &testTask{
			hello:     Hello{Feed: "train", Attempt: int64(a)},
			chunkRows: 1 + random.Int64N(40), rowBytes: 30, slack: 100,
		}
		var dial []dialer
		for _, m := range members {
			dial = append(dial, func() (net.Conn, error) {
				conn, err := net.Dial("unix", m.feeders)
				return &faultConn{Conn: conn, left: 300 + random.IntN(20_000), fault: fault}, err
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := task.greet(dial...); err == nil {
			_ = task.run(ctx, rows)
		}
		cancel()
	}
	if err := newTask(t, members, 0, 0, 1000).run(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	endFeed(t, members, "train", 0, true)
	for _, c := range consumers {
		c.wait(t)
	}
	if seen.total != rows {
		t.Errorf("%d rows, want %d", seen.total, rows)
	}
	checkBalance(t, members, "train", rows, rows)
}

// TestStrangers: a connection that is not a feed task of this run gets no
// answer.
func TestStrangers(t *testing.T) {
	hello := func(h Hello) []byte {
		var b bytes.Buffer
		_ = WriteJSON(&b, TypeHello, h)
		return b.Bytes()
	}
	good := Hello{Version: 1, Token: testToken, Feed: "train"}
	wrong := func(change func(*Hello)) []byte { h := good; change(&h); return hello(h) }
	for name, test := range map[string]struct {
		wire []byte
		want error
	}{
		"wrong token":    {wrong(func(h *Hello) { h.Token = "x" }), ErrToken},
		"no token":       {wrong(func(h *Hello) { h.Token = "" }), ErrToken},
		"wrong version":  {wrong(func(h *Hello) { h.Version = 2 }), ErrProtocol},
		"unknown feed":   {wrong(func(h *Hello) { h.Feed = "x" }), ErrProtocol},
		"negative epoch": {wrong(func(h *Hello) { h.Epoch = -1 }), ErrProtocol},
		"partition":      {wrong(func(h *Hello) { h.Partition = 1 << 32 }), ErrProtocol},
		"text":           {[]byte("GET / HTTP/1.1\r\n\r\n"), ErrProtocol},
		"not JSON":       {[]byte("\x00\x00\x00\x03\x01ab"), ErrProtocol},
		"another frame":  {[]byte("\x00\x00\x00\x03\x05{}"), ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMember(t, 0, trainConfig())
			conn, err := net.Dial("unix", m.feeders)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(test.wire); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("was answered: %d bytes, %v", n, err)
			}
			eventually(t, "the refusal", func() bool { return len(m.feederErrors()) == 1 })
			if err := m.feederErrors()[0]; !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// TestBrokenStreams: impossible frames after a valid HELLO.
func TestBrokenStreams(t *testing.T) {
	chunk := func(s span, size int) []byte {
		var b bytes.Buffer
		_ = WriteFrame(&b, TypeChunk, chunkHead(s), make([]byte, size))
		return b.Bytes()
	}
	var schema bytes.Buffer
	_ = WriteFrame(&schema, TypeSchema, []byte("s"))
	after := func(frames ...[]byte) []byte { return append(schema.Bytes(), bytes.Join(frames, nil)...) }
	for name, wire := range map[string][]byte{
		"chunk before schema": chunk(span{0, 1}, 8),
		"chunk of no rows":    after(chunk(span{5, 5}, 8)),
		"chunk too short":     after([]byte("\x00\x00\x00\x03\x04ab")),
		"row number too high": after(chunk(span{-1, 1}, 8)),
		"half a duplicate":    after(chunk(span{0, 10}, 8), chunk(span{5, 15}, 8)),
		"a program's frame":   after([]byte("\x00\x00\x00\x03\x12{}")),
		"beyond the credit":   after(chunk(span{0, 1}, 64<<10), chunk(span{1, 2}, 8)),
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMember(t, 0, trainConfig())
			task := newTask(t, []*testMember{m}, 0, 0, 1)
			defer task.close()
			_, _ = task.links[0].conn.Write(wire)
			eventually(t, "the cut", func() bool { return len(m.feederErrors()) == 1 })
			if err := m.feederErrors()[0]; !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
		})
	}
}
