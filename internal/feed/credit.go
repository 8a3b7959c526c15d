package feed

import "slices"

// creditWindow bounds the credit of one feed task, in bytes: a few usual
// chunks, so that one is on the way while another is read.
const creditWindow = 8 << 20

// creditPool divides a feed's queue_bytes among feed tasks. Credit promises
// room: a chunk within it is read at once. In a synchronous feed this keeps
// workers from waiting for each other. No chunk waits behind a full queue,
// where no other worker could get it.
//
// Credit is granted while the bytes held and promised are within limit.
// Promises take at most half of limit: while less than half is held, any feed
// task may get credit for one more chunk. So promises to slow tasks do not stop
// fast ones. A chunk may exceed the credit that allowed it: held is at most
// limit and one chunk of each stream.
//
// It is not safe for concurrent use: queue.mu guards it. It never waits: grants
// go into outboxes.
type creditPool struct {
	limit    int64     // queue_bytes
	held     int64     // bytes being read, queued, or being written to the program
	peak     int64     // the highest value of held
	promised int64     // the sum of all positive credits
	open     int       // number of open credits, which share limit
	waiting  []*credit // credits that ran out, in that order
}

// credit is what one feed task may still send, in bytes.
type credit struct {
	left  int64 // granted, less the chunks announced; may be negative
	waits bool  // whether it is in waiting
	epoch int
	out   *outbox // carries grants and totals to the feed task
}

// openCredit adds a stream. It has no credit yet.
func (p *creditPool) openCredit(epoch int, out *outbox) credit {
	p.open++
	return credit{epoch: epoch, out: out}
}

// closeCredit takes back a stream's promises.
func (p *creditPool) closeCredit(c *credit) {
	p.open--
	p.promised -= max(c.left, 0)
	c.left = 0
	if i := slices.Index(p.waiting, c); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		c.waits = false
	}
	p.grantWaiting()
}

// holdChunk counts an announced chunk.
func (p *creditPool) holdChunk(c *credit, size int64) {
	p.promised -= max(c.left, 0)
	c.left -= size
	p.promised += max(c.left, 0)
	p.held += size
	p.peak = max(p.peak, p.held)
}

// free gives room back, and grants it to waiting credits.
func (p *creditPool) free(size int64) {
	p.held -= size
	p.grantWaiting()
}

// discard gives back the room of rows that are no longer wanted. It grants
// nothing.
func (p *creditPool) discard(size int64) { p.held -= size }

// refill raises a credit, now or as soon as there is room.
func (p *creditPool) refill(c *credit) {
	switch {
	case c.left > 0:
		if 2*c.left <= p.share() && p.held+p.promised < p.limit {
			p.grant(c)
		}
	case len(p.waiting) == 0 && p.hasRoom():
		p.grant(c)
	case !c.waits:
		c.waits = true
		p.waiting = append(p.waiting, c)
	}
}

// grantWaiting grants credit to the waiting credits, in their order, while
// there is room.
func (p *creditPool) grantWaiting() {
	for len(p.waiting) > 0 && p.hasRoom() {
		c := p.waiting[0]
		p.waiting = p.waiting[1:]
		c.waits = false
		p.grant(c)
	}
}

func (p *creditPool) hasRoom() bool {
	return 2*p.held < p.limit || p.held+p.promised < p.limit
}

// grant raises a credit to its share of the room, but at least to 1.
func (p *creditPool) grant(c *credit) {
	p.promised -= max(c.left, 0)
	room := min(p.limit/2, p.limit-p.held) - p.promised
	target := max(1, min(p.share(), room))
	if target > c.left {
		c.out.addCredit(target - c.left)
		c.left = target
	}
	p.promised += max(c.left, 0)
}

// share returns the most that one stream may be promised: an equal part of half
// the limit.
func (p *creditPool) share() int64 {
	return min(creditWindow, p.limit/int64(2*max(1, p.open)))
}

// sendTotal sends the current row total to those streams of an epoch that wait
// for credit. No acknowledgement tells it to them. A feed task waits for the
// member with the fewest rows. If other tasks have filled that member, and it
// waits for another worker's rows (synchronous feeds), the task would otherwise
// wait forever.
func (p *creditPool) sendTotal(epoch int, total int64) {
	for _, c := range p.waiting {
		if c.epoch == epoch {
			c.out.setTotal(total)
		}
	}
}
