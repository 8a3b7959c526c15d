package reserve

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tfos/internal/exit"
)

// feedState is one feed of the run.
type feedState struct {
	FeedConfig
	sent  map[int]int64 // rows by epoch, of those that ended
	ends  []FeedEnd
	ended bool // the last epoch has, or members repeat the first
	// undecided is the epoch that has ended while it is not known where the
	// next one comes from; -1: none.
	undecided int
	replays   bool
	// stoppedEarly: a member stopped before the feed had ended. What was sent and what
	// members received may differ then.
	stoppedEarly bool
	stopped      map[Place]bool // of each member that takes the feed: it wants no more rows
	announced    bool
	lowWater     *lowWater
}

func newFeedState(c FeedConfig, takers []Place) *feedState {
	f := &feedState{FeedConfig: c, sent: map[int]int64{}, undecided: -1, stopped: map[Place]bool{}, lowWater: newLowWater(takers)}
	for _, p := range takers {
		f.stopped[p] = false
	}
	return f
}

// resendState sends the state of the feed to a member that has reconnected.
func (f *feedState) resendState(r *Roster, p *place) {
	if !p.takesFeed(f.Name) {
		return
	}
	for _, end := range f.ends {
		r.send(p, end)
	}
	if f.replays {
		r.send(p, Replay{f.Name, f.Epochs})
	}
	if f.Synchronous && (f.lowWater.step > 0 || f.lowWater.final) {
		r.send(p, LowWater{f.Name, f.lowWater.step, f.lowWater.final})
	}
}

// applyRenewal stores a renewal. If its counts moved, or the program was at work,
// it is a sign of life.
func (r *Roster) applyRenewal(p *place, renewal Renewal) {
	moved := renewal.Phase != p.renewal.Phase || renewal.LogBytes != p.renewal.LogBytes ||
		renewal.trainingStep() != p.renewal.trainingStep() || renewal.Splits != p.renewal.Splits || renewal.SplitRows != p.renewal.SplitRows || renewal.SplitBytes != p.renewal.SplitBytes || len(renewal.Notes) != len(p.renewal.Notes) ||
		!slices.Equal(renewal.Feeds, p.renewal.Feeds)
	if renewal.Phase != p.renewal.Phase {
		p.phaseSince = r.now
		if renewal.Phase == PhaseFailing {
			p.failingSince = r.now
		}
	}
	measured := !slices.Equal(renewal.GPUs, p.renewal.GPUs)
	p.renewal = renewal
	if moved || renewal.Usage.busy(p.used, r.cfg.Stall()) {
		r.signOfLife(p)
	}
	if moved {
		r.updateFeeds(p)
	}
	if moved || measured {
		r.scheduleProgress()
	}
}

// trainingStep returns the number of updates so far; 0 for members that do not say.
func (r Renewal) trainingStep() int64 {
	if r.Training == nil {
		return 0
	}
	return r.Training.Step
}

// scheduleProgress has Progress emitted as soon as progressEvery allows.
func (r *Roster) scheduleProgress() {
	if r.formed && r.progressDue.IsZero() {
		r.progressDue = r.progressAt.Add(progressEvery)
		if r.progressDue.Before(r.now) {
			r.progressDue = r.now
		}
	}
}

// signOfLife restarts the stall timeout: the member is at work.
func (r *Roster) signOfLife(p *place) {
	p.progressed, p.used = r.now, p.renewal.Usage
	if !r.finishing || r.mayEvaluate(p) {
		r.progressed = r.now
	}
}

// updateFeeds updates the state of the feeds by a member's counts.
func (r *Roster) updateFeeds(p *place) {
	for _, f := range r.feeds {
		var steps, rows int64
		stopped, left, all := false, false, false
		for _, c := range p.counts() {
			if c.Feed == f.Name {
				steps, rows = max(steps, c.StepsHeld), rows+c.Received
				stopped, left = stopped || c.Stopped, left || c.Left
				all = all || c.Ended && c.last() == f.Epochs-1
			}
		}
		r.sendLowWater(f, f.lowWater.setHolding(p.name(), holding{steps, rows, all}))
		if left {
			r.sendLowWater(f, f.lowWater.removeMember(p.name()))
		}
		if stopped {
			r.stopFeed(f, p)
		}
		r.chooseNextEpoch(f)
	}
}

