package feed

// setPace takes what a connection's program says of its pace: totals.
func (q *queue) setPace(p *program, pace Pace) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paces[p] = pace
}

// pace is that of all programs of the feed: connections that have ended came one
// after another, those that are open run side by side. false: none has told.
func (q *queue) pace() (Pace, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	sum := Pace{Feed: q.cfg.Name}
	longest := Pace{}
	for p, pace := range q.paces {
		sum.Rows += pace.Rows
		sum.Steps = append(sum.Steps, pace.Steps...)
		if _, open := q.programs[p]; !open {
			sum.Seconds += pace.Seconds
			sum.Waited += pace.Waited
		} else if pace.Seconds > longest.Seconds {
			longest = pace
		}
	}
	sum.Seconds += longest.Seconds
	sum.Waited += longest.Waited
	return sum, len(q.paces) > 0
}
