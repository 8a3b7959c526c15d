package task

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"tfos/internal/feed"
	"tfos/internal/proc"
)

const (
	// helloTimeout bounds connecting and the wait for WELCOME, which an earlier
	// attempt's stream must end before.
	helloTimeout = 60 * time.Second

	// maxUnacked is how many chunks a member may have unacknowledged from one
	// task. More would let tasks act on old counts: all of them rush to the
	// lowest member, then to another, each time further.
	maxUnacked = 2
)

// link is one member's connection. members.mu guards the fields below conn.
type link struct {
	name  string
	local bool
	conn  net.Conn

	shared      *slotMemory // the member's; nil: chunks go through conn
	slots       []int       // of it, which may be written
	credit      int64
	total       int64  // rows of this feed and epoch there, as last acknowledged
	unacked     []span // sent
	unackedRows int64
	writing     bool   // a chunk is being written
	spare       *frame // of the chunk written last, for the next
	stopped     *feed.StopFeed
	ended       bool
	lost        bool // closed after it stopped
}

func (l *link) rows() int64 { return l.total + l.unackedRows }

func (l *link) ready() bool {
	return l.stopped == nil && l.credit > 0 && !l.writing && len(l.unacked) < maxUnacked
}

// dial connects to a member: unix on the same kernel, else TLS over TCP with
// the authority ca pinned.
func dial(ctx context.Context, m Member, ca string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	l := &link{name: fmt.Sprintf("%s:%d", m.Job, m.Index)}
	if m.Feed.Unix != "" && onThisKernel(m.Feed.BootID) {
		// Where that fails the path is another file system's, or not ours to
		// open: TCP reaches it too.
		if conn, err := new(net.Dialer).DialContext(ctx, "unix", m.Feed.Unix); err == nil {
			l.conn, l.local = conn, true
			return l, nil
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	dialer := tls.Dialer{Config: &tls.Config{
		RootCAs: pool, ServerName: "tfos-member", MinVersion: tls.VersionTLS12,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", m.Feed.TCP)
	if err != nil {
		return nil, fmt.Errorf("feed: connect to %s: %w", m.Feed.TCP, err)
	}
	l.conn = conn
	return l, nil
}

// onThisKernel says whether a boot id is that of this kernel. If that cannot be
// known, it says no.
func onThisKernel(id string) bool {
	here, err := proc.BootID()
	return err == nil && id == here
}

// sayHello says HELLO and returns the member's answer.
func (l *link) sayHello(hello feed.Hello) (feed.Welcome, error) {
	var w feed.Welcome
	fail := func(err error) (feed.Welcome, error) {
		return w, fmt.Errorf("feed: %s did not welcome partition %d: %w", l.name, hello.Partition, err)
	}
	if err := l.conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return fail(err)
	}
	if err := feed.WriteJSON(l.conn, feed.TypeHello, hello); err != nil {
		return fail(err)
	}
	if err := feed.ReadJSON(l.conn, feed.TypeWelcome, &w); err != nil {
		return fail(err)
	}
	if w.Stopped {
		l.stopped = &feed.StopFeed{}
		if err := feed.ReadJSON(l.conn, feed.TypeStop, l.stopped); err != nil {
			return fail(err)
		}
	}
	l.credit, l.total = w.Credit, w.Total
	l.shared = openSlots(w.Shared)
	return w, l.conn.SetDeadline(time.Time{})
}

// reserve records that a chunk of so many bytes is on its way. slot is where in the
// member's memory it goes; -1: through conn.
func (l *link) reserve(rows span, bytes int64) (slot int) {
	l.writing = true
	l.credit -= bytes
	l.unacked = append(l.unacked, rows)
	l.unackedRows += rows.rows()
	return l.takeSlot()
}

// takeSlot takes a slot for the next chunk; -1: there is none.
func (l *link) takeSlot() int {
	if l.shared == nil || len(l.slots) == 0 {
		return -1
	}
	slot := l.slots[0]
	l.slots = l.slots[1:]
	return slot
}

// writeChunk sends a chunk, in the slot if there is one.
func (l *link) writeChunk(f *frame, rows span, slot int) error {
	if slot < 0 {
		return f.writeTo(l.conn, rows.first, int(rows.rows()))
	}
	if err := l.shared.write(slot, f); err != nil {
		return err
	}
	placed := feed.Placed{First: rows.first, Rows: rows.rows(), Slot: slot, Bytes: int64(f.size)}
	return feed.WriteFrame(l.conn, feed.TypePlaced, placed.Encode())
}

// hangUp ends the connection.
func (l *link) hangUp() { _ = l.conn.Close() }

// close frees what a link has besides its connection. No chunk is being written.
func (l *link) close() {
	if l.shared != nil {
		l.shared.close()
	}
}

// handleFrame records what a frame of the member says. It returns how many rows
// the frame acknowledges.
func (l *link) handleFrame(typ byte, payload []byte) (int64, error) {
	switch typ {
	case feed.TypeAck:
		ack, err := feed.DecodeAck(payload)
		if err != nil {
			return 0, err
		}
		return ack.Rows, l.removeAcked(ack)
	case feed.TypeCredit:
		more, err := feed.DecodeCredit(payload)
		l.credit += more
		return 0, err
	case feed.TypeSlot:
		slot, err := feed.DecodeSlot(payload)
		l.slots = append(l.slots, slot)
		return 0, err
	case feed.TypeStop:
		var stop feed.StopFeed
		if err := json.Unmarshal(payload, &stop); err != nil {
			return 0, fmt.Errorf("%w: STOP: %w", feed.ErrProtocol, err)
		}
		l.stopped = &stop
		return 0, nil
	case feed.TypeEnded:
		l.ended = true
		return 0, nil
	}
	return 0, fmt.Errorf("%w: frame 0x%02x", feed.ErrProtocol, typ)
}

// removeAcked removes an acknowledged chunk from those that are on their way.
// Chunks are acknowledged in the order in which they were sent.
func (l *link) removeAcked(ack feed.Ack) error {
	l.total = ack.Total
	if ack.Rows == 0 {
		return nil
	}
	if len(l.unacked) == 0 || l.unacked[0] != (span{ack.First, ack.First + ack.Rows}) {
		return fmt.Errorf("%w: acknowledged %d rows at %d out of order", feed.ErrProtocol, ack.Rows, ack.First)
	}
	l.unacked = l.unacked[1:]
	l.unackedRows -= ack.Rows
	return nil
}
