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

// program is one connection of the member's program. It carries one feed: the
// feed of its first feed frame.
type program struct {
	wake   chan struct{} // wakes the writer, which then looks for a frame
	schema []byte        // the one sent last; only the writer uses it
	shared bool          // whether the program reads chunks in their slots; set before the writer starts

	// queue.mu guards these:
	credit        int           // number of chunks it may be sent
	epoch         int           // number of EPOCH_ENDs sent
	requestedStep int64         // the step that it requested; 0: none
	trained       map[int]int64 // rows, by epoch
	lent          map[int]int64 // slots that it reads, and the bytes used of them
}

// ServeChild serves one connection of the member's program until it ends, and
// closes it. The caller has read ATTACH and written CONTEXT. Frames from 0x20
// on are passed to control, in order, on the calling goroutine. An error of
// control ends the connection. The error is nil if the program closed the
// connection or ended. Everything that the program reported is counted when
// ServeChild returns. Final Counts are taken after that.
func (r *Receiver) ServeChild(ctx context.Context, conn net.Conn, control func(typ byte, payload []byte) error) error {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	c := &childConn{receiver: r, conn: conn, control: control}
	var g errgroup.Group
	err := c.readFrames(func(q *queue, p *program) {
		// A failed write means that the program is gone. The frames that it
		// wrote earlier are still read.
		g.Go(func() error { _ = writeProgram(ctx, q, p, conn); return nil })
	})
	err = cause(ctx, err)
	cancel()
	_ = conn.Close() // the writer may be blocked in it
	_ = g.Wait()
	if c.queue != nil {
		c.queue.removeProgram(c.program)
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
	start    func(*queue, *program) // starts the writer
}

func (c *childConn) readFrames(start func(*queue, *program)) error {
	c.start = start
	for {
		typ, payload, err := ReadFrame(c.conn)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil // a reset means that it left batches unread
		}
		if err != nil {
			return err
		}
		if typ >= TypePhase {
			err = c.control(typ, payload)
		} else {
			err = c.handleFrame(typ, payload)
		}
		if err != nil {
			return err
		}
	}
}

// handleFrame executes a frame about a feed.
func (c *childConn) handleFrame(typ byte, payload []byte) error {
	request := newRequest(typ)
	if request == nil {
		return fmt.Errorf("feed: frame 0x%02x %s from a program: %w", typ, payload, ErrProtocol)
	}
	if err := decode(typ, payload, request); err != nil {
		return err
	}
	next, ok := request.(*NextChunks)
	if err := c.bindFeed(request.feedName(), ok && next.Shared); err != nil {
		return err
	}
	if !request.apply(c.queue, c.program) {
		return fmt.Errorf("feed: frame 0x%02x %s from a program: %w", typ, payload, ErrProtocol)
	}
	return nil
}

// bindFeed binds the connection to its feed and starts its writer. Another feed
// on the same connection is an error, because BATCH does not name its feed.
func (c *childConn) bindFeed(name string, shared bool) error {
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
	q.addProgram(c.program)
	c.start(q, c.program)
	return nil
}

func (p *program) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// writeProgram writes the queue's frames for p until ctx ends or a write fails.
func writeProgram(ctx context.Context, q *queue, p *program, conn net.Conn) error {
	for {
		f := q.nextFrame(p)
		if f.typ == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-p.wake:
				continue
			}
		}
		if err := p.writeFrame(q, f, conn); err != nil {
			return err
		}
	}
}

func (p *program) writeFrame(q *queue, f programFrame, conn net.Conn) error {
	switch f.typ {
	case TypePermitted:
		return WriteJSON(conn, f.typ, f.permitted)
	case TypeEpochEnd:
		// A program that got no row still gets the columns.
		if len(p.schema) == 0 {
			if err := p.writeSchema(f.item.schema, conn); err != nil {
				return err
			}
		}
		return WriteJSON(conn, f.typ, f.end)
	}
	lent := p.shared && f.item.slot >= 0
	if lent {
		q.lendSlot(p, f.item)
	}
	defer q.releaseItem(f.item, lent)
	if err := p.writeSchema(f.item.schema, conn); err != nil {
		return err
	}
	if lent || f.typ == TypeCached {
		return WriteJSON(conn, TypeCached, q.place(f.item, f.epoch))
	}
	return WriteFrame(conn, TypeBatch, encodeBatchHeader(f.epoch, f.item), f.item.data)
}

// writeSchema sends a schema unless it was the last one sent.
func (p *program) writeSchema(schema []byte, conn net.Conn) error {
	if len(schema) == 0 || (len(p.schema) > 0 && &p.schema[0] == &schema[0]) {
		return nil
	}
	p.schema = schema
	return WriteFrame(conn, TypeSchema, schema)
}
