package feed

// feedRequest is a frame of a program about one feed.
type feedRequest interface {
	feedName() string
	// apply executes p's request on q. false: p may not request that.
	apply(q *queue, p *program) bool
}

// newRequest returns the value to decode a frame of type typ into. nil: a
// program may not send that type.
func newRequest(typ byte) feedRequest {
	switch typ {
	case TypeNext:
		return &NextChunks{}
	case TypeTrained:
		return &Trained{}
	case TypePace:
		return &Pace{}
	case TypeTerminate:
		return &Terminate{}
	case TypePermit:
		return &Permit{}
	}
	return nil
}

func (n *NextChunks) feedName() string { return n.Feed }
func (t *Trained) feedName() string    { return t.Feed }
func (p *Pace) feedName() string       { return p.Feed }
func (t *Terminate) feedName() string  { return t.Feed }
func (s *Permit) feedName() string     { return s.Feed }

func (n *NextChunks) apply(q *queue, p *program) bool {
	if n.Chunks < 0 || !q.takeBackSlots(p, n.Freed) {
		return false
	}
	q.addProgramCredit(p, n.Chunks)
	return true
}

func (t *Trained) apply(q *queue, p *program) bool {
	if t.Epoch < 0 {
		return false
	}
	q.setTrained(p, t.Epoch, t.Rows)
	return true
}

func (p *Pace) apply(q *queue, of *program) bool {
	q.setPace(of, *p)
	return true
}

func (*Terminate) apply(q *queue, _ *program) bool {
	q.close("the program wants no more rows", false)
	return true
}

func (s *Permit) apply(q *queue, p *program) bool {
	if s.Step <= 0 {
		return false
	}
	q.requestStep(p, s.Step)
	return true
}
