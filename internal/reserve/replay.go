package reserve

// chooseNextEpoch decides whether the next epoch of a feed comes from Spark again or
// from the members' caches, as soon as that is known. It comes from the caches if
// every member that takes the feed has reported the end of the first epoch and keeps
// all its rows. If one member has no room, Spark sends every epoch.
func (r *Roster) chooseNextEpoch(f *feedState) {
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
		r.startReplay(f)
	}
	r.addEffect(Emit{FeedNext{f.Name, next, replay}})
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

// startReplay has the members repeat the first epoch's rows.
func (r *Roster) startReplay(f *feedState) {
	f.replays, f.ended = true, true
	for _, p := range r.living() {
		if p.takesFeed(f.Name) {
			r.send(p, Replay{f.Name, f.Epochs})
		}
	}
}
