package feed

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestClaim(t *testing.T) {
	p := (&epoch{partitions: map[int]*partition{}}).partition(0, 3)
	claim := func(attempt int64) (*stream, *stream, error) {
		s := &stream{hello: Hello{Attempt: attempt}}
		earlier, err := p.claim(s)
		return s, earlier, err
	}
	third, earlier, err := claim(3)
	if p.owner != third || third.part != p || earlier != nil || err != nil {
		t.Fatalf("owner %p, earlier %p: %v", p.owner, earlier, err)
	}
	if _, _, err := claim(2); !errors.Is(err, ErrFenced) {
		t.Errorf("attempt 2 after 3: %v", err)
	}
	fourth, earlier, err := claim(0)
	if earlier != third || err != nil || fourth.hello.Attempt != 4 || p.owner != third {
		t.Errorf("attempt %d, earlier %p: %v", fourth.hello.Attempt, earlier, err)
	}
	if _, _, err := claim(3); !errors.Is(err, ErrFenced) {
		t.Errorf("attempt 3 after one that waits as 4: %v", err)
	}
	p.release(fourth) // it owns nothing yet
	if p.owner != third {
		t.Error("one that is not the owner gave the partition away")
	}
	p.release(third)
	if earlier, err := p.claim(fourth); earlier != nil || err != nil || fourth.hello.Attempt != 4 || p.owner != fourth {
		t.Errorf("attempt %d when the earlier has ended, earlier %p: %v", fourth.hello.Attempt, earlier, err)
	}
}

func TestQuotaRows(t *testing.T) {
	q := quota{limit: 10}
	if q.takeRows(7) != 7 || q.reached() || q.takeRows(7) != 3 || !q.reached() || q.takeRows(1) != 0 || q.taken != 10 {
		t.Errorf("%+v", q)
	}
	none := quota{}
	if none.takeRows(7) != 7 || none.reached() || none.taken != 7 {
		t.Errorf("%+v", none)
	}
}

// TestAdvance: which epoch is handed out, and when the feed is over.
func TestAdvance(t *testing.T) {
	for name, test := range map[string]struct {
		rows    []int // chunks of each epoch; -1: none of its rows arrived
		ended   int   // how many of them have ended
		last    int
		in      intake
		current int
		done    bool
	}{
		"nothing yet":                {[]int{-1}, 0, -1, intakeOpen, 0, false},
		"chunks are here":            {[]int{2, 3}, 2, 1, intakeOpen, 0, false},
		"wait for the end":           {[]int{0, 3}, 0, -1, intakeOpen, 0, false},
		"on to the next":             {[]int{0, 3}, 1, -1, intakeOpen, 1, false},
		"over empty ones":            {[]int{0, 0, 0, 1}, 3, -1, intakeOpen, 3, false},
		"the last one":               {[]int{0, 0}, 2, 1, intakeOpen, 2, true},
		"not the last one yet":       {[]int{0, 0}, 2, -1, intakeOpen, 2, false},
		"full, all handed out":       {[]int{0}, 0, -1, intakeFull, 1, true},
		"full, chunks are here":      {[]int{1}, 0, -1, intakeFull, 0, false},
		"full, a later one has some": {[]int{0, 1}, 0, -1, intakeFull, 0, false},
		"full, on to the later one":  {[]int{0, 1}, 1, -1, intakeFull, 1, false},
		"closed":                     {[]int{0, 0}, 0, -1, intakeClosed, 1, true},
	} {
		e := newEpochs()
		for n, rows := range test.rows {
			if rows >= 0 {
				e.epochAt(n).items = make([]item, rows)
			}
			if n < test.ended {
				e.endEpoch(n, n == test.last)
			}
		}
		e.advance(test.in)
		e.advance(test.in) // a second time changes nothing
		if e.current != test.current || e.done != test.done {
			t.Errorf("%s: current %d, done %t", name, e.current, e.done)
		}
	}
}

// TestItemsInOrder: chunks leave in the order of their arrival, each once.
func TestItemsInOrder(t *testing.T) {
	e := newEpochs()
	for i := range 3 {
		e.epochAt(0).items = append(e.epochAt(0).items, item{first: uint64(i)})
		e.epochAt(1).items = append(e.epochAt(1).items, item{first: uint64(10 + i)})
	}
	for i := range 2 {
		if it, ok := e.takeItem(); !ok || it.first != uint64(i) {
			t.Errorf("chunk %d: %+v, %t", i, it, ok)
		}
	}
	left := e.removeItems()
	slices.SortFunc(left, func(a, b item) int { return int(a.first) - int(b.first) })
	var firsts []uint64
	for _, it := range left {
		firsts = append(firsts, it.first)
	}
	if fmt.Sprint(firsts) != "[2 10 11 12]" {
		t.Errorf("chunks %v were left", firsts)
	}
	if _, ok := e.takeItem(); ok {
		t.Error("a chunk is left")
	}
}

// TestReplayOrder: each epoch has all chunks, in an order of its own. Members
// with the same seed have the same order.
func TestReplayOrder(t *testing.T) {
	order := func(epoch int, cfg Config) []uint64 {
		e := newEpochs()
		e.current = epoch
		for i := range 20 {
			e.cached = append(e.cached, item{first: uint64(i)})
		}
		var firsts []uint64
		for _, it := range e.replayOrder(cfg) {
			firsts = append(firsts, it.first)
		}
		return firsts
	}
	plain := order(1, Config{ShuffleRows: 1})
	if !slices.IsSorted(plain) || len(plain) != 20 {
		t.Errorf("unshuffled %v", plain)
	}
	shuffled := Config{ShuffleRows: 100, ShuffleSeed: 7}
	first, second := order(1, shuffled), order(2, shuffled)
	if slices.Equal(first, second) || slices.Equal(first, plain) || !slices.Equal(first, order(1, shuffled)) {
		t.Errorf("epochs %v and %v", first, second)
	}
	if slices.Sort(first); !slices.Equal(first, plain) {
		t.Errorf("chunks %v", first)
	}
}

func TestPaces(t *testing.T) {
	open, other, ended := &program{}, &program{}, &program{}
	p := paces{
		open:  {Rows: 10, Seconds: 4, Waited: 1, Steps: [][2]int64{{1, 2}}},
		other: {Rows: 20, Seconds: 6, Waited: 2, Steps: [][2]int64{{3, 4}}},
		ended: {Rows: 5, Seconds: 3, Waited: 0.5},
	}
	for range 20 { // for any order of the map
		sum := p.sum(map[*program]struct{}{open: {}, other: {}})
		if sum.Rows != 35 || sum.Seconds != 9 || sum.Waited != 2.5 || len(sum.Steps) != 2 {
			t.Fatalf("%+v", sum)
		}
	}
}
