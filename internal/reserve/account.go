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
	// early: somebody stopped before the feed had ended, so that what was
	// sent need not have arrived.
	early     bool
	stopped   map[Place]bool // those who take it: wants no more
	announced bool
	mark      *lowWater
}

func newFeedState(c FeedConfig, takers []Place) *feedState {
	f := &feedState{FeedConfig: c, sent: map[int]int64{}, undecided: -1, stopped: map[Place]bool{}, mark: newLowWater(takers)}
	for _, p := range takers {
		f.stopped[p] = false
	}
	return f
}

// retell tells a member that came back where the feed is.
func (f *feedState) retell(r *Roster, p *place) {
	if !p.takes(f.Name) {
		return
	}
	for _, end := range f.ends {
		r.send(p, end)
	}
	if f.replays {
		r.send(p, Replay{f.Name, f.Epochs})
	}
	if f.Synchronous && (f.mark.step > 0 || f.mark.final) {
		r.send(p, LowWater{f.Name, f.mark.step, f.mark.final})
	}
}

// advance takes a renewal's counts and notes whether they moved, or the program
// was at work.
func (r *Roster) advance(p *place, renewal Renewal) {
	moved := renewal.Phase != p.renewal.Phase || renewal.LogBytes != p.renewal.LogBytes ||
		renewal.Splits != p.renewal.Splits || renewal.SplitRows != p.renewal.SplitRows || renewal.SplitBytes != p.renewal.SplitBytes || len(renewal.Notes) != len(p.renewal.Notes) ||
		!slices.Equal(renewal.Feeds, p.renewal.Feeds)
	if renewal.Phase != p.renewal.Phase {
		p.phased = r.now
		if renewal.Phase == PhaseFailing {
			p.failing = r.now
		}
	}
	p.renewal = renewal
	if moved || renewal.Usage.busy(p.used, r.cfg.Stall()) {
		r.signOfLife(p)
	}
	if !moved {
		return
	}
	r.recount(p)
	if r.formed && r.progressDue.IsZero() {
		r.progressDue = r.progressAt.Add(progressEvery)
		if r.progressDue.Before(r.now) {
			r.progressDue = r.now
		}
	}
}

// signOfLife puts off the stall: the member is at work.
func (r *Roster) signOfLife(p *place) {
	p.progressed, p.used = r.now, p.renewal.Usage
	if !r.finishing || r.mayEvaluate(p) {
		r.progressed = r.now
	}
}

// recount brings the feeds up to a member's counts.
func (r *Roster) recount(p *place) {
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
		r.marked(f, f.mark.hold(p.name(), holding{steps, rows, all}))
		if left {
			r.marked(f, f.mark.leave(p.name()))
		}
		if stopped {
			r.stopFeed(f, p)
		}
		r.settle(f)
	}
}

// later brings counts up to renewed ones, which may be older: the counts of
// one feed and epoch only grow.
func later(counts, renewed []FeedCount) []FeedCount {
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

// leaveFeeds says that a member is gone: it takes no more rows of any feed.
func (r *Roster) leaveFeeds(p *place) {
	for _, f := range r.feeds {
		r.marked(f, f.mark.leave(p.name()))
		r.stopFeed(f, p)
	}
}

// stopFeed says that a member wants no more rows; it may still take the steps
// that it holds.
func (r *Roster) stopFeed(f *feedState, p *place) {
	if stopped, takes := f.stopped[p.name()]; stopped || !takes {
		return
	}
	f.stopped[p.name()] = true
	f.early = f.early || !f.ended
	for _, stopped := range f.stopped {
		if !stopped {
			return
		}
	}
	if !f.announced && !f.ended {
		f.announced = true
		r.do(Emit{FeedStopped{f.Name, "no member wants more rows"}})
	}
}

// marked sends a changed low-water mark to the members that wait for it.
func (r *Roster) marked(f *feedState, changed bool) {
	if !changed || !f.Synchronous {
		return
	}
	for _, p := range r.living() {
		if p.takes(f.Name) {
			r.send(p, LowWater{f.Name, f.mark.step, f.mark.final})
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
	r.progressed = r.now
	for _, p := range r.living() {
		if p.takes(f.Name) {
			r.send(p, end)
		}
	}
	if !c.Last {
		f.undecided = c.Epoch
		r.settle(f)
		return
	}
	var total int64
	for _, rows := range f.sent {
		total += rows
	}
	r.marked(f, f.mark.end(total))
}

// feedRows is the account of every member, feed and epoch, in that order.
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

// progress tells the driver how far everybody is.
func (r *Roster) progress() {
	r.progressAt = r.now
	r.progressDue = time.Time{}
	p := Progress{Feeds: r.feedRows(), AllSplits: r.shares.Splits, AllBytes: r.shares.Bytes}
	for _, m := range r.places {
		p.Members = append(p.Members, MemberPhase{Member: m.name().String(), Phase: m.renewal.Phase})
		p.Splits += m.renewal.Splits
		p.Rows += m.renewal.SplitRows
		p.Bytes += m.renewal.SplitBytes
	}
	r.do(Emit{p})
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
// both are known: every fed member has reported and nobody stopped early.
func (r *Roster) unaccounted(f *feedState) string {
	if f.early || f.Answered {
		return ""
	}
	received := map[int]int64{}
	single := 0 // the latest epoch with an account of its own; those after it share one
	for _, p := range r.places {
		if p.takes(f.Name) && p.outcome == nil {
			return ""
		}
		for _, c := range p.counts() {
			if p.takes(f.Name) && c.Feed == f.Name {
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

// Written are the rows, by feed, that the driver said were all: of feeds that
// have ended.
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
