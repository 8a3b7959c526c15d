package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrFenced ends a stream whose partition has a later attempt.
var ErrFenced = errors.New("a later attempt at this partition has begun")

// countedEpochs bounds the accounts of a feed: a cache repeats thousands of
// epochs, and all accounts are in each renewal.
const countedEpochs = 100

// epoch is one pass over a feed's rows.
type epoch struct {
	ended    bool
	items    []item
	parts    map[int]*partition
	received int64
	trained  int64
	dropped  int64 // known so far; the rest shows when the feed is closed
}

// partition is what is held of one partition, and who may add to it.
type partition struct {
	accepted ranges
	attempt  int64
	owner    *stream // nil: nobody
}

func (q *queue) epoch(number int) *epoch {
	e, ok := q.epochs[number]
	if !ok {
		e = &epoch{parts: map[int]*partition{}}
		q.epochs[number] = e
	}
	return e
}

// admit makes s the only stream of its partition and says where it stands. It
// waits until an earlier attempt's stream has wholly ended, so that the answer
// is final: nothing of the earlier attempt is accepted after it. A later
// attempt seen meanwhile gives ErrFenced.
func (q *queue) admit(ctx context.Context, s *stream) (Welcome, error) {
	for {
		welcome, old, err := q.tryAdmit(s)
		if err != nil || old == nil {
			return welcome, err
		}
		old.fence(ErrFenced)
		select {
		case <-old.done:
		case <-ctx.Done():
			return Welcome{}, context.Cause(ctx)
		}
	}
}

// tryAdmit is admit without the wait: old is the stream that must end first.
func (q *queue) tryAdmit(s *stream) (w Welcome, old *stream, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.epoch(s.hello.Epoch)
	if e.ended {
		s.out.stopFeed(fmt.Sprintf("epoch %d has ended", s.hello.Epoch), false)
		w = Welcome{Accepted: [][2]int64{}, Total: e.received, Stopped: true, Attempt: max(1, s.hello.Attempt)}
		return w, nil, nil
	}
	p, ok := e.parts[s.hello.Partition]
	if !ok {
		p = &partition{attempt: s.hello.Attempt}
		e.parts[s.hello.Partition] = p
	}
	if s.hello.Attempt == 0 {
		s.hello.Attempt = p.attempt + 1
	}
	if s.hello.Attempt < p.attempt {
		return Welcome{}, nil, ErrFenced
	}
	p.attempt = s.hello.Attempt
	if p.owner != nil {
		return Welcome{}, p.owner, nil
	}
	p.owner, s.part = s, p
	q.streams[s] = struct{}{}
	w = Welcome{Accepted: p.accepted.pairs(), Total: e.received, Stopped: q.stopped(), Attempt: p.attempt}
	if w.Stopped {
		s.out.stopFeed(q.reason, q.failed)
	} else {
		q.refill(s)
		w.Credit = s.out.takeCredit()
	}
	return w, nil, nil
}

// leave undoes admit. Nothing is accepted from s afterwards.
func (q *queue) leave(s *stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.streams, s)
	q.forget(s)
	q.leaveSlots(s)
	if s.part != nil && s.part.owner == s {
		s.part.owner = nil
	}
}

// verdict says what becomes of an announced chunk.
type verdict int

const (
	keep      verdict = iota // its room is held: commit it or release it
	duplicate                // its rows are here already; acknowledged
	unwanted                 // the feed has stopped: commit it without its bytes
)

