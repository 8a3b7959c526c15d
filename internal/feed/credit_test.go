package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkPool fails the test if the pool's sums are wrong. chunk is the largest
// chunk.
func checkPool(t *testing.T, p *creditPool, open []*credit, chunk int64) {
	t.Helper()
	promised := int64(0)
	for _, c := range open {
		promised += max(c.left, 0)
		if waits := slices.Contains(p.waiting, c); waits != c.waits || waits && c.left > 0 {
			t.Fatalf("a credit of %d bytes waits: %t, it says %t", c.left, waits, c.waits)
		}
	}
	if p.promised != promised || p.open != len(open) || p.held < 0 || p.peak < p.held {
		t.Fatalf("%+v; the credits have %d bytes, there are %d", *p, promised, len(open))
	}
	if len(p.waiting) > len(open) {
		t.Fatalf("%d of %d credits wait", len(p.waiting), len(open))
	}
	if len(p.waiting) > 0 && p.hasRoom() {
		t.Fatalf("%d credits wait though there is room: %+v", len(p.waiting), *p)
	}
	if bound := p.limit + int64(len(open)+1)*chunk; p.held > bound {
		t.Fatalf("%d bytes held, the bound is %d", p.held, bound)
	}
}

// TestCreditPool plays random streams on the pool alone.
func TestCreditPool(t *testing.T) {
	const chunk = 3_000
	for _, limit := range []int64{1, 5_000, 100_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			for seed := range uint64(40) {
				playPool(t, rand.New(rand.NewPCG(seed, 9)), limit, chunk)
			}
		})
	}
}

func playPool(t *testing.T, random *rand.Rand, limit, chunk int64) {
	t.Helper()
	p := &creditPool{limit: limit}
	var open []*credit
	var held []int64
	for range 2_000 {
		switch random.IntN(5) {
		case 0: // a chunk is handed out
			if len(held) > 0 {
				p.free(held[0])
				held = held[1:]
			}
		case 1: // a stream comes, or goes
			if len(open) < 6 {
				c := p.openCredit(0, newOutbox())
				open = append(open, &c)
				p.refill(&c)
			} else if random.IntN(4) == 0 {
				p.closeCredit(open[0])
				if open[0].left != 0 {
					t.Fatalf("%d bytes are promised to one that has gone", open[0].left)
				}
				open = open[1:]
			}
		default: // a stream sends
			if len(open) == 0 {
				continue
			}
			if c := open[random.IntN(len(open))]; c.left > 0 {
				size := 1 + random.Int64N(chunk)
				p.holdChunk(c, size)
				held = append(held, size)
				p.refill(c)
			}
		}
		checkPool(t, p, open, chunk)
	}
}

// TestCreditOrder: streams whose credit ran out get credit in that order.
func TestCreditOrder(t *testing.T) {
	p := &creditPool{limit: 100}
	var all []*credit
	for range 3 {
		c := p.openCredit(0, newOutbox())
		all = append(all, &c)
		p.refill(&c)
	}
	for _, i := range []int{2, 0, 1} {
		p.holdChunk(all[i], 100)
		p.refill(all[i])
		all[i].out.takeCredit()
	}
	p.free(200)
	var order []int
	for range 3 {
		p.free(1) // room for a promise of one byte
		for i, c := range all {
			if c.out.takeCredit() > 0 {
				order = append(order, i)
				p.holdChunk(c, 1)
			}
		}
	}
	if !slices.Equal(order, []int{2, 0, 1}) {
		t.Errorf("granted in the order %v", order)
	}
}

// TestCreditTotals: only streams of the epoch that wait for credit get totals.
func TestCreditTotals(t *testing.T) {
	p := &creditPool{limit: 10}
	var all []*credit
	for _, epoch := range []int{0, 0, 1} {
		c := p.openCredit(epoch, newOutbox())
		all = append(all, &c)
		p.refill(&c)
	}
	for _, i := range []int{0, 2} {
		p.holdChunk(all[i], 100)
		p.refill(all[i])
	}
	p.sendTotal(0, 7)
	if got := []int64{all[0].out.total, all[1].out.total, all[2].out.total}; !slices.Equal(got, []int64{7, -1, -1}) {
		t.Errorf("totals %v", got)
	}
}