// mergeCounts returns for each feed and epoch the larger of the two counts: renewed
// ones may be older, and counts only grow.
func mergeCounts(counts, renewed []FeedCount) []FeedCount {
	out := slices.Clone(counts)
	for _, c := range renewed {
		i := slices.IndexFunc(out, func(o FeedCount) bool { return o.Feed == c.Feed && o.Epoch == c.Epoch })
		switch {
		case i < 0:
			out = append(out, c)
		case c.Received+c.accounted() > out[i].Received+out[i].accounted():
			out[i] = c
		}
	}
	return out
}

// leaveFeeds marks that a member takes no more rows of any feed: it is gone.
func (r *Roster) leaveFeeds(p *place) {
	for _, f := range r.feeds {
		r.sendLowWater(f, f.lowWater.removeMember(p.name()))
		r.stopFeed(f, p)
	}
}

// stopFeed marks that a member wants no more rows of a feed. The member may still
// take the steps that it holds.
func (r *Roster) stopFeed(f *feedState, p *place) {
	if stopped, takes := f.stopped[p.name()]; stopped || !takes {
		return
	}
	f.stopped[p.name()] = true
	f.stoppedEarly = f.stoppedEarly || !f.ended
	for _, stopped := range f.stopped {
		if !stopped {
			return
		}
	}
	if !f.announced && !f.ended {
		f.announced = true
		r.addEffect(Emit{FeedStopped{f.Name, "no member wants more rows"}})
	}
}

// sendLowWater sends a changed low-water mark to the members that wait for it.
func (r *Roster) sendLowWater(f *feedState, changed bool) {
	if !changed || !f.Synchronous {
		return
	}
	for _, p := range r.living() {
		if p.takesFeed(f.Name) {
			r.send(p, LowWater{f.Name, f.lowWater.step, f.lowWater.final})
		}
	}
}

func (r *Roster) feedEnded(c FeedEnded) {
	i := slices.IndexFunc(r.feeds, func(f *feedState) bool { return f.Name == c.Feed })
	if i < 0 {
		r.decide(Verdict{Code: exit.Internal, Phase: "feed", Cause: fmt.Sprintf("the driver ended feed %q, which the run does not have", c.Feed)})
		return
	}
	f := r.feeds[i]
	if f.ended || r.verdict != nil {
		return
	}
	end := FeedEnd{c.Feed, c.Epoch, c.Last}
	f.sent[c.Epoch] = c.Rows
	f.ends = append(f.ends, end)
	f.ended = c.Last
	f.stoppedEarly = f.stoppedEarly || c.Stopped
	r.progressed = r.now
	for _, p := range r.living() {
		if p.takesFeed(f.Name) {
			r.send(p, end)
		}
	}
	if !c.Last {
		f.undecided = c.Epoch
		r.chooseNextEpoch(f)
		return
	}
	var total int64
	for _, rows := range f.sent {
		total += rows
	}
	r.sendLowWater(f, f.lowWater.endFeed(total))
}

// feedRows returns the account of every member, feed and epoch, in that order.
func (r *Roster) feedRows() []FeedRows {
	out := []FeedRows{}
	for _, p := range r.places {
		for _, c := range p.counts() {
			out = append(out, FeedRows{Member: p.name().String(), Feed: c.Feed, Epoch: c.Epoch, Epochs: c.Epochs,
				Received: c.Received, Trained: c.Trained, Dropped: c.Dropped, Quarantined: c.Quarantined})
		}
	}
	return out
}

