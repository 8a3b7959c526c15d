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
	notify func()               // called when counts changed; must not wait
	cache  *cache               // of the first epoch, with its own lock; nil: none
	memory func() *sharedMemory // creates the memory at the first call, never under mu; nil: the machine has none

	mu       sync.Mutex // guards all fields below, and those that stream and program name
	stop     stopState
	epochs   epochs
	quota    quota
	steps    stepGate
	credit   creditPool
	slots    slotTable
	schema   []byte // the latest one; equal schemas share their bytes
	streams  map[*stream]struct{}
	programs map[*program]struct{}
	paces    paces
}

// intake says which rows a feed still takes.
type intake int

const (
	intakeOpen   intake = iota
	intakeFull          // the quota is reached: rows are refused, held rows are handed out
	intakeClosed        // rows are neither taken nor handed out
)

// stopState says whether a feed has stopped, and why.
type stopState struct {
	intake intake
	reason string
	failed bool // the program is gone
}

// stopped reports whether rows are refused.
func (s stopState) stopped() bool { return s.intake != intakeOpen }

func (s stopState) closed() bool { return s.intake == intakeClosed }

// item is one chunk in the queue. Its first use rows count, from row first of
// its partition on.
type item struct {
	schema    []byte
	data      []byte // nil: the chunk is read from the cache
	size      int64  // bytes of the chunk
	at        int64  // offset in the cache; -1: not in the cache
	slot      int    // the slot that holds data; -1: none
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
		slots:    newSlotTable(cfg.QueueBytes), // empty slots may keep as much memory as the queue may hold
		streams:  map[*stream]struct{}{},
		programs: map[*program]struct{}{},
		paces:    paces{},
	}
	if cfg.CacheBytes > 0 {
		q.cache = newCache(folder, cfg)
	}
	return q
}

// unlock unlocks mu, and then returns memory of empty slots to the kernel,
// beyond what they may keep. Until that is done these slots are not granted.
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

// close drops queued rows and refuses further ones. The first call's reason
// stays. failed may be added later, because a program can die after its last
// row.
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

// sendStop tells feed tasks, programs and the supervisor that no further rows
// are wanted.
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

// replay lets the queue repeat its first epoch from the cache. epochs is the
// number of all epochs.
func (q *queue) replay(epochs int) {
	q.mu.Lock()
	defer q.unlock()
	q.epochs.startReplay(epochs)
	q.wakePrograms()
}

// setLowWater permits the steps up to step. final means that no later step will
// ever be permitted.
func (q *queue) setLowWater(step int64, final bool) {
	q.mu.Lock()
	defer q.unlock()
	q.steps.raiseLowWater(step, final)
	q.wakePrograms()
}

// stepsHeld returns the number of whole batches received, as the low-water mark
// counts them.
func (q *queue) stepsHeld() int64 { return q.steps.stepsIn(q.quota.taken) }

func (q *queue) wakePrograms() {
	for p := range q.programs {
		p.wakeUp()
	}
}

// counts returns the counts of each epoch, in order.
func (q *queue) counts() []Count {
	out, epochs := q.countRows()
	// The cache is asked last and without mu, because it may be writing. If
	// Ended is set, every chunk of the epoch was written or could not be
	// written.
	if epochs > 0 && out[0].Epoch == 0 && q.cache != nil {
		out[0].Cached = q.cache.isWhole()
	}
	return out
}

// countRows is counts without Cached. epochs is the number of epochs that it
// counts. Without any epoch out still has one entry.
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

// internSchema keeps equal schema messages once. So a changed schema is a
// different slice.
func (q *queue) internSchema(b []byte) []byte {
	q.mu.Lock()
	defer q.unlock()
	if !slices.Equal(q.schema, b) {
		q.schema = b
	}
	return q.schema
}
