package reserve

// messageFilter passes the server's messages to a member's Handler, each of them
// once. After a reconnect the server repeats the state of the run.
type messageFilter struct {
	handler       Handler
	registered    bool
	generation    int
	trainingEnded bool
	marks         map[string]LowWater
	feedEnds      map[FeedEnd]bool
	replays       map[string]bool
}

func newMessageFilter(h Handler) *messageFilter {
	return &messageFilter{handler: h, marks: map[string]LowWater{}, feedEnds: map[FeedEnd]bool{}, replays: map[string]bool{}}
}

func (f *messageFilter) deliverRegistered(m Registered) {
	if f.registered {
		return
	}
	f.registered = true
	if f.handler.Registered != nil {
		f.handler.Registered(m)
	}
}

func (f *messageFilter) deliver(m Message) {
	switch m := m.(type) {
	case Cluster:
		if m.Generation > f.generation {
			f.generation = m.Generation
			if f.handler.Cluster != nil {
				f.handler.Cluster(m)
			}
		}
	case TrainingEnded:
		if !f.trainingEnded {
			f.trainingEnded = true
			if f.handler.TrainingEnded != nil {
				f.handler.TrainingEnded()
			}
		}
	case LowWater:
		if last, ok := f.marks[m.Feed]; !ok || m.Step > last.Step || m.Final && !last.Final {
			f.marks[m.Feed] = m
			if f.handler.LowWater != nil {
				f.handler.LowWater(m)
			}
		}
	case FeedEnd:
		if !f.feedEnds[m] {
			f.feedEnds[m] = true
			if f.handler.FeedEnd != nil {
				f.handler.FeedEnd(m)
			}
		}
	case Replay:
		if !f.replays[m.Feed] {
			f.replays[m.Feed] = true
			if f.handler.Replay != nil {
				f.handler.Replay(m)
			}
		}
	case Stop:
		if f.handler.Stop != nil {
			f.handler.Stop(m.Reason)
		}
	}
}
