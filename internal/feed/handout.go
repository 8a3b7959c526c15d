package feed

// Methods of the queue for programs' connections.

// programFrame is the next frame for a program's connection. typ 0 means none.
type programFrame struct {
	typ       byte
	item      item
	epoch     int
	end       EpochEnd
	permitted Permitted
}

// nextFrame returns the next frame for p's connection. The caller writes it
// and, after a chunk, calls releaseItem.
func (q *queue) nextFrame(p *program) programFrame {
	q.mu.Lock()
	defer q.unlock()
	if answer, ok := q.decideStep(p); ok {
		return programFrame{typ: TypePermitted, permitted: answer}
	}
	q.advance()
	if current := q.epochs.current; p.epoch < current {
		end := EpochEnd{Feed: q.cfg.Name, Epoch: p.epoch, Last: q.epochs.done && p.epoch == current-1}
		p.epoch++
		return programFrame{typ: TypeEpochEnd, end: end, item: item{schema: q.schema}}
	}
	if p.credit == 0 {
		return programFrame{}
	}
	it, ok := q.epochs.takeItem()
	if !ok {
		return programFrame{}
	}
	p.credit--
	if it.data == nil {
		return programFrame{typ: TypeCached, item: it, epoch: q.epochs.current}
	}
	return programFrame{typ: TypeBatch, item: it, epoch: q.epochs.current}
}

// advance moves to the epoch to hand out. It begins that epoch if it comes from
// the cache.
func (q *queue) advance() {
	q.epochs.advance(q.stop.intake)
	for q.epochs.awaitsReplay() && !q.stop.stopped() {
		q.replayEpoch()
		q.epochs.advance(q.stop.intake)
	}
}

// replayEpoch begins the current epoch with the first epoch's chunks.
func (q *queue) replayEpoch() {
	e := q.epochs.epochAt(q.epochs.current)
	e.ended = true
	for _, it := range q.epochs.replayOrder(q.cfg) {
		if q.stop.stopped() {
			break
		}
		it.use = uint32(q.receiveRows(e, int64(it.use), true))
		e.items = append(e.items, it)
		q.stopAtQuota()
	}
	if q.cfg.Synchronous || q.epochs.last == q.epochs.current {
		q.notify()
	}
}

// decideStep answers the step that p requested. false: p requested none, or the
// answer depends on a later low-water mark.
func (q *queue) decideStep(p *program) (Permitted, bool) {
	if p.requestedStep == 0 {
		return Permitted{}, false
	}
	permitted, decided := q.steps.decide(p.requestedStep)
	if q.stop.closed() {
		permitted, decided = false, true
	}
	if !decided {
		return Permitted{}, false
	}
	answer := Permitted{Feed: q.cfg.Name, Step: p.requestedStep, Go: permitted}
	p.requestedStep = 0
	return answer, true
}

// setTrained counts the rows of an epoch that p took. rows is p's total.
func (q *queue) setTrained(p *program, number int, rows int64) {
	q.mu.Lock()
	defer q.unlock()
	if rows <= p.trained[number] {
		return
	}
	q.epochs.epochAt(number).trained += rows - p.trained[number]
	p.trained[number] = rows
}

// requestStep records that p requests a step.
func (q *queue) requestStep(p *program, step int64) {
	q.mu.Lock()
	defer q.unlock()
	p.requestedStep = step
	p.wakeUp()
}

// addProgramCredit allows p to be sent this many more chunks.
func (q *queue) addProgramCredit(p *program, chunks int) {
	q.mu.Lock()
	defer q.unlock()
	p.credit += chunks
	p.wakeUp()
}

func (q *queue) addProgram(p *program) {
	q.mu.Lock()
	defer q.unlock()
	q.programs[p] = struct{}{}
}

func (q *queue) removeProgram(p *program) {
	q.mu.Lock()
	defer q.unlock()
	delete(q.programs, p)
}

// setPace stores the pace that a connection's program reported, in totals.
func (q *queue) setPace(p *program, pace Pace) {
	q.mu.Lock()
	defer q.unlock()
	q.paces[p] = pace
}

// pace returns the pace of all programs of the feed. false: no program has
// reported any.
func (q *queue) pace() (Pace, bool) {
	q.mu.Lock()
	defer q.unlock()
	sum := q.paces.sum(q.programs)
	sum.Feed = q.cfg.Name
	return sum, len(q.paces) > 0
}

// place returns the place of a chunk that the program reads by itself.
func (q *queue) place(it item, epoch int) Cached {
	c := Cached{
		Bytes: it.size, Epoch: epoch, Rows: int(it.use), Partition: int(it.partition), FirstRow: int64(it.first),
	}
	if it.slot < 0 {
		c.Path, c.Offset = q.cache.path, it.at
		return c
	}
	memory := q.memory()
	c.Path, c.Inode, c.Slot = memory.about.Path, memory.about.Inode, &it.slot
	c.Offset = int64(it.slot) * slotBytes
	return c
}

// lendSlot records that p reads a chunk in its slot.
func (q *queue) lendSlot(p *program, it item) {
	q.mu.Lock()
	defer q.unlock()
	p.lent[it.slot] = it.size
}

// takeBackSlots takes back slots that p no longer reads. false: p did not have
// all of them.
func (q *queue) takeBackSlots(p *program, slots []int) bool {
	q.mu.Lock()
	defer q.unlock()
	for _, slot := range slots {
		size, ok := p.lent[slot]
		if !ok {
			return false
		}
		delete(p.lent, slot)
		q.slots.putSlot(slot, size)
	}
	return true
}

// releaseItem frees a chunk's room after the chunk was written. It also frees
// its slot, unless the slot is lent to the program.
func (q *queue) releaseItem(it item, lent bool) {
	q.mu.Lock()
	defer q.unlock()
	q.credit.free(int64(len(it.data)))
	if it.slot < 0 {
		freeBuffer(it.data)
	} else if !lent {
		q.slots.putSlot(it.slot, it.size)
	}
}
