package feed

import (
	"context"
	"fmt"
)

// Methods of the queue for feed tasks' streams.

// admit makes s the only stream of its partition and returns what is accepted
// of it. It waits until an earlier attempt's stream has completely ended. So
// the answer is final: nothing of the earlier attempt is accepted after it. If
// a later attempt is seen meanwhile, it returns ErrFenced.
func (q *queue) admit(ctx context.Context, s *stream) (Welcome, error) {
	for {
		welcome, earlier, err := q.tryAdmit(s)
		if err != nil || earlier == nil {
			return welcome, err
		}
		earlier.fence(ErrFenced)
		select {
		case <-earlier.done:
		case <-ctx.Done():
			return Welcome{}, context.Cause(ctx)
		}
	}
}

// tryAdmit is admit without waiting. earlier is the stream that must end first.
func (q *queue) tryAdmit(s *stream) (w Welcome, earlier *stream, err error) {
	q.mu.Lock()
	defer q.unlock()
	e := q.epochs.epochAt(s.hello.Epoch)
	if e.ended {
		s.out.setStop(fmt.Sprintf("epoch %d has ended", s.hello.Epoch), false)
		w = Welcome{Accepted: [][2]int64{}, Total: e.received, Stopped: true, Attempt: max(1, s.hello.Attempt)}
		return w, nil, nil
	}
	p := e.partition(s.hello.Partition, s.hello.Attempt)
	if earlier, err = p.claim(s); err != nil || earlier != nil {
		return Welcome{}, earlier, err
	}
	w = Welcome{Accepted: p.accepted.pairs(), Total: e.received, Stopped: q.stop.stopped(), Attempt: p.attempt}
	q.addStream(s)
	if w.Stopped {
		s.out.setStop(q.stop.reason, q.stop.failed)
	} else {
		q.credit.refill(&s.credit)
		w.Credit = s.out.takeCredit()
	}
	return w, nil, nil
}

func (q *queue) addStream(s *stream) {
	q.streams[s] = struct{}{}
	s.credit = q.credit.openCredit(s.hello.Epoch, s.out)
	s.slots = slotGrant{out: s.out}
}

// removeStream undoes admit. Nothing is accepted from s afterwards.
func (q *queue) removeStream(s *stream) {
	q.mu.Lock()
	defer q.unlock()
	if _, ok := q.streams[s]; !ok {
		return
	}
	delete(q.streams, s)
	q.credit.closeCredit(&s.credit)
	q.slots.removeGrant(&s.slots, s.hungUp)
	s.part.release(s)
}

// isStopped reports whether STOP was sent to s.
func (q *queue) isStopped(s *stream) bool {
	q.mu.Lock()
	defer q.unlock()
	return q.stop.stopped() || q.epochs.epochAt(s.hello.Epoch).ended
}

// chunkDecision says what happens to an announced chunk.
type chunkDecision int

const (
	keepChunk      chunkDecision = iota // its room is held: commit it or release it
	duplicateChunk                      // its rows are here already and are acknowledged
	unwantedChunk                       // the feed has stopped: commit it without its bytes
)

// announceChunk decides on a chunk whose header was read. WELCOME lists all
// accepted ranges, and the feed task must cut its chunks around them. Arrow
// bytes are not cut here, so a chunk with some accepted rows is an error.
func (q *queue) announceChunk(s *stream, rows span, size int64) (chunkDecision, error) {
	q.mu.Lock()
	defer q.unlock()
	e := q.epochs.epochAt(s.hello.Epoch)
	if e.ended {
		return 0, fmt.Errorf("%w: chunk for epoch %d after its end", ErrProtocol, s.hello.Epoch)
	}
	stopped := q.stop.stopped()
	n := s.part.accepted.overlap(rows)
	switch {
	case n > 0 && n < rows.rows():
		return 0, fmt.Errorf("%w: rows %d to %d: %d of them are here already", ErrProtocol, rows.first, rows.end, n)
	case stopped && n == 0:
		return unwantedChunk, nil
	case stopped:
		s.out.addAck(rows, e.received)
		return duplicateChunk, nil
	case s.credit.left <= 0:
		return 0, fmt.Errorf("%w: chunk without credit", ErrProtocol)
	}
	q.credit.holdChunk(&s.credit, size)
	if n == 0 {
		return keepChunk, nil
	}
	s.out.addAck(rows, e.received)
	q.credit.refill(&s.credit)
	q.credit.free(size)
	return duplicateChunk, nil
}

