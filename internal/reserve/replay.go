package reserve

// settle decides where the next epoch of a feed comes from, as soon as that can
// be known: from Spark again, or from the members' caches. For the latter every
// member that takes the feed must have said that the first epoch has ended there
// and that it has all its rows; one that has no room for them, and the feed is
// sent anew each time.
func (r *Roster) settle(f *feedState) {
	if f.undecided < 0 || r.verdict != nil {
		return
	}
	replay := f.Cached && f.undecided == 0
	if replay {
		for _, p := range r.places {
			if stopped, takes := f.stopped[p.name()]; stopped || !takes {
				continue
			}
			c, ended := p.firstEpoch(f.Name)
			if !ended {
				return
			}
			replay = replay && c.Cached
		}
	}
	next := f.undecided + 1
	f.undecided = -1
	if replay {
		r.replay(f)
	}
	r.do(Emit{FeedNext{f.Name, next, replay}})
}

// firstEpoch is the final account of a feed's first epoch.
func (p *place) firstEpoch(feed string) (FeedCount, bool) {
	for _, c := range p.counts() {
		if c.Feed == feed && c.Epoch == 0 && c.Ended {
			return c, true
		}
	}
	return FeedCount{}, false
}

// replay has the members repeat the first epoch's rows.
func (r *Roster) replay(f *feedState) {
	f.replays, f.ended = true, true
	for _, p := range r.living() {
		if p.takes(f.Name) {
			r.send(p, Replay{f.Name, f.Epochs})
		}
	}
}
