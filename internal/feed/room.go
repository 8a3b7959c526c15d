package feed

// creditWindow is the most that one feed task is promised at a time: a few
// usual chunks, so that one is on the way while another is read.
const creditWindow = 8 << 20

// Credit is a promise of room: what it allows is read at once, always. In a
// synchronous feed this is what keeps workers from waiting for each other: a
// chunk that was sent never hangs behind a full queue, where no other worker
// could get it. It is granted while the bytes held and promised are within
// queue_bytes. Promises take half of that at most, so that while less than half
// is held any stream may get leave for one more chunk: promises to slow tasks
// do not stop fast ones. A chunk may exceed the credit that allowed it: hence
// the bound of queue_bytes + one chunk per stream.

// hold books a chunk that was announced.
func (q *queue) hold(s *stream, size int64) {
	q.promised -= max(s.credit, 0)
	s.credit -= size
	q.promised += max(s.credit, 0)
	q.held += size
	q.peak = max(q.peak, q.held)
}

// release gives room back.
func (q *queue) release(size int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(size)
}

func (q *queue) free(size int64) {
	q.held -= size
	q.feedHungry()
}

// feedHungry grants credit to the streams that have none, in the order in
// which they ran out.
func (q *queue) feedHungry() {
	for len(q.hungry) > 0 && q.roomy() {
		s := q.hungry[0]
		q.hungry = q.hungry[1:]
		q.grant(s)
	}
}

func (q *queue) roomy() bool {
	return 2*q.held < q.cfg.QueueBytes || q.held+q.promised < q.cfg.QueueBytes
}

// refill tops a stream's credit up, at once or when there is room.
func (q *queue) refill(s *stream) {
	switch {
	case s.credit > 0:
		if 2*s.credit <= q.share() && q.held+q.promised < q.cfg.QueueBytes {
			q.grant(s)
		}
	case len(q.hungry) == 0 && q.roomy():
		q.grant(s)
	default:
		q.hungry = append(q.hungry, s)
	}
}

// grant raises a stream's credit to its share of the room, to 1 at least.
func (q *queue) grant(s *stream) {
	q.promised -= max(s.credit, 0)
	room := min(q.cfg.QueueBytes/2, q.cfg.QueueBytes-q.held) - q.promised
	target := max(1, min(q.share(), room))
	if target > s.credit {
		s.out.credit(target - s.credit)
		s.credit = target
	}
	q.promised += max(s.credit, 0)
}

// share is what one stream may be promised: an equal part of half the queue.
func (q *queue) share() int64 {
	return min(creditWindow, q.cfg.QueueBytes/int64(2*max(1, len(q.streams))))
}

// forget takes a stream's promises back.
func (q *queue) forget(s *stream) {
	q.promised -= max(s.credit, 0)
	s.credit = 0
	for i, other := range q.hungry {
		if other == s {
			q.hungry = append(q.hungry[:i:i], q.hungry[i+1:]...)
			break
		}
	}
	q.feedHungry()
}

// tellTotals tells streams without credit how many rows are here by now. They
// learn it from no acknowledgement, and a feed task that waited for this member
// as the lowest, though others have filled it since, would wait for ever when
// this member in turn waits for rows of another (synchronous feeds).
func (q *queue) tellTotals(number int, total int64) {
	for _, s := range q.hungry {
		if s.hello.Epoch == number {
			s.out.note(total)
		}
	}
}
