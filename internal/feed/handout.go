package feed

// duty is what a program's connection has to write next. typ 0: nothing.
type duty struct {
	typ       byte
	item      item
	epoch     int
	end       EpochEnd
	permitted Permitted
}

// next says what p's connection has to write. The caller writes it and, after
// a batch, releases its room.
func (q *queue) next(p *program) duty {
	q.mu.Lock()
	defer q.mu.Unlock()
	if answer, ok := q.permit(p); ok {
		return duty{typ: TypePermitted, permitted: answer}
	}
	q.advance()
	if p.epoch < q.current {
		end := EpochEnd{Feed: q.cfg.Name, Epoch: p.epoch, Last: q.done && p.epoch == q.current-1}
		p.epoch++
		return duty{typ: TypeEpochEnd, end: end, item: item{schema: q.schema}}
	}
	e := q.epochs[q.current]
	if q.done || e == nil || len(e.items) == 0 || p.credit == 0 {
		return duty{}
	}
	it := e.items[0]
	e.items[0] = item{} // let the bytes go
	e.items = e.items[1:]
	p.credit--
	if it.data == nil {
		return duty{typ: TypeCached, item: it, epoch: q.current}
	}
	return duty{typ: TypeBatch, item: it, epoch: q.current}
}

// advance moves current past epochs that are wholly handed out.
func (q *queue) advance() {
	for !q.done {
		e := q.epochs[q.current] // nil: nothing came of it yet
		if e == nil && q.replays && !q.stopped() {
			q.repeat()
			continue
		}
		if e != nil && len(e.items) > 0 {
			return
		}
		ended := e != nil && e.ended
		last := q.closed || (ended && q.last == q.current) || (q.full && !q.laterItems())
		if !last && !ended {
			return
		}
		q.done = last
		q.current++
	}
}

func (q *queue) laterItems() bool {
	for n, e := range q.epochs {
		if n > q.current && len(e.items) > 0 {
			return true
		}
	}
	return false
}

// permit decides on the step that p asked for, if it can be decided.
func (q *queue) permit(p *program) (Permitted, bool) {
	if p.asked == 0 {
		return Permitted{}, false
	}
	answer := Permitted{Feed: q.cfg.Name, Step: p.asked}
	switch {
	case q.closed:
	case !q.cfg.Synchronous || p.asked <= q.lowWater:
		answer.Go = true
	case q.final:
	case q.quota > 0 && p.asked*int64(q.cfg.BatchRows) > q.quota:
	default:
		return Permitted{}, false
	}
	p.asked = 0
	return answer, true
}

// trained counts the rows that p took of an epoch: rows is p's total.
func (q *queue) trained(p *program, number int, rows int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if rows <= p.trained[number] {
		return
	}
	q.epoch(number).trained += rows - p.trained[number]
	p.trained[number] = rows
}

// ask records that p wants leave for a step.
func (q *queue) ask(p *program, step int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.asked = step
	p.wakeUp()
}

// allow gives p credit for so many more chunks.
func (q *queue) allow(p *program, chunks int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.credit += chunks
	p.wakeUp()
}

func (q *queue) attach(p *program) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.programs[p] = struct{}{}
}

func (q *queue) detach(p *program) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.programs, p)
}
