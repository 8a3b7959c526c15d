package feed

// stepGate decides which steps of a feed the program may take. It is not safe
// for concurrent use: queue.mu guards it.
type stepGate struct {
	synchronous bool  // workers wait for each other; otherwise every step is permitted
	batchRows   int64 // of one step; 0: steps are not counted
	quotaRows   int64 // of this member; 0: no limit
	lowWater    int64 // number of steps for which every worker holds rows
	final       bool  // lowWater will never rise
}

func newStepGate(cfg Config, quotaRows int64) stepGate {
	return stepGate{synchronous: cfg.Synchronous, batchRows: int64(cfg.BatchRows), quotaRows: quotaRows}
}

// raiseLowWater raises the low-water mark. A mark lower than before changes
// nothing, and a final mark stays final.
func (g *stepGate) raiseLowWater(step int64, final bool) {
	g.lowWater = max(g.lowWater, step)
	g.final = g.final || final
}

// stepsIn returns the number of whole batches in this many rows.
func (g *stepGate) stepsIn(rows int64) int64 {
	if g.batchRows <= 0 {
		return 0
	}
	return rows / g.batchRows
}

// decide says whether step (from 1) is permitted. decided is false if that
// depends on a later low-water mark.
func (g *stepGate) decide(step int64) (permitted, decided bool) {
	switch {
	case !g.synchronous || step <= g.lowWater:
		return true, true
	case g.final:
		return false, true
	case g.quotaRows > 0 && step*g.batchRows > g.quotaRows:
		return false, true
	}
	return false, false
}
