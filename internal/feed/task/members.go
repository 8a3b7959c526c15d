package task

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"tfos/internal/feed"
)

// members is all members that take the feed. One goroutine a member reads what
// it says, and one writes while a chunk is on its way; the task's own goroutine
// chooses, and waits for both.
type members struct {
	equal     bool
	leastRows int64
	chunkRows int64 // of a chunk, by now
	turn      int   // where to start among equals
	links     []*link

	wg   sync.WaitGroup
	mu   sync.Mutex
	cond *sync.Cond // anything below, or in a link, has changed
	sent int64      // rows acknowledged
	note string     // why no more rows are wanted, when over
	err  error      // what broke; permanent
}

// connect greets all members. held is what any of them has of the partition
// already: first row, rows.
func connect(ctx context.Context, o Order, partition int) (m *members, held [][2]int64, err error) {
	m = &members{
		equal:     o.Feed.Balance != "demand",
		leastRows: max(1, int64(o.Feed.ChunkRows)),
		turn:      partition + o.Epoch,
	}
	m.cond = sync.NewCond(&m.mu)
	if held, err = m.greet(ctx, o, partition); err != nil {
		m.close()
		return nil, nil, err
	}
	for _, l := range m.links {
		m.wg.Go(func() { m.listen(l) })
	}
	return m, held, nil
}

// greet says HELLO to all members in order. The first gives the attempt its
// number, and fences an earlier attempt off before the others hear of this one.
func (m *members) greet(ctx context.Context, o Order, partition int) (held [][2]int64, err error) {
	for _, member := range o.Members {
		l, err := dial(ctx, member, o.CA)
		if err != nil {
			return nil, err
		}
		m.links = append(m.links, l)
	}
	hello := feed.Hello{
		Version: feed.Version, Token: o.Token, Feed: o.Feed.Name, Epoch: o.Epoch, Partition: partition, Shared: true,
	}
	for _, l := range m.links {
		welcome, err := l.greet(hello)
		if err != nil {
			return nil, err
		}
		hello.Attempt = welcome.Attempt
		held = append(held, welcome.Accepted...)
	}
	return held, nil
}

// close ends all connections and waits for their goroutines.
func (m *members) close() {
	m.hangUp()
	m.wg.Wait()
}

// hangUp ends all connections: who waits for a member hears of it.
func (m *members) hangUp() {
	for _, l := range m.links {
		l.close()
	}
}

