package feed

import (
	"cmp"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
)

// ErrFenced ends a stream whose partition has a later attempt.
var ErrFenced = errors.New("a later attempt at this partition has begun")

// countedEpochs bounds the number of counts of a feed. A cache repeats
// thousands of epochs, and each renewal carries all counts.
const countedEpochs = 100

// epochs holds a feed's chunks and row counts, by epoch. Epochs are handed out
// in order. A later epoch's chunks wait until the earlier one has ended.
//
// It is not safe for concurrent use: queue.mu guards it.
type epochs struct {
	byNumber map[int]*epoch
	current  int    // the epoch that is handed out
	last     int    // the last epoch; -1 if not known yet
	done     bool   // epoch current-1 was the last
	cached   []item // the first epoch's chunks in the cache
	replays  bool   // epochs after the first come from the cache
}

// epoch is one pass over a feed's rows.
type epoch struct {
	ended      bool
	items      []item
	partitions map[int]*partition
	received   int64
	trained    int64
	dropped    int64 // known so far; the rest is counted when the feed is closed
}

// partition holds the accepted rows of one partition, and the stream that may
// add rows.
type partition struct {
	accepted ranges
	attempt  int64   // the latest one seen
	owner    *stream // nil: none
}

func newEpochs() epochs { return epochs{byNumber: map[int]*epoch{}, last: -1} }

// epochAt returns the epoch with a number. It creates the epoch if needed.
func (e *epochs) epochAt(number int) *epoch {
	one, ok := e.byNumber[number]
	if !ok {
		one = &epoch{partitions: map[int]*partition{}}
		e.byNumber[number] = one
	}
	return one
}

// endEpoch records that an epoch has all its rows. last means that no epoch
// follows.
func (e *epochs) endEpoch(number int, last bool) {
	one := e.epochAt(number)
	one.ended = true
	one.partitions = nil // a task that sends HELLO now gets STOP
	if last {
		e.last = number
	}
}

// startReplay takes epochs after the first from the cache. total is the number
// of all epochs.
func (e *epochs) startReplay(total int) {
	e.replays = true
	e.last = total - 1
}

// awaitsReplay reports whether the current epoch must be taken from the cache
// now.
func (e *epochs) awaitsReplay() bool {
	return e.replays && !e.done && e.byNumber[e.current] == nil
}

// replayOrder returns the first epoch's chunks in the order for the current
// epoch. A shuffled feed has another order in each epoch. The program also
// mixes the rows of adjacent chunks.
func (e *epochs) replayOrder(cfg Config) []item {
	order := slices.Clone(e.cached)
	if cfg.ShuffleRows > 1 {
		random := rand.New(rand.NewPCG(uint64(cfg.ShuffleSeed), uint64(e.current)))
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return order
}

// advance moves current past epochs that are completely handed out.
func (e *epochs) advance(in intake) {
	for !e.done {
		now := e.byNumber[e.current] // nil: none of its rows arrived yet
		if now != nil && len(now.items) > 0 {
			return
		}
		ended := now != nil && now.ended
		last := in == intakeClosed || (ended && e.last == e.current) || (in == intakeFull && !e.hasLaterItems())
		if !last && !ended {
			return
		}
		e.done = last
		e.current++
	}
}

func (e *epochs) hasLaterItems() bool {
	for n, one := range e.byNumber {
		if n > e.current && len(one.items) > 0 {
			return true
		}
	}
	return false
}

// takeItem removes and returns the current epoch's next chunk. false: there is
// none.
func (e *epochs) takeItem() (item, bool) {
	now := e.byNumber[e.current]
	if e.done || now == nil || len(now.items) == 0 {
		return item{}, false
	}
	it := now.items[0]
	now.items[0] = item{} // so that its bytes can be freed
	now.items = now.items[1:]
	return it, true
}

// removeItems removes all chunks from the queue.
func (e *epochs) removeItems() []item {
	var all []item
	for _, one := range e.byNumber {
		all = append(all, one.items...)
		one.items = nil
	}
	return all
}

// counts returns the counts of each epoch, in order. closed counts all rows
// that were not trained as dropped.
func (e *epochs) counts(closed bool) []Count {
	var out []Count
	for _, n := range slices.Sorted(maps.Keys(e.byNumber)) {
		one := e.byNumber[n]
		c := Count{Epoch: n, Received: one.received, Trained: min(one.trained, one.received), Dropped: one.dropped, Ended: one.ended}
		if closed {
			c.Dropped = c.Received - c.Trained
		}
		if len(out) == countedEpochs {
			out[countedEpochs-1].addEpoch(c)
		} else {
			out = append(out, c)
		}
	}
	return out
}

// addEpoch adds the next epoch's counts.
func (c *Count) addEpoch(next Count) {
	c.Epochs = max(c.Epochs, 1) + 1
	c.Received += next.Received
	c.Trained += next.Trained
	c.Dropped += next.Dropped
	c.Ended = next.Ended
}

// partition returns the partition with a number, and creates it if needed with
// attempt as its latest.
func (e *epoch) partition(number int, attempt int64) *partition {
	p, ok := e.partitions[number]
	if !ok {
		p = &partition{attempt: attempt}
		e.partitions[number] = p
	}
	return p
}

// claim makes s the owner. If an earlier attempt still owns the partition,
// claim returns it instead: it must end first. ErrFenced means that a later
// attempt was seen. An attempt 0 gets the number after the latest one.
func (p *partition) claim(s *stream) (earlier *stream, err error) {
	s.hello.Attempt = cmp.Or(s.hello.Attempt, p.attempt+1)
	if s.hello.Attempt < p.attempt {
		return nil, ErrFenced
	}
	p.attempt = s.hello.Attempt
	if p.owner != nil {
		return p.owner, nil
	}
	p.owner, s.part = s, p
	return nil, nil
}

// release undoes claim.
func (p *partition) release(s *stream) {
	if p.owner == s {
		p.owner = nil
	}
}

// quota bounds the rows of a feed that a member takes in all epochs.
type quota struct {
	limit int64 // 0: none
	taken int64
}

// takeRows returns how many of these rows may be taken, and counts them.
func (q *quota) takeRows(rows int64) int64 {
	if q.limit > 0 {
		rows = min(rows, q.limit-q.taken)
	}
	q.taken += rows
	return rows
}

func (q *quota) reached() bool { return q.limit > 0 && q.taken == q.limit }
