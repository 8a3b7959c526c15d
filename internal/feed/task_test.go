package feed

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// testTask is a feed task in Go that follows the rules of
// scripts/tfos/feeder.py. Its chunks are not Arrow. They hold partition, first
// row and rows, padded to rowBytes per row, so that a consumer knows which rows
// it got.
type testTask struct {
	hello     Hello
	chunkRows int64
	rowBytes  int
	slack     int64 // rows a member may be ahead of the lowest; < 0: no limit
	before    func(first int64)

	mu    sync.Mutex
	cond  *sync.Cond
	links []*testLink
	have  ranges // accepted by any member before this attempt
	wg    sync.WaitGroup
}

type testLink struct {
	conn                   net.Conn
	credit, total, unacked int64
	stop                   *StopFeed
	ended                  bool
	err                    error
	schema                 bool
}

var errStopped = errors.New("no member wants more")

type dialer func() (net.Conn, error)

func unixDialer(path string) dialer {
	return func() (net.Conn, error) { return net.Dial("unix", path) }
}

// greet connects to all members.
func (f *testTask) greet(dial ...dialer) error {
	f.cond = sync.NewCond(&f.mu)
	f.hello.Version, f.hello.Token = Version, testToken
	for _, d := range dial {
		conn, err := d()
		if err != nil {
			return err
		}
		var w Welcome
		err = WriteJSON(conn, TypeHello, f.hello)
		if err == nil {
			err = ReadJSON(conn, TypeWelcome, &w)
		}
		if err != nil {
			f.close()
			_ = conn.Close()
			return fmt.Errorf("not welcome: %w", err)
		}
		f.hello.Attempt = w.Attempt // the first member's, if it gave one
		for _, r := range w.Accepted {
			f.have.addSpan(span{r[0], r[0] + r[1]})
		}
		l := &testLink{conn: conn, credit: w.Credit, total: w.Total}
		f.links = append(f.links, l)
		f.wg.Go(func() { f.listen(l) })
	}
	return nil
}

func (f *testTask) listen(l *testLink) {
	for {
		typ, payload, err := ReadFrame(l.conn)
		f.mu.Lock()
		switch {
		case err != nil:
			l.err = err
		case typ == TypeAck:
			var ack Ack
			ack, err = DecodeAck(payload)
			l.unacked, l.total, l.err = l.unacked-ack.Rows, ack.Total, err
		case typ == TypeCredit:
			var more int64
			more, err = DecodeCredit(payload)
			l.credit, l.err = l.credit+more, err
		case typ == TypeStop:
			l.stop = &StopFeed{}
			_ = json.Unmarshal(payload, l.stop)
		case typ == TypeEnded:
			l.ended = true
		}
		f.cond.Broadcast()
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// run sends the rows of the partition that no member has, in order, and then
// END.
func (f *testTask) run(ctx context.Context, rows int64) error {
	defer f.close()
	stop := context.AfterFunc(ctx, f.close)
	defer stop()
	for first := int64(0); first < rows; {
		s := span{first, min(first+f.chunkRows, rows)}
		first = s.end
		for s.first < s.end && f.have.overlap(span{s.first, s.first + 1}) > 0 {
			s.first++
		}
		for s.first < s.end && f.have.overlap(span{s.end - 1, s.end}) > 0 {
			s.end--
		}
		if s.first == s.end {
			continue
		}
		if f.have.overlap(s) > 0 { // a hole in the middle: row by row
			s.end, first = s.first+1, s.first+1
		}
		if f.before != nil {
			f.before(s.first)
		}
		if err := f.send(s); err != nil {
			return err
		}
	}
	return f.finish(rows)
}

func (f *testTask) send(s span) error {
	l, err := f.choose(s)
	if err != nil {
		return err
	}
	if !l.schema {
		l.schema = true
		if err := WriteFrame(l.conn, TypeSchema, []byte("schema of "+f.hello.Feed)); err != nil {
			return err
		}
	}
	return WriteFrame(l.conn, TypeChunk, chunkHead(s), chunkBody(f.hello.Partition, s, f.rowBytes))
}

// choose waits for a member with credit and counts the chunk on it.
func (f *testTask) choose(s span) (*testLink, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		var best *testLink
		lowest, wanting := int64(1)<<62, 0
		for _, l := range f.links {
			if l.stop != nil && l.stop.Failed {
				return nil, errStopped
			}
			if l.stop != nil {
				continue
			}
			if l.err != nil {
				return nil, l.err
			}
			wanting++
			lowest = min(lowest, l.total+l.unacked)
			if l.credit > 0 && l.unacked < 2*f.chunkRows && (best == nil || l.total+l.unacked < best.total+best.unacked) {
				best = l
			}
		}
		if wanting == 0 {
			return nil, errStopped
		}
		if best != nil && (f.slack < 0 || best.total+best.unacked <= lowest+f.slack) {
			best.unacked += s.rows()
			best.credit -= int64(len(chunkBody(0, s, f.rowBytes)))
			return best, nil
		}
		f.cond.Wait()
	}
}

func (f *testTask) finish(rows int64) error {
	for _, done := range []func(*testLink) bool{
		func(l *testLink) bool { return l.unacked == 0 },
		func(l *testLink) bool { return l.ended },
	} {
		if err := f.await(done); err != nil {
			return err
		}
		for _, l := range f.links {
			_ = WriteJSON(l.conn, TypeEnd, End{Rows: rows}) // a second END is harmless
		}
	}
	return nil
}

func (f *testTask) await(done func(*testLink) bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.links {
		for !done(l) && l.err == nil {
			f.cond.Wait()
		}
		if !done(l) {
			return l.err
		}
	}
	return nil
}

// close also serves to kill a task.
func (f *testTask) close() {
	for _, l := range f.links {
		_ = l.conn.Close()
	}
	f.wg.Wait()
}

func chunkHead(s span) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.first))
	return binary.BigEndian.AppendUint32(b, uint32(s.rows()))
}

func chunkBody(partition int, s span, rowBytes int) []byte {
	b := make([]byte, max(16, int(s.rows())*rowBytes))
	binary.BigEndian.PutUint32(b, uint32(partition))
	binary.BigEndian.PutUint64(b[4:], uint64(s.first))
	binary.BigEndian.PutUint32(b[12:], uint32(s.rows()))
	return b
}

// readChunk is the inverse of chunkBody, for the first use rows.
func parseChunk(b []byte, use int) (partition int, s span) {
	first := int64(binary.BigEndian.Uint64(b[4:]))
	return int(binary.BigEndian.Uint32(b)), span{first, first + int64(use)}
}
