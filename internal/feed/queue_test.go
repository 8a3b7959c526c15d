package feed

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestBoundWhateverTasksDo plays random tasks, programs and arrivals on the
// queue alone: tasks that sit on their credit, that use it to the last byte
// and beyond, that come and go.
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

// TestHoardedCredit: tasks come one by one and sit on their promises while the
// last fills the queue; then all use what they were promised, and one chunk more.
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
