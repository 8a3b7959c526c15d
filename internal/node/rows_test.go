package node

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"tfos/internal/feed"
	"tfos/internal/proc"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// feedTask is the feed task's end of a stream.
type feedTask struct {
	t    *testing.T
	conn net.Conn
}

func fedBy(c *work.Config) {
	c.Feeds = []reserve.FeedConfig{{Name: "train"}}
	for i := range c.Members {
		c.Members[i].Feeds = []string{"train"}
	}
}

// address returns the address at which feed tasks reach worker i.
func (s *scene) address(i int) reserve.FeedAddress {
	s.t.Helper()
	var formed reserve.Formed
	decode(s.t, s.await("formed", func(map[string]any) bool { return true }), &formed)
	return formed.Members[i].Feed
}

// dial opens a stream to a member, by TCP and TLS or on its unix socket.
func (s *scene) dial(to reserve.FeedAddress, overTLS bool) *feedTask {
	s.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.ready.CA)) {
		s.t.Fatal("no authority")
	}
	var conn net.Conn
	var err error
	if overTLS {
		conn, err = tls.Dial("tcp", to.TCP, &tls.Config{RootCAs: pool, ServerName: "tfos-member"})
	} else {
		conn, err = net.Dial("unix", to.Unix)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &feedTask{s.t, conn}
}

func (k *feedTask) hello(token string, partition int) feed.Welcome {
	k.t.Helper()
	var welcome feed.Welcome
	err := feed.WriteJSON(k.conn, feed.TypeHello, feed.Hello{Version: feed.Version, Token: token, Feed: "train", Partition: partition})
	if err == nil {
		err = feed.ReadJSON(k.conn, feed.TypeWelcome, &welcome)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return welcome
}

// send sends a whole partition in one chunk, and waits until it is accepted.
func (k *feedTask) send(rows uint32) {
	k.t.Helper()
	head := binary.BigEndian.AppendUint32(make([]byte, 8), rows)
	for _, write := range []error{
		feed.WriteFrame(k.conn, feed.TypeSchema, []byte("schema")),
		feed.WriteFrame(k.conn, feed.TypeChunk, head, []byte("rows")),
		feed.WriteJSON(k.conn, feed.TypeEnd, feed.End{Rows: int64(rows)}),
	} {
		if write != nil {
			k.t.Fatal(write)
		}
	}
	k.until(feed.TypeEnded)
}

// until reads frames up to the first of a type.
func (k *feedTask) until(want byte) []byte {
	k.t.Helper()
	for {
		typ, payload, err := feed.ReadFrame(k.conn)
		if err != nil {
			k.t.Fatalf("no frame 0x%02x: %v", want, err)
		}
		if typ == want {
			return payload
		}
	}
}

func TestRowsReachTheProgram(t *testing.T) {
	s := newScene(t, 1, fedBy)
	a := s.assignment(0, "read")
	s.feeds(&a)
	p := s.act("run", a)
	to := s.address(0)
	if boot, _ := proc.BootID(); to.BootID != boot || !strings.HasPrefix(to.Unix, s.tmp) {
		t.Errorf("address %+v", to)
	}
	for partition, overTLS := range []bool{false, true} {
		k := s.dial(to, overTLS)
		if w := k.hello(a.Token, partition); w.Stopped {
			t.Fatalf("welcome %+v", w)
		}
		k.send(uint32(3 + partition))
	}
	s.command(map[string]any{"cmd": "feed_end", "feed": "train", "epoch": 0, "rows": 7, "last": true})
	v := s.verdict()
	if v.Code != 0 || v.Rows.Read != 7 || v.Rows.Trained != 7 || v.Rows.Dropped != 0 {
		t.Errorf("verdict %+v", v)
	}
	if status, summary := p.end(); status != ExitDone || summary.Kind != "succeeded" {
		t.Errorf("status %d, %+v", status, summary)
	}
	if log := s.log(0); !strings.Contains(log, "rows 7\n") {
		t.Errorf("log %q", log)
	}
	nothingLeft(t, s.run, s.tmp)
}

// A member whose program has ended stops old and new feed tasks. It counts the rows that
// the program did not use.
func TestFeedTasksOfAnEndedProgramAreStopped(t *testing.T) {
	s := newScene(t, 2, fedBy)
	one, two := s.assignment(0, "polite"), s.assignment(1, "sleep")
	s.feeds(&one)
	s.feeds(&two)
	s.act("run", two)
	p := s.act("run", one)
	to := s.address(0)
	s.awaitPhase(0, "sleeping")
	early := s.dial(to, false)
	early.hello(one.Token, 0)
	early.send(5)
	guard := under(t, p.cmd.Process.Pid)
	kill(t, under(t, guard), 15) // the program ends with status 7
	if stop := string(early.until(feed.TypeStop)); !strings.Contains(stop, `"failed":true`) {
		t.Errorf("stop %s", stop)
	}
	if v := s.verdict(); v.Code != 5 || v.ExitCode != 7 || v.Rows.Read != 5 || v.Rows.Dropped != 5 {
		t.Errorf("verdict %+v", v)
	}
}

// The same holds for tasks that connect after the program's success, while the run goes
// on.
func TestLateFeedTasksAreStopped(t *testing.T) {
	s := newScene(t, 2, fedBy)
	one, two := s.assignment(0, "ok"), s.assignment(1, "sleep")
	s.feeds(&one)
	s.feeds(&two)
	s.act("run", one)
	s.act("run", two)
	s.awaitPhase(0, reserve.PhaseEnded)
	late := s.dial(s.address(0), false)
	if w := late.hello(one.Token, 0); !w.Stopped {
		t.Errorf("welcome %+v", w)
	}
	if stop := string(late.until(feed.TypeStop)); !strings.Contains(stop, `"failed":false`) {
		t.Errorf("stop %s", stop)
	}
}

func TestAStrangerIsNotServed(t *testing.T) {
	s := newScene(t, 1, fedBy)
	a := s.assignment(0, "sleep")
	s.feeds(&a)
	s.act("run", a)
	k := s.dial(s.address(0), true)
	if err := feed.WriteJSON(k.conn, feed.TypeHello, feed.Hello{Version: feed.Version, Token: "guess", Feed: "train"}); err != nil {
		t.Fatal(err)
	}
	if typ, _, err := feed.ReadFrame(k.conn); err == nil {
		t.Errorf("answered with frame 0x%02x", typ)
	} else if err != io.EOF && !strings.Contains(err.Error(), "reset") {
		t.Errorf("cut with %v", err)
	}
}