// announce is told of a chunk's header. The feed task was told all accepted
// ranges and must slice its chunks around them, because Arrow bytes are not cut
// here: half a duplicate is an error.
func (q *queue) announce(s *stream, rows span, size int64) (verdict, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.epoch(s.hello.Epoch)
	if e.ended {
		return 0, fmt.Errorf("%w: chunk for epoch %d after its end", ErrProtocol, s.hello.Epoch)
	}
	switch n := s.part.accepted.overlap(rows); {
	case n > 0 && n < rows.rows():
		return 0, fmt.Errorf("%w: rows %d to %d: %d of them are here already", ErrProtocol, rows.first, rows.end, n)
	case q.stopped() && n == 0:
		return unwanted, nil
	case q.stopped():
		s.out.ack(rows, e.received)
		return duplicate, nil
	case s.credit <= 0:
		return 0, fmt.Errorf("%w: chunk without credit", ErrProtocol)
	}
	q.hold(s, size)
	if s.part.accepted.overlap(rows) == 0 {
		return keep, nil
	}
	s.out.ack(rows, e.received)
	q.refill(s)
	q.free(size)
	return duplicate, nil
}

// commit accepts a chunk whose bytes were read into the room held for it. data
// nil: the feed had stopped, the bytes were thrown away; the rows count as received
// and dropped, because the feed task will not give them to another member. cached
// says where the bytes are in the cache, slot in which slot; -1: they are not.
func (q *queue) commit(s *stream, rows span, data []byte, cached int64, slot int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.stepsHeld()
	e := q.epoch(s.hello.Epoch)
	s.part.accepted.add(rows)
	it := item{
		schema: s.schema, size: int64(len(data)), at: cached, slot: -1,
		use: uint32(rows.rows()), partition: uint32(s.hello.Partition), first: uint64(rows.first),
	}
	if cached >= 0 {
		q.kept = append(q.kept, it)
	}
	it.use, it.data, it.slot = uint32(q.take(e, rows.rows(), data != nil)), data, slot
	if it.use > 0 {
		e.items = append(e.items, it)
		q.wakePrograms()
	} else {
		q.free(it.size)
		q.dropSlot(it)
	}
	q.grantSlots(s)
	s.out.ack(rows, e.received)
	q.refill(s)
	q.tellTotals(s.hello.Epoch, e.received)
	q.fill()
	if q.cfg.Synchronous && q.stepsHeld() != before {
		q.notify()
	}
}

// take counts rows as received and says how many of them are handed out: none
// that are not wanted.
func (q *queue) take(e *epoch, rows int64, wanted bool) int64 {
	e.received += rows
	q.total += rows
	use := rows
	if q.stopped() || !wanted {
		use = 0
	} else if q.quota > 0 {
		use = min(rows, q.quota-q.usable)
	}
	q.usable += use
	e.dropped += rows - use
	return use
}

// fill stops the feed when the quota is reached.
func (q *queue) fill() {
	if q.quota > 0 && q.usable == q.quota && !q.stopped() {
		q.full, q.reason = true, "this worker has all the rows it may take"
		q.tellStopped()
	}
}

// internSchema keeps equal schema messages once, so that a change of schema is
// a change of the slice.
func (q *queue) internSchema(b []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Equal(q.schema, b) {
		q.schema = b
	}
	return q.schema
}

func (q *queue) counts() []Count {
	q.mu.Lock()
	defer q.mu.Unlock()
	numbers := make([]int, 0, len(q.epochs))
	for n := range q.epochs {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return []Count{{Feed: q.cfg.Name, Stopped: q.stopped(), Left: q.closed}}
	}
	out := make([]Count, 0, len(numbers))
	for _, n := range numbers {
		e := q.epochs[n]
		c := Count{
			Feed: q.cfg.Name, Epoch: n, Received: e.received, Trained: min(e.trained, e.received),
			Dropped: e.dropped, StepsHeld: q.stepsHeld(), Stopped: q.stopped(), Left: q.closed,
			Ended: e.ended, Cached: n == 0 && q.cache != nil && q.cache.whole(),
		}
		if q.closed {
			c.Dropped = c.Received - c.Trained
		}
		if len(out) == countedEpochs {
			out[countedEpochs-1].join(c)
		} else {
			out = append(out, c)
		}
	}
	return out
}

// join adds the next epoch's account.
func (c *Count) join(next Count) {
	c.Epochs = max(c.Epochs, 1) + 1
	c.Received += next.Received
	c.Trained += next.Trained
	c.Dropped += next.Dropped
	c.Ended = next.Ended
}
