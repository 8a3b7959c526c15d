package feed

// setPace takes what a connection's program says of its pace: totals.
func (q *queue) setPace(p *program, pace Pace) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paces[p] = pace
}

// pace is that of all programs of the feed; false: none has told.
func (q *queue) pace() (Pace, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	sum := Pace{Feed: q.cfg.Name}
	for _, p := range q.paces {
		sum.Rows += p.Rows
		sum.Seconds = max(sum.Seconds, p.Seconds)
		sum.Waited = max(sum.Waited, p.Waited)
		sum.Steps = append(sum.Steps, p.Steps...)
	}
	return sum, len(q.paces) > 0
}
