package infer

import (
	"sync"
	"time"
)

// batchSizes says how many rows a run of the model takes. Safe for concurrent use.
type batchSizes interface {
	// next returns the most rows of the next run; 0: any number.
	next() int64
	// ran is told how long a run took, without an error.
	ran(rows int64, took time.Duration)
	// short is told that there was memory for rows at most. isNews is false if less was
	// known before.
	short(rows int64) (isNews bool)
}

// givenSize is batchSizes of a job that says how many rows: fewer if memory is short for them.
type givenSize struct {
	mu   sync.Mutex
	most int64 // 0: any number
}

func (g *givenSize) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

func (g *givenSize) ran(int64, time.Duration) {}

func (g *givenSize) short(rows int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.most > 0 && g.most <= rows {
		return false
	}
	g.most = rows
	return true
}

// Sizes of grownSize. Lightning's BatchSizeFinder, in its mode "power", doubles too.
const (
	firstRows = 64
	// MostGrown is the most rows of a batch that grows: a batch is in memory several times.
	MostGrown = 4096
	// runsEach are the runs of one size that are compared. The first prepares the device for
	// the size; the fastest counts, because others share the processors.
	runsEach = 4
	// gain is by how much a row must get cheaper.
	gain = 0.9
	// triesBeyond is how many sizes in a row may bring nothing before the search ends.
	triesBeyond = 3
)

// grownSize is batchSizes of a job that leaves the size to tfos: it doubles as long as there
// is memory and a row gets cheaper, and then stays at the best size.
type grownSize struct {
	mu      sync.Mutex
	size    int64 // of the next run
	most    int64
	runs    int           // of this size, that were measured
	fastest time.Duration // of them
	best    int64         // the size at which a row was cheapest
	cost    float64       // of a row then, in nanoseconds
	beyond  int           // sizes after best
	done    bool
}

func newGrownSize() *grownSize { return &grownSize{size: firstRows, best: firstRows, most: MostGrown} }

func (g *grownSize) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.size
}

// ran implements batchSizes. Runs of other sizes say nothing: the rest of a file, or a search
// for bad rows.
func (g *grownSize) ran(rows int64, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done || rows != g.size {
		return
	}
	if g.runs++; g.runs == 1 || took < g.fastest {
		g.fastest = took
	}
	if g.runs < runsEach {
		return
	}
	cost := float64(g.fastest) / float64(rows)
	if g.cost == 0 || cost < gain*g.cost {
		g.best, g.cost, g.beyond = rows, cost, 0
	} else {
		g.beyond++
	}
	g.runs = 0
	if g.beyond == triesBeyond || 2*g.size > g.most {
		g.size, g.done = g.best, true
		return
	}
	g.size *= 2
}

// short implements batchSizes: it goes back to the best size that fits.
func (g *grownSize) short(rows int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.most <= rows {
		return false
	}
	g.most = rows
	g.best = min(g.best, rows)
	g.size, g.done = g.best, true
	return true
}
