package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// helloTimeout bounds the time from a connection to its HELLO.
const helloTimeout = 30 * time.Second

// ErrToken is the error of a feed task without the run's token.
var ErrToken = errors.New("wrong token")

// stream is one feed task's connection.
type stream struct {
	hello Hello
	fence context.CancelCauseFunc // ends the stream; may be called from any goroutine
	done  chan struct{}           // closed once nothing of the stream is accepted any more
	out   *outbox

	// Only the stream's reader uses these:
	schema []byte // schema of the following chunks
	hungUp bool   // the task ended the connection

	// queue.mu guards these:
	part   *partition // nil until the stream is admitted
	credit credit
	slots  slotGrant
}

// ServeFeeder serves one feed task's connection until it ends, and closes it.
// It answers HELLO after an earlier stream of the same partition has ended. The
// error is nil if the task sent END, if it left after STOP, or if the
// connection ended before its first byte. ErrToken, ErrFenced and ErrProtocol
// say why a stream was cut. The feed task sees only a closed connection.
func (r *Receiver) ServeFeeder(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	in := bufio.NewReaderSize(conn, 4096)
	hello, err := readHello(ctx, conn, in)
	if errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return fmt.Errorf("feed: read hello: %w", cause(ctx, err))
	}
	q, err := r.findFeed(hello)
	if err != nil {
		return err
	}
	s := &stream{hello: hello, fence: cancel, done: make(chan struct{}), out: newOutbox()}
	defer close(s.done)
	defer q.removeStream(s)
	if err := serveStream(ctx, q, s, conn, in); err != nil {
		return fmt.Errorf("feed: stream of feed %s, epoch %d, partition %d, attempt %d: %w",
			hello.Feed, hello.Epoch, hello.Partition, hello.Attempt, err)
	}
	return nil
}

// readHello reads the first frame within helloTimeout.
func readHello(ctx context.Context, conn net.Conn, in io.Reader) (Hello, error) {
	timeout, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	stop := context.AfterFunc(timeout, func() { _ = conn.Close() })
	defer stop()
	var h Hello
	err := ReadJSON(in, TypeHello, &h)
	return h, cause(timeout, err)
}

// findFeed checks HELLO and returns the queue of its feed.
func (r *Receiver) findFeed(h Hello) (*queue, error) {
	if err := h.check(r.token); err != nil {
		return nil, err
	}
	return r.feed(h.Feed)
}

func serveStream(ctx context.Context, q *queue, s *stream, conn net.Conn, in io.Reader) error {
	welcome, err := q.admit(ctx, s)
	if err != nil {
		return err
	}
	if s.hello.Epoch > 0 {
		q.discardCache()
	}
	if _, local := conn.(*net.UnixConn); local && s.hello.Shared && !welcome.Stopped {
		welcome.Shared = q.shareMemory(s)
	}
	if err := WriteJSON(conn, TypeWelcome, welcome); err != nil {
		return err
	}
	writing, stopWriting := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		err := s.out.drain(writing, conn)
		if err != nil {
			s.fence(err) // otherwise the reader would wait forever
		}
		return nil
	})
	err = readStream(q, s, in)
	s.hungUp = ctx.Err() == nil && (err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET))
	err = cause(ctx, err) // before the writer fails on the closed connection
	stopWriting()
	_ = conn.Close() // the writer may be blocked in it
	_ = g.Wait()
	return err
}

// readStream reads frames until the connection ends. The end is not an error
// after END, or after STOP was sent.
func readStream(q *queue, s *stream, in io.Reader) error {
	ended := false
	for {
		typ, size, err := ReadHeader(in)
		if errors.Is(err, io.EOF) && (ended || q.isStopped(s)) {
			return nil
		}
		if err != nil {
			return truncated(err)
		}
		if s.out.overfull() {
			return fmt.Errorf("%w: acknowledgements are not read", ErrProtocol)
		}
		switch typ {
		case TypeSchema:
			err = readSchema(q, s, in, size)
		case TypeChunk:
			err = readChunk(q, s, in, size)
		case TypePlaced:
			err = readPlaced(q, s, in, size)
		case TypeEnd:
			ended = true
			q.stopSlots(s)
			_, err = io.CopyN(io.Discard, in, int64(size))
			s.out.addEnded()
		default:
			err = fmt.Errorf("%w: frame 0x%02x from a feed task", ErrProtocol, typ)
		}
		if err != nil {
			return truncated(err)
		}
	}
}

func readSchema(q *queue, s *stream, in io.Reader, size int) error {
	if size > 1<<20 {
		return fmt.Errorf("%w: a schema of %d bytes", ErrProtocol, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(in, b); err != nil {
		return err
	}
	s.schema = q.internSchema(b)
	return nil
}

// readChunk reads a chunk's header, reserves room for the chunk, and then reads
// its bytes.
func readChunk(q *queue, s *stream, in io.Reader, size int) error {
	if s.schema == nil || size < chunkHeaderBytes || size > chunkHeaderBytes+MaxChunk {
		return fmt.Errorf("%w: chunk of %d bytes, schema %t", ErrProtocol, size, s.schema != nil)
	}
	var head [chunkHeaderBytes]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	rows, err := decodeChunkHeader(head[:])
	if err != nil {
		return err
	}
	body := int64(size - chunkHeaderBytes)
	decision, err := q.announceChunk(s, rows, body)
	if err != nil {
		return err
	}
	if decision != keepChunk {
		if _, err := io.CopyN(io.Discard, in, body); err != nil {
			return err
		}
		if decision == unwantedChunk {
			q.commitChunk(s, rows, nil, -1, -1)
		}
		return nil
	}
	data := newBuffer(body)
	if _, err := io.ReadFull(in, data); err != nil {
		freeBuffer(data)
		q.releaseRoom(body)
		return err
	}
	q.commitChunk(s, rows, data, q.cacheChunk(s, data), -1)
	return nil
}

// readPlaced commits a chunk that the task has written into a slot.
func readPlaced(q *queue, s *stream, in io.Reader, size int) error {
	var b [placedBytes]byte
	if s.schema == nil || size != len(b) {
		return fmt.Errorf("%w: placed chunk of %d bytes, schema %t", ErrProtocol, size, s.schema != nil)
	}
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return err
	}
	rows, slot, body, err := decodePlaced(b[:])
	if err != nil {
		return err
	}
	if body > slotBytes || !q.useSlot(s, slot) {
		return fmt.Errorf("%w: chunk of %d bytes in slot %d, which was not given", ErrProtocol, body, slot)
	}
	decision, err := q.announceChunk(s, rows, body)
	if err != nil {
		return err
	}
	if decision == keepChunk {
		data := q.memory().chunk(slot, body)
		q.commitChunk(s, rows, data, q.cacheChunk(s, data), slot)
		return nil
	}
	q.returnSlot(slot, body)
	if decision == unwantedChunk {
		q.commitChunk(s, rows, nil, -1, -1)
	}
	return nil
}

// cause returns the cause of ctx's end instead of an error that followed from
// it.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
