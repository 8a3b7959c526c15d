package reserve

// lowWater is the low-water mark of one synchronous feed: the number of whole
// batches that every fed member holds. Members may take step s only up to it.
//
// It is final, and never moves again, in three cases. A member has left: the others
// can take no step without it. A member that holds the fewest has all rows that it
// will get. Or the feed has ended and members have reported every row that was sent:
// reports lag behind the feed's end, and until then the mark may rise.
type lowWater struct {
	held       map[Place]holding
	total      int64 // rows sent, once ended
	ended      bool
	memberLeft bool

	step  int64
	final bool
}

// holding is what one member holds: totals over all epochs. all: it gets no more.
type holding struct {
	steps, rows int64
	all         bool
}

func newLowWater(members []Place) *lowWater {
	w := &lowWater{held: map[Place]holding{}}
	for _, p := range members {
		w.held[p] = holding{}
	}
	return w
}

// setHolding raises what a member holds. Lower counts than before change nothing.
// The result says whether the mark has changed, as it does in the methods below.
func (w *lowWater) setHolding(p Place, now holding) bool {
	h, known := w.held[p]
	if !known {
		return false
	}
	w.held[p] = holding{max(h.steps, now.steps), max(h.rows, now.rows), h.all || now.all}
	return w.update()
}

// removeMember marks that a member takes no more rows.
func (w *lowWater) removeMember(p Place) bool {
	if _, known := w.held[p]; !known {
		return false
	}
	w.memberLeft = true
	return w.update()
}

// endFeed marks that total rows were sent over all epochs, and none will follow.
func (w *lowWater) endFeed(total int64) bool {
	w.ended, w.total = true, total
	return w.update()
}

func (w *lowWater) update() bool {
	if w.final || len(w.held) == 0 {
		return false
	}
	step, rows, all := int64(-1), int64(0), false
	for _, h := range w.held {
		rows += h.rows
		switch {
		case step < 0 || h.steps < step:
			step, all = h.steps, h.all
		case h.steps == step:
			all = all || h.all
		}
	}
	final := w.memberLeft || all || w.ended && rows >= w.total
	changed := step != w.step || final
	w.step, w.final = step, final
	return changed
}