// commitChunk accepts a chunk whose bytes were read. data nil means that the
// feed had stopped and the bytes were discarded. The rows then count as
// received and dropped, because the feed task will not give them to another
// member. cached is the offset in the cache, slot the number of the slot; -1
// means that the bytes are not there.
func (q *queue) commitChunk(s *stream, rows span, data []byte, cached int64, slot int) {
	q.mu.Lock()
	defer q.unlock()
	before := q.stepsHeld()
	e := q.epochs.epochAt(s.hello.Epoch)
	s.part.accepted.addSpan(rows)
	it := item{
		schema: s.schema, size: int64(len(data)), at: cached, slot: -1,
		use: uint32(rows.rows()), partition: uint32(s.hello.Partition), first: uint64(rows.first),
	}
	if cached >= 0 {
		q.epochs.cached = append(q.epochs.cached, it)
	}
	it.use, it.data, it.slot = uint32(q.receiveRows(e, rows.rows(), data != nil)), data, slot
	if it.use > 0 {
		e.items = append(e.items, it)
		q.wakePrograms()
	} else {
		q.credit.free(it.size)
		q.freeSlot(it)
	}
	q.slots.refillGrant(&s.slots)
	s.out.addAck(rows, e.received)
	q.credit.refill(&s.credit)
	q.credit.sendTotal(s.hello.Epoch, e.received)
	q.stopAtQuota()
	if q.cfg.Synchronous && q.stepsHeld() != before {
		q.notify()
	}
}

// receiveRows counts rows as received. It returns how many of them are handed
// out: none if they are not wanted.
func (q *queue) receiveRows(e *epoch, rows int64, wanted bool) (use int64) {
	if wanted && !q.stop.stopped() {
		use = q.quota.takeRows(rows)
	}
	e.received += rows
	e.dropped += rows - use
	return use
}

// releaseRoom gives back the room of a chunk that was not committed.
func (q *queue) releaseRoom(size int64) {
	q.mu.Lock()
	defer q.unlock()
	q.credit.free(size)
}

// cacheChunk writes a chunk of the first epoch to the cache, if there is one.
// It returns the offset, or -1. It writes to the disk.
func (q *queue) cacheChunk(s *stream, data []byte) int64 {
	if s.hello.Epoch == 0 && q.cache != nil {
		if at, kept := q.cache.putChunk(data); kept {
			return at
		}
	}
	return -1
}

// discardCache frees the disk of a feed whose later epochs are sent again.
func (q *queue) discardCache() {
	if q.cache == nil {
		return
	}
	q.mu.Lock()
	q.epochs.cached = nil
	q.unlock()
	q.cache.discard()
}

// shareMemory lets a stream of this host write into slots. It returns nil if
// the machine has no shared memory. The first such stream creates the memory.
func (q *queue) shareMemory(s *stream) *Shared {
	memory := q.memory()
	if memory == nil {
		return nil // sockets work too
	}
	q.mu.Lock()
	defer q.unlock()
	q.slots.openGrant(&s.slots)
	return &memory.about
}

// useSlot records that a stream wrote a chunk into a slot. false: the slot was
// not granted to it.
func (q *queue) useSlot(s *stream, slot int) bool {
	q.mu.Lock()
	defer q.unlock()
	return q.slots.useSlot(&s.slots, slot)
}

// stopSlots grants a stream no further slots.
func (q *queue) stopSlots(s *stream) {
	q.mu.Lock()
	defer q.unlock()
	q.slots.closeGrant(&s.slots)
}

// returnSlot takes back the slot of a chunk that is not committed.
func (q *queue) returnSlot(slot int, size int64) {
	q.mu.Lock()
	defer q.unlock()
	q.slots.putSlot(slot, size)
}

// freeSlot takes back the slot, if any, of a chunk that is no longer needed.
// The caller holds mu.
func (q *queue) freeSlot(it item) {
	if it.slot >= 0 {
		q.slots.putSlot(it.slot, it.size)
	}
}