// listen takes a member's frames until its connection ends.
func (m *members) listen(l *link) {
	for {
		typ, payload, err := feed.ReadFrame(l.conn)
		m.mu.Lock()
		if err == nil {
			var rows int64
			rows, err = l.handle(typ, payload)
			m.sent += rows
		}
		if err != nil {
			m.lose(l, err)
		}
		m.cond.Broadcast()
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// lose records a broken connection: a member that wanted no more may go,
// another's end is for Spark to retry. The caller holds mu.
func (m *members) lose(l *link, err error) {
	switch {
	case l.stopped != nil && !errors.Is(err, feed.ErrProtocol):
		l.lost = true
	case m.err == nil:
		m.err = fmt.Errorf("feed: connection to %s broke: %w", l.name, err)
	}
}

// announce writes a frame to every member that has not gone; what is written
// is small or nothing else is on its way.
func (m *members) announce(typ byte, payload []byte) error {
	for _, l := range m.links {
		m.mu.Lock()
		skip, err := l.lost || (typ == feed.TypeSchema && l.stopped != nil), m.err
		m.mu.Unlock()
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		if err := feed.WriteFrame(l.conn, typ, payload); err != nil {
			m.mu.Lock()
			m.lose(l, err)
			m.mu.Unlock()
		}
	}
	return nil
}

// grow fits the rows of a chunk to their size, as in a batch of so many rows
// and bytes, and to what was sent by all tasks.
func (m *members) grow(rows, bytes int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sent int64
	for _, l := range m.links {
		sent += l.rows()
	}
	fit := grownBytes * rows / max(1, bytes)
	m.chunkRows = max(m.leastRows, min(fit, sent/grownPart))
	return m.chunkRows
}

// send gives a sealed chunk to a member; it waits for credit, not for the
// write. It returns a buffer for the next chunk in exchange. ok false: nobody
// wants rows.
func (m *members) send(frame []byte, rows span) (spare []byte, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if over, err := m.isOver(); over || err != nil {
			return frame, false, err
		}
		if l := m.choose(rows.rows()); l != nil {
			spare, l.spare = l.spare, nil
			l.writing = true
			l.credit -= int64(len(frame) - feed.ChunkRoom)
			l.unacked = append(l.unacked, rows)
			l.unackedRows += rows.rows()
			slot := l.slot()
			m.wg.Go(func() { m.write(l, frame, rows, slot) })
			return spare, true, nil
		}
		m.cond.Wait()
	}
}

func (m *members) write(l *link, frame []byte, rows span, slot int) {
	err := l.write(frame, rows, slot)
	m.mu.Lock()
	defer m.mu.Unlock()
	l.writing, l.spare = false, frame
	if err != nil {
		m.lose(l, err)
	}
	m.cond.Broadcast()
}

// choose is the member for a chunk of so many rows: one with the fewest rows,
// a local one before others that have less than the chunk more. nil: none is
// ready. The caller holds mu.
func (m *members) choose(rows int64) *link {
	limit := int64(math.MaxInt64)
	if m.equal {
		limit = lowest(m.links, func(l *link) bool { return l.stopped == nil })
		limit += min(2*m.chunkRows, math.MaxInt64-limit)
	}
	ready := func(l *link) bool { return l.ready() && l.rows() <= limit }
	least := lowest(m.links, ready)
	local := func(l *link) bool { return ready(l) && l.local && l.rows()-least < rows }
	near := ready
	if first := lowest(m.links, local); first < math.MaxInt64 {
		near, least = local, first
	}
	var equals []*link
	for _, l := range m.links {
		if near(l) && l.rows() == least {
			equals = append(equals, l)
		}
	}
	if len(equals) == 0 {
		return nil
	}
	// Tasks that start together see equal counts: they start at different members.
	return equals[m.turn%len(equals)]
}

// lowest is the rows of the lowest link that is so; math.MaxInt64: none is.
func lowest(links []*link, so func(*link) bool) int64 {
	least := int64(math.MaxInt64)
	for _, l := range links {
		if so(l) {
			least = min(least, l.rows())
		}
	}
	return least
}

// over says whether to send no more: a program failed, or nobody wants rows.
func (m *members) over() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.isOver()
}

func (m *members) isOver() (bool, error) {
	var reasons []string
	for _, l := range m.links {
		if l.stopped == nil {
			continue
		}
		reason := l.name + ": " + l.stopped.Reason
		if l.stopped.Failed {
			m.note = reason
			return true, nil
		}
		reasons = append(reasons, reason)
	}
	if len(reasons) == len(m.links) {
		m.note = strings.Join(reasons, "; ")
		return true, nil
	}
	return false, m.err
}

// finish waits until all rows are acknowledged, then says END everywhere.
func (m *members) finish(end []byte) error {
	acked := func(l *link) bool { return len(l.unacked) == 0 && !l.writing }
	over, err := m.await(acked, true)
	if over || err != nil {
		return err
	}
	if err := m.announce(feed.TypeEnd, end); err != nil {
		return err
	}
	_, err = m.await(func(l *link) bool { return l.ended }, false)
	return err
}

// await waits until every member that has not gone is so, or, where it may end
// early, until no more rows are wanted.
func (m *members) await(so func(*link) bool, early bool) (over bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if early {
			if over, err = m.isOver(); over {
				return true, nil
			}
		}
		if m.err != nil {
			return false, m.err
		}
		done := true
		for _, l := range m.links {
			done = done && (l.lost || so(l))
		}
		if done {
			return false, nil
		}
		m.cond.Wait()
	}
}
