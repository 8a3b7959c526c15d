package reserve

// heard hands a member what the server says, without what it was told before:
// after a reconnect the server repeats the state of the run.
type heard struct {
	handler    Handler
	met        bool
	generation int
	trained    bool
	marks      map[string]LowWater
	ends       map[FeedEnd]bool
	replays    map[string]bool
}

func newHeard(h Handler) *heard {
	return &heard{handler: h, marks: map[string]LowWater{}, ends: map[FeedEnd]bool{}, replays: map[string]bool{}}
}

func (h *heard) registered(m Registered) {
	if h.met {
		return
	}
	h.met = true
	if h.handler.Registered != nil {
		h.handler.Registered(m)
	}
}

func (h *heard) deliver(m Message) {
	switch m := m.(type) {
	case Cluster:
		if m.Generation > h.generation {
			h.generation = m.Generation
			if h.handler.Cluster != nil {
				h.handler.Cluster(m)
			}
		}
	case TrainingEnded:
		if !h.trained {
			h.trained = true
			if h.handler.TrainingEnded != nil {
				h.handler.TrainingEnded()
			}
		}
	case LowWater:
		if last, ok := h.marks[m.Feed]; !ok || m.Step > last.Step || m.Final && !last.Final {
			h.marks[m.Feed] = m
			if h.handler.LowWater != nil {
				h.handler.LowWater(m)
			}
		}
	case FeedEnd:
		if !h.ends[m] {
			h.ends[m] = true
			if h.handler.FeedEnd != nil {
				h.handler.FeedEnd(m)
			}
		}
	case Replay:
		if !h.replays[m.Feed] {
			h.replays[m.Feed] = true
			if h.handler.Replay != nil {
				h.handler.Replay(m)
			}
		}
	case Stop:
		if h.handler.Stop != nil {
			h.handler.Stop(m.Reason)
		}
	}
}
