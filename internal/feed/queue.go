package feed

import "sync"

// queue is the state of one feed. Everything in it, and what is said to be
// guarded by it in stream and program, is under mu; no method does input or
// output, and only admit waits.
type queue struct {
	cfg    Config
	quota  int64 // rows usable in all epochs; 0: no limit
	notify func()

	mu     sync.Mutex
	closed bool // nothing is taken or handed out any more
	full   bool // the quota is reached: nothing is taken, what is held is handed out
	reason string
	failed bool

	epochs  map[int]*epoch
	current int  // the epoch that is handed out
	last    int  // the last epoch; -1: not known yet
	done    bool // current-1 was the last
	total   int64
	usable  int64 // rows within the quota

	lowWater int64
	final    bool
	schema   []byte // the latest: equal ones share their bytes

	held     int64     // bytes being read, queued or being written to the program
	peak     int64     // the highest held was
	promised int64     // bytes of credit that feed tasks may still use
	hungry   []*stream // without credit, in the order in which they ran out
	streams  map[*stream]struct{}
	programs map[*program]struct{}

	slots    *slots // nil: no stream shares memory
	unshared bool   // there can be none

	cache   *cache // nil: none
	kept    []item // what the cache has
	replays bool   // epochs after the first come from the cache

	paces map[*program]Pace // of all connections, those that ended too
}

// item is one chunk in the queue: use rows, from row first of its partition on.
type item struct {
	schema    []byte
	data      []byte // nil: it is read from the cache
	size      int64  // of the chunk
	at        int64  // in the cache; -1: it is not there
	slot      int    // that data is in; -1: in none
	use       uint32
	partition uint32
	first     uint64
}

func newQueue(cfg Config, member, folder string, notify func()) *queue {
	q := &queue{
		cfg:      cfg,
		quota:    cfg.QuotaRows[member],
		notify:   notify,
		epochs:   map[int]*epoch{},
		last:     -1,
		streams:  map[*stream]struct{}{},
		programs: map[*program]struct{}{},
		paces:    map[*program]Pace{},
	}
	if cfg.CacheBytes > 0 {
		q.cache = newCache(folder, cfg)
	}
	return q
}

// close drops what is queued and refuses the rest. The first call's reason
// stays, but failed may be added later: a program can die after its last row.
func (q *queue) close(reason string, failed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed && (q.failed || !failed) {
		return
	}
	q.closed, q.failed, q.reason = true, failed, reason
	for _, e := range q.epochs {
		for _, it := range e.items {
			q.held -= int64(len(it.data))
			q.dropSlot(it)
		}
		e.items = nil
	}
	q.tellStopped()
}

// tellStopped says everywhere that no more rows are wanted.
func (q *queue) tellStopped() {
	for s := range q.streams {
		s.out.stopFeed(q.reason, q.failed)
	}
	q.wakePrograms()
	q.notify()
}

// stopped says whether rows are refused.
func (q *queue) stopped() bool { return q.closed || q.full }

func (q *queue) endEpoch(number int, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.epoch(number)
	e.ended = true
	e.parts = nil // a task that asks now is told that the epoch is over
	if last {
		q.last = number
	}
	q.wakePrograms()
	q.notify()
}

func (q *queue) setLowWater(step int64, final bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lowWater = max(q.lowWater, step)
	q.final = q.final || final
	q.wakePrograms()
}

// stepsHeld is the whole batches received, as the low-water mark counts them.
func (q *queue) stepsHeld() int64 {
	if q.cfg.BatchRows <= 0 {
		return 0
	}
	return q.usable / int64(q.cfg.BatchRows)
}

func (q *queue) wakePrograms() {
	for p := range q.programs {
		p.wakeUp()
	}
}
