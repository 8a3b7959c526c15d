package feed

import (
	"slices"
	"sync"
)

// queue is the state of one feed: chunks come from feed tasks (intake.go) and go
// to the member's program (handout.go). Its parts know no lock and do no input
// or output. queue calls them under mu, and makes no system call under mu.
type queue struct {
	cfg    Config
	notify func()               // the account changed; must not wait
	cache  *cache               // of the first epoch, under a lock of its own; nil: none
	memory func() *sharedMemory // is made at the first call, never under mu; nil: the machine has none

	mu       sync.Mutex // guards all below, and what stream and program say that it guards
	stop     stopState
	epochs   epochs
	quota    quota
	steps    stepGate
	credit   creditPool
	slots    slotTable
	schema   []byte // the latest: equal ones share their bytes
	streams  map[*stream]struct{}
	programs map[*program]struct{}
	paces    paces
}

// intake is which rows a feed still takes.
type intake int

const (
	intakeOpen   intake = iota
	intakeFull          // the quota is reached: no row is taken, what is held is handed out
	intakeClosed        // no row is taken or handed out
)

// stopState is whether a feed has stopped, and why.
type stopState struct {
	intake intake
	reason string
	failed bool // the program is gone
}

// stopped says whether rows are refused.
func (s stopState) stopped() bool { return s.intake != intakeOpen }

func (s stopState) closed() bool { return s.intake == intakeClosed }

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
	quotaRows := cfg.QuotaRows[member]
	q := &queue{
		cfg:      cfg,
		notify:   notify,
		memory:   sync.OnceValue(func() *sharedMemory { return makeSharedMemory(cfg.Name) }),
		epochs:   newEpochs(),
		quota:    quota{limit: quotaRows},
		steps:    newStepGate(cfg, quotaRows),
		credit:   creditPool{limit: cfg.QueueBytes},
		slots:    newSlotTable(cfg.QueueBytes), // what the queue had once it may have again
		streams:  map[*stream]struct{}{},
		programs: map[*program]struct{}{},
		paces:    paces{},
	}
	if cfg.CacheBytes > 0 {
		q.cache = newCache(folder, cfg)
	}
	return q
}

// unlock unlocks mu, and then gives memory back to the kernel that empty slots
// may not keep. Until that is done nobody is given these slots.
func (q *queue) unlock() {
	uncleared := q.slots.takeUncleared()
	q.mu.Unlock()
	if len(uncleared) == 0 {
		return
	}
	cleared := make([]bool, len(uncleared))
	for i, slot := range uncleared {
		cleared[i] = q.memory().clearSlot(slot) == nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, slot := range uncleared {
		q.slots.putCleared(slot, cleared[i])
	}
}

// close drops what is queued and refuses the rest. The first call's reason
// stays, but failed may be added later: a program can die after its last row.
func (q *queue) close(reason string, failed bool) {
	q.mu.Lock()
	defer q.unlock()
	if q.stop.closed() && (q.stop.failed || !failed) {
		return
	}
	q.stop = stopState{intakeClosed, reason, failed}
	for _, it := range q.epochs.removeItems() {
		q.credit.discard(int64(len(it.data)))
		q.freeSlot(it)
	}
	q.sendStop()
}

// stopAtQuota stops the feed when its quota is reached.
func (q *queue) stopAtQuota() {
	if q.quota.reached() && !q.stop.stopped() {
		q.stop = stopState{intake: intakeFull, reason: "this worker has all the rows it may take"}
		q.sendStop()
	}
}

// sendStop tells feed tasks, programs and the supervisor that no more rows are
// wanted.
func (q *queue) sendStop() {
	for s := range q.streams {
		s.out.setStop(q.stop.reason, q.stop.failed)
	}
	q.wakePrograms()
	q.notify()
}

// endEpoch records that all rows of an epoch were acknowledged.
func (q *queue) endEpoch(number int, last bool) {
	q.mu.Lock()
	defer q.unlock()
	q.epochs.endEpoch(number, last)
	q.wakePrograms()
	q.notify()
}

// replay has the queue repeat its first epoch from the cache, up to epochs in
// all.
func (q *queue) replay(epochs int) {
	q.mu.Lock()
	defer q.unlock()
	q.epochs.startReplay(epochs)
	q.wakePrograms()
}

// setLowWater permits steps up to step; final: it permits no later one ever.
func (q *queue) setLowWater(step int64, final bool) {
	q.mu.Lock()
	defer q.unlock()
	q.steps.raiseLowWater(step, final)
	q.wakePrograms()
}

// stepsHeld is the whole batches received, as the low-water mark counts them.
func (q *queue) stepsHeld() int64 { return q.steps.stepsIn(q.quota.taken) }

func (q *queue) wakePrograms() {
	for p := range q.programs {
		p.wakeUp()
	}
}

// counts is the account of each epoch, in order.
func (q *queue) counts() []Count {
	out, epochs := q.countRows()
	// The cache is asked last, and without mu, because it may be writing. Where
	// Ended is set all chunks of the epoch were written, or could not be.
	if epochs > 0 && out[0].Epoch == 0 && q.cache != nil {
		out[0].Cached = q.cache.isWhole()
	}
	return out
}

// countRows is counts but for Cached. epochs is how many epochs it counts; of
// none there is one account all the same.
func (q *queue) countRows() (out []Count, epochs int) {
	q.mu.Lock()
	defer q.unlock()
	out = q.epochs.counts(q.stop.closed())
	epochs = len(out)
	if epochs == 0 {
		out = []Count{{}}
	}
	for i := range out {
		c := &out[i]
		c.Feed, c.StepsHeld, c.Stopped, c.Left = q.cfg.Name, q.stepsHeld(), q.stop.stopped(), q.stop.closed()
	}
	return out, epochs
}

// internSchema keeps equal schema messages once, so that a change of schema is
// a change of the slice.
func (q *queue) internSchema(b []byte) []byte {
	q.mu.Lock()
	defer q.unlock()
	if !slices.Equal(q.schema, b) {
		q.schema = b
	}
	return q.schema
}
