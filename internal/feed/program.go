package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// program is one connection of the member's program. It carries one feed: that
// of its first feed frame.
type program struct {
	wake   chan struct{}
	schema []byte // sent last; the writer's own
	shared bool   // it looks at chunks in slots; set before the writer starts

	// guarded by queue.mu:
	credit  int   // chunks it may be sent
	epoch   int   // EPOCH_ENDs sent
	asked   int64 // the step it wants leave for; 0: none
	trained map[int]int64
	lent    map[int]int64 // slots that it looks at, and the bytes used of them
}

// ServeChild serves one connection of the member's program until it ends, and
// closes it. The caller has read ATTACH and written CONTEXT. Frames from 0x20
// on go to control, in order, on the calling goroutine; its error ends the
// connection. nil: the program closed the connection or ended, and all that it
// reported before is counted: take the final Counts after that.
func (r *Receiver) ServeChild(ctx context.Context, conn net.Conn, control func(typ byte, payload []byte) error) error {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	c := &childConn{receiver: r, conn: conn, control: control}
	var g errgroup.Group
	err := c.read(func(q *queue, p *program) {
		// A failed write is not followed up: the program is gone, and what it
		// wrote before is still to be read.
		g.Go(func() error { _ = writeProgram(ctx, q, p, conn); return nil })
	})
	err = cause(ctx, err)
	cancel()
	_ = conn.Close() // the writer may be blocked in it
	_ = g.Wait()
	if c.queue != nil {
		c.queue.detach(c.program)
	}
	if err != nil {
		return fmt.Errorf("feed: program: %w", err)
	}
	return nil
}

// childConn is the reading side of a program's connection.
type childConn struct {
	receiver *Receiver
	conn     net.Conn
	control  func(typ byte, payload []byte) error
	queue    *queue // nil until the first feed frame
	program  *program
	start    func(*queue, *program)
}

func (c *childConn) read(start func(*queue, *program)) error {
	c.start = start
	for {
		typ, payload, err := ReadFrame(c.conn)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil // reset: it left batches unread
		}
		if err != nil {
			return err
		}
		if typ >= TypePhase {
			err = c.control(typ, payload)
		} else {
			err = c.feedFrame(typ, payload)
		}
		if err != nil {
			return err
		}
	}
}

func (c *childConn) feedFrame(typ byte, payload []byte) error {
	var m struct {
		Pace         // its feed is every frame's
		Chunks int   `json:"chunks"`
		Shared bool  `json:"shared"`
		Freed  []int `json:"freed"`
		Epoch  int   `json:"epoch"`
		Step   int64 `json:"step"`
	}
	if err := decode(typ, payload, &m); err != nil {
		return err
	}
	if err := c.bind(m.Feed, m.Shared); err != nil {
		return err
	}
	switch {
	case typ == TypeNext && m.Chunks >= 0 && c.queue.returned(c.program, m.Freed):
		c.queue.allow(c.program, m.Chunks)
	case typ == TypeTrained && m.Epoch >= 0:
		c.queue.trained(c.program, m.Epoch, m.Rows)
	case typ == TypePace:
		c.queue.setPace(c.program, m.Pace)
	case typ == TypeTerminate:
		c.queue.close("the program wants no more rows", false)
	case typ == TypePermit && m.Step > 0:
		c.queue.ask(c.program, m.Step)
	default:
		return fmt.Errorf("feed: frame 0x%02x %s from a program: %w", typ, payload, ErrProtocol)
	}
	return nil
}

// bind ties the connection to its feed and starts its writer. Another feed on
// the same connection is refused: BATCH does not name its feed.
func (c *childConn) bind(name string, shared bool) error {
	q, err := c.receiver.feed(name)
	if err != nil {
		return err
	}
	if c.queue == q {
		return nil
	}
	if c.queue != nil {
		return fmt.Errorf("feed: feed %s on the connection of feed %s: %w", name, c.queue.cfg.Name, ErrProtocol)
	}
	c.queue = q
	c.program = &program{wake: make(chan struct{}, 1), shared: shared, trained: map[int]int64{}, lent: map[int]int64{}}
	q.attach(c.program)
	c.start(q, c.program)
	return nil
}

func (p *program) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// writeProgram does what the queue says until ctx ends or a write fails.
func writeProgram(ctx context.Context, q *queue, p *program, conn net.Conn) error {
	for {
		d := q.next(p)
		if d.typ == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-p.wake:
				continue
			}
		}
		if err := p.write(q, d, conn); err != nil {
			return err
		}
	}
}

func (p *program) write(q *queue, d duty, conn net.Conn) error {
	switch d.typ {
	case TypePermitted:
		return WriteJSON(conn, d.typ, d.permitted)
	case TypeEpochEnd:
		// A program that got no row still learns the columns.
		if len(p.schema) == 0 {
			if err := p.writeSchema(d.item.schema, conn); err != nil {
				return err
			}
		}
		return WriteJSON(conn, d.typ, d.end)
	}
	lent := p.shared && d.item.slot >= 0
	if lent {
		q.lend(p, d.item)
	}
	defer q.handedOut(d.item, lent)
	if err := p.writeSchema(d.item.schema, conn); err != nil {
		return err
	}
	if lent || d.typ == TypeCached {
		return WriteJSON(conn, TypeCached, q.where(d.item, d.epoch))
	}
	return WriteFrame(conn, TypeBatch, encodeBatchHeader(d.epoch, d.item), d.item.data)
}

// where is the place of a chunk that the program reads by itself.
func (q *queue) where(it item, epoch int) Cached {
	c := Cached{
		Bytes: it.size, Epoch: epoch, Rows: int(it.use), Partition: int(it.partition), FirstRow: int64(it.first),
	}
	if it.slot < 0 {
		c.Path, c.Offset = q.cache.path, it.at
		return c
	}
	c.Path, c.Inode, c.Slot = q.slots.about.Path, q.slots.about.Inode, &it.slot
	c.Offset = int64(it.slot) * slotBytes
	return c
}

// handedOut gives back what a chunk had here, once it is written.
func (q *queue) handedOut(it item, lent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(int64(len(it.data)))
	if it.slot < 0 {
		freeBuffer(it.data)
	} else if !lent {
		q.putSlot(it.slot, it.size)
	}
}

// writeSchema sends a schema that is not the one sent last.
func (p *program) writeSchema(schema []byte, conn net.Conn) error {
	if len(schema) == 0 || (len(p.schema) > 0 && &p.schema[0] == &schema[0]) {
		return nil
	}
	p.schema = schema
	return WriteFrame(conn, TypeSchema, schema)
}
