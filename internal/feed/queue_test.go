package feed

import (
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBoundWhateverTasksDo plays random tasks, programs and arrivals on the
// queue alone. Tasks come and go. Some keep their credit unused, others use all
// of it and one chunk more.
func TestBoundWhateverTasksDo(t *testing.T) {
	const streams, chunk = 6, 3_000
	for _, queueBytes := range []int64{1, 5_000, 100_000} {
		t.Run(fmt.Sprint(queueBytes), func(t *testing.T) {
			for seed := range uint64(40) {
				playTasks(t, rand.New(rand.NewPCG(seed, 9)), queueBytes, streams, chunk)
			}
		})
	}
}

func playTasks(t *testing.T, random *rand.Rand, queueBytes int64, streams int, chunk int64) {
	t.Helper()
	q := newQueue(Config{Name: "train", QueueBytes: queueBytes}, "worker:0", "", func() {})
	var tasks []*stream
	p := &program{wake: make(chan struct{}, 1), credit: 1 << 30, trained: map[int]int64{}}
	q.addProgram(p)
	row := int64(0)
	for range 3_000 {
		switch random.IntN(5) {
		case 0: // the program takes a chunk
			if d := q.nextFrame(p); d.typ == TypeBatch {
				q.releaseRoom(int64(len(d.item.data)))
			}
		case 1: // a task comes, or goes
			if len(tasks) < streams {
				s := &stream{hello: Hello{Partition: int(row)}, out: newOutbox(), schema: []byte("s")}
				if _, _, err := q.tryAdmit(s); err != nil {
					t.Fatal(err)
				}
				tasks = append(tasks, s)
			} else if random.IntN(4) == 0 {
				q.removeStream(tasks[0])
				tasks = tasks[1:]
			}
		default: // a task sends, the first ones rarely
			if len(tasks) == 0 {
				continue
			}
			i := max(random.IntN(len(tasks)), random.IntN(len(tasks)))
			if s := tasks[i]; s.credit.left > 0 {
				size := 1 + random.Int64N(chunk)
				if _, err := q.announceChunk(s, span{row, row + 1}, size); err != nil {
					t.Fatal(err)
				}
				q.commitChunk(s, span{row, row + 1}, make([]byte, size), -1, -1)
				row++
			}
		}
		if bound := queueBytes + int64(streams)*chunk; q.credit.held > bound {
			t.Fatalf("%d bytes held, the bound is %d", q.credit.held, bound)
		}
		if q.credit.held == 0 && len(tasks) > 0 && len(q.credit.waiting) > 0 {
			t.Fatalf("nothing is held and %d of %d tasks have no credit", len(q.credit.waiting), len(tasks))
		}
	}
	if row < 100 {
		t.Errorf("only %d chunks", row)
	}
}

// TestHoardedCredit: tasks come one by one and keep their credit unused, while
// the last one fills the queue. Then all use their credit, and one chunk more.
func TestHoardedCredit(t *testing.T) {
	const queueBytes, chunk = 100_000, 1_000
	q := newQueue(Config{Name: "train", QueueBytes: queueBytes}, "worker:0", "", func() {})
	var tasks []*stream
	row := int64(0)
	for p := range 8 {
		s := &stream{hello: Hello{Partition: p}, out: newOutbox(), schema: []byte("s")}
		if _, _, err := q.tryAdmit(s); err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, s)
	}
	for i := len(tasks) - 1; i >= 0; i-- {
		for s := tasks[i]; s.credit.left > 0; row++ {
			if _, err := q.announceChunk(s, span{row, row + 1}, chunk); err != nil {
				t.Fatal(err)
			}
			q.commitChunk(s, span{row, row + 1}, make([]byte, chunk), -1, -1)
		}
	}
	if bound := int64(queueBytes + len(tasks)*chunk); q.credit.held > bound || q.credit.held < queueBytes {
		t.Errorf("%d bytes held, the bound is %d", q.credit.held, bound)
	}
}

// TestNoSystemCallUnderTheLock: making, reading and clearing shared memory, and
// asking the cache, do not block other users of the queue's lock.
func TestNoSystemCallUnderTheLock(t *testing.T) {
	q := newQueue(Config{Name: "train", QueueBytes: 1, CacheBytes: 1}, "worker:0", t.TempDir(), func() {})
	calls, memory := 0, q.memory
	q.memory = func() *sharedMemory {
		if calls++; !q.mu.TryLock() {
			t.Error("the queue's lock is held")
			return memory()
		}
		q.mu.Unlock()
		return memory()
	}
	s := &stream{out: newOutbox(), schema: []byte("s")}
	if _, _, err := q.tryAdmit(s); err != nil {
		t.Fatal(err)
	}
	if q.shareMemory(s) == nil {
		t.Fatal("no memory is offered")
	}
	slot := s.slots.slots[0]
	if !q.useSlot(s, slot) {
		t.Fatalf("slot %d was not granted", slot)
	}
	if _, err := q.announceChunk(s, span{0, 1}, 5); err != nil {
		t.Fatal(err)
	}
	q.commitChunk(s, span{0, 1}, q.memory().chunk(slot, 5), -1, slot)
	before := calls
	q.close("enough", false) // returns the slot, with more memory than it may keep
	if calls == before || len(q.slots.uncleared) > 0 || q.slots.memory[slot] != 0 {
		t.Errorf("the slot was not cleared: %d calls, it has %d bytes", calls-before, q.slots.memory[slot])
	}

	q.cache.mu.Lock()
	answered := make(chan []Count)
	go func() { answered <- q.counts() }()
	time.Sleep(10 * time.Millisecond)
	if !q.mu.TryLock() {
		t.Fatal("the queue's lock is held while the cache is asked")
	}
	q.mu.Unlock()
	q.cache.mu.Unlock()
	if got := <-answered; len(got) != 1 || got[0].Received != 1 || !got[0].Cached {
		t.Errorf("%+v", got)
	}
}

// TestStateDoesNoInputOrOutput: code that runs under the queue's lock imports
// nothing that could wait.
func TestStateDoesNoInputOrOutput(t *testing.T) {
	allowed := []string{"cmp", "context", "errors", "fmt", "maps", "math/rand/v2", "slices", "sort", "sync"}
	for _, name := range []string{
		"queue.go", "intake.go", "handout.go", "credit.go", "slots.go", "epochs.go", "ranges.go", "steps.go", "pace.go",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
