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

// members is all members that take the feed. For each member, one goroutine reads
// frames, and one writes while a chunk is on its way. The task's own goroutine
// chooses the member of each chunk, and waits for the other two.
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

// leastChunkRows is how many rows a chunk has at least, but for a partition's last.
func leastChunkRows(rows int) int64 { return max(1, int64(rows)) }

// connect says HELLO to all members. held is the ranges of the partition that any
// of them has already: first row, rows.
func connect(ctx context.Context, o Order, partition int) (m *members, held [][2]int64, err error) {
	m = &members{
		equal:     o.Feed.Balance != "demand",
		leastRows: leastChunkRows(o.Feed.ChunkRows),
		turn:      partition + o.Epoch,
	}
	m.cond = sync.NewCond(&m.mu)
	if held, err = m.sayHello(ctx, o, partition); err != nil {
		m.close()
		return nil, nil, err
	}
	for _, l := range m.links {
		m.wg.Go(func() { m.readFrames(l) })
	}
	return m, held, nil
}

// sayHello says HELLO to all members in order. The first member gives the attempt
// its number, and has fenced an earlier attempt off when the next gets HELLO.
func (m *members) sayHello(ctx context.Context, o Order, partition int) (held [][2]int64, err error) {
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
		welcome, err := l.sayHello(hello)
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
	m.closeConnections()
	m.wg.Wait()
	for _, l := range m.links {
		l.close()
	}
}

// closeConnections ends all connections. Who waits for a member gets an error.
func (m *members) closeConnections() {
	for _, l := range m.links {
		l.hangUp()
	}
}

// readFrames handles a member's frames until its connection ends.
func (m *members) readFrames(l *link) {
	for {
		typ, payload, err := feed.ReadFrame(l.conn)
		m.mu.Lock()
		if err == nil {
			var rows int64
			rows, err = l.handleFrame(typ, payload)
			m.sent += rows
		}
		if err != nil {
			m.loseMember(l, err)
		}
		m.cond.Broadcast()
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// loseMember records a broken connection. A member that wanted no more rows may
// go; after any other's end Spark retries the task. The caller holds mu.
func (m *members) loseMember(l *link, err error) {
	switch {
	case l.stopped != nil && !errors.Is(err, feed.ErrProtocol):
		l.lost = true
	case m.err == nil:
		m.err = fmt.Errorf("feed: connection to %s broke: %w", l.name, err)
	}
}

// writeToAll writes a frame to every member that is not lost. Nothing else may be
// on its way to a member while a large frame is.
func (m *members) writeToAll(typ byte, payload []byte) error {
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
			m.loseMember(l, err)
			m.mu.Unlock()
		}
	}
	return nil
}

// fitChunkRows returns the rows of a chunk. It fits them to the size of a row, as
// in a batch of so many rows and bytes, and to the rows sent by all tasks.
func (m *members) fitChunkRows(rows, bytes int64) int64 {
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

// sendChunk sends a chunk to a member. It waits for credit, not for the write. It
// takes the frame over, and returns one for the next chunk in exchange, or nil. ok
// false: no member wants rows.
func (m *members) sendChunk(f *frame, rows span) (spare *frame, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if over, err := m.isOverLocked(); over || err != nil {
			f.release()
			return f, false, err
		}
		if l := m.chooseMember(rows.rows()); l != nil {
			spare, l.spare = l.spare, nil
			slot := l.reserve(rows, int64(f.size))
			m.wg.Go(func() { m.writeChunk(l, f, rows, slot) })
			return spare, true, nil
		}
		m.cond.Wait()
	}
}

func (m *members) writeChunk(l *link, f *frame, rows span, slot int) {
	err := l.writeChunk(f, rows, slot)
	f.release()
	m.mu.Lock()
	defer m.mu.Unlock()
	l.writing, l.spare = false, f
	if err != nil {
		m.loseMember(l, err)
	}
	m.cond.Broadcast()
}

// chooseMember returns the member for a chunk of so many rows: the one with the
// fewest rows. A local member is preferred while it has less than a chunk more.
// nil: none is ready. The caller holds mu.
func (m *members) chooseMember(rows int64) *link {
	limit := int64(math.MaxInt64)
	if m.equal {
		limit = fewestRows(m.links, func(l *link) bool { return l.stopped == nil })
		limit += min(2*m.chunkRows, math.MaxInt64-limit)
	}
	ready := func(l *link) bool { return l.ready() && l.rows() <= limit }
	least := fewestRows(m.links, ready)
	local := func(l *link) bool { return ready(l) && l.local && l.rows()-least < rows }
	near := ready
	if first := fewestRows(m.links, local); first < math.MaxInt64 {
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

// fewestRows returns the row count of the eligible link with the fewest rows, and
// math.MaxInt64 when none is eligible.
func fewestRows(links []*link, eligible func(*link) bool) int64 {
	least := int64(math.MaxInt64)
	for _, l := range links {
		if eligible(l) {
			least = min(least, l.rows())
		}
	}
	return least
}

// isOver says whether to send no more: a program failed, or no member wants rows.
func (m *members) isOver() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.isOverLocked()
}

// isOverLocked is isOver for a caller that holds mu.
func (m *members) isOverLocked() (bool, error) {
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

// sendEnd waits until all rows are acknowledged, and then sends END to every
// member.
func (m *members) sendEnd(end []byte) error {
	acked := func(l *link) bool { return len(l.unacked) == 0 && !l.writing }
	over, err := m.awaitMembers(acked, true)
	if over || err != nil {
		return err
	}
	if err := m.writeToAll(feed.TypeEnd, end); err != nil {
		return err
	}
	_, err = m.awaitMembers(func(l *link) bool { return l.ended }, false)
	return err
}

// awaitMembers blocks until every member has reached a state, but for those that
// are lost. early: it also returns, with over true, when no member wants rows.
func (m *members) awaitMembers(reached func(*link) bool, early bool) (over bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if early {
			if over, err = m.isOverLocked(); over {
				return true, nil
			}
		}
		if m.err != nil {
			return false, m.err
		}
		done := true
		for _, l := range m.links {
			done = done && (l.lost || reached(l))
		}
		if done {
			return false, nil
		}
		m.cond.Wait()
	}
}