// emitProgress emits how far every member is.
func (r *Roster) emitProgress() {
	r.progressAt = r.now
	r.progressDue = time.Time{}
	p := Progress{Feeds: r.feedRows(), AllSplits: r.shares.Splits, AllBytes: r.shares.Bytes, Mirrored: r.mirrored(), GPUs: r.gpus()}
	for _, m := range r.places {
		p.Members = append(p.Members, MemberPhase{Member: m.name().String(), Phase: m.renewal.Phase})
		p.Splits += m.renewal.Splits
		p.Rows += m.renewal.SplitRows
		p.Bytes += m.renewal.SplitBytes
		if m.renewal.Training != nil {
			p.Training = m.renewal.Training
		}
	}
	r.addEffect(Emit{p})
}

// imbalance names the first account that does not add up; "" when all do.
// Only members that reported how they ended have a final account.
func (r *Roster) imbalance() string {
	for _, p := range r.places {
		if p.outcome == nil {
			continue
		}
		for _, c := range p.outcome.Feeds {
			if sum := c.accounted(); c.Received != sum {
				return fmt.Sprintf("%s, feed %s, epoch %d: %d rows received, but %d trained, %d dropped and %d quarantined make %d",
					p.name(), c.Feed, c.Epoch, c.Received, c.Trained, c.Dropped, c.Quarantined, sum)
			}
		}
	}
	for _, f := range r.feeds {
		if s := r.unaccounted(f); s != "" {
			return s
		}
	}
	return ""
}

// unaccounted compares what feed tasks sent with what members received, where
// both are known: every fed member has reported and none stopped early.
func (r *Roster) unaccounted(f *feedState) string {
	if f.stoppedEarly || f.Purpose == Predict {
		return ""
	}
	received := map[int]int64{}
	single := 0 // the latest epoch with an account of its own; those after it share one
	for _, p := range r.places {
		if p.takesFeed(f.Name) && p.outcome == nil {
			return ""
		}
		for _, c := range p.counts() {
			if p.takesFeed(f.Name) && c.Feed == f.Name {
				received[c.Epoch] += c.Received
				single = max(single, c.Epoch)
			}
		}
	}
	sent := map[int]int64{}
	for _, end := range f.ends {
		sent[min(end.Epoch, single)] += f.sent[end.Epoch]
	}
	for _, epoch := range slices.Sorted(maps.Keys(sent)) {
		if sent[epoch] != received[epoch] {
			return fmt.Sprintf("feed %s, epoch %d: %d rows sent, but %d received", f.Name, epoch, sent[epoch], received[epoch])
		}
	}
	return ""
}

// Verdict is how the run ended, with the rows' account; call it after Drained.
// A run that would have succeeded fails when rows are unaccounted for.
func (r *Roster) Verdict() Verdict {
	v := *r.verdict
	v.Feeds = r.feedRows()
	v.Throughput = r.throughput()
	v.Mirrored = r.mirrored()
	v.GPUs = r.gpus()
	for _, f := range v.Feeds {
		v.Rows.Read += f.Received
		v.Rows.Trained += f.Trained
		v.Rows.Dropped += f.Dropped
		v.Rows.Quarantined += f.Quarantined
	}
	if v.Code != exit.Done {
		return v
	}
	if s := r.imbalance(); s != "" {
		v.Code, v.Phase, v.Cause = exit.Internal, "accounting", "rows are unaccounted for: "+s
	}
	return v
}

// Results are the inference results that members reported, in the plan's order.
func (r *Roster) Results() [][]byte {
	var out [][]byte
	for _, p := range r.places {
		if p.outcome != nil && len(p.outcome.Result) > 0 {
			out = append(out, p.outcome.Result)
		}
	}
	return out
}

// Written returns, for each feed that has ended, how many rows the driver has
// reported as sent.
func (r *Roster) Written() map[string]int64 {
	out := map[string]int64{}
	for _, f := range r.feeds {
		if !f.ended {
			continue
		}
		out[f.Name] = 0
		for _, rows := range f.sent {
			out[f.Name] += rows
		}
	}
	return out
}
