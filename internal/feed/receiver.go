package feed

import (
	"fmt"
)

// Receiver is the feed side of one member: its named feeds, each with a bounded
// queue between feed tasks and the program. All methods are safe for concurrent
// use. It starts no goroutine that outlives the Serve call that needed it.
type Receiver struct {
	token   string
	feeds   map[string]*queue
	names   []string // in the order of the configuration
	changed chan struct{}
}

// Count has the row counts of one feed and epoch. At the end of the member
// (after Stop or Fail) Received = Trained + Dropped + Quarantined.
type Count struct {
	Feed        string
	Epoch       int
	Received    int64 // accepted from feed tasks
	Trained     int64 // handed to the program
	Dropped     int64 // beyond the quota, or not handed out
	Quarantined int64 // always 0 here: bad rows do not reach a member
	StepsHeld   int64 // whole batches received, over all epochs of the feed
	Stopped     bool  // the member wants no more rows of the feed
	Left        bool  // the member also hands out no more rows; at its quota it still does
	Ended       bool  // the epoch has ended: Received is final
	Cached      bool  // all rows of the epoch received so far are in the cache
	Epochs      int   // number of epochs in this entry, from Epoch on; 0 means 1
}

// NewReceiver returns the receiver of a member ("worker:0", the key in
// Config.QuotaRows) for its feeds. Feed tasks must send token, the run's
// secret. Caches are files in folder, which the caller removes.
func NewReceiver(cfgs []Config, token, member, folder string) *Receiver {
	r := &Receiver{token: token, feeds: map[string]*queue{}, changed: make(chan struct{}, 1)}
	for _, cfg := range cfgs {
		r.names = append(r.names, cfg.Name)
		r.feeds[cfg.Name] = newQueue(cfg, member, folder, r.notify)
	}
	return r
}

// EndFeed records that every partition of epoch was sent and acknowledged. last
// says that no epoch follows. The program learns it after the last row. An
// unknown feed is an error. Repeated calls change nothing.
func (r *Receiver) EndFeed(feed string, epoch int, last bool) error {
	q, err := r.feed(feed)
	if err != nil {
		return err
	}
	q.endEpoch(epoch, last)
	return nil
}

// Replay repeats feed's first epoch from the cache. epochs is the number of all
// epochs. Before this call every member must have reported Ended and Cached for
// the first epoch.
func (r *Receiver) Replay(feed string, epochs int) error {
	q, err := r.feed(feed)
	if err != nil {
		return err
	}
	q.replay(epochs)
	return nil
}

// SetLowWater records that every worker holds step whole batches of feed, which
// permits the steps up to step. final says that no later step will ever be
// permitted. A mark below an earlier one is ignored.
func (r *Receiver) SetLowWater(feed string, step int64, final bool) error {
	q, err := r.feed(feed)
	if err != nil {
		return err
	}
	q.setLowWater(step, final)
	return nil
}

// Stop ends all feeds for good. It drops queued rows. Feed tasks get STOP, and
// an attached program gets EPOCH_END.
func (r *Receiver) Stop(reason string) { r.closeFeeds(reason, false) }

// Fail is Stop for the case that the program is gone. STOP says that too.
func (r *Receiver) Fail(reason string) { r.closeFeeds(reason, true) }

// Counts returns the current counts, by feed in the order of the configuration,
// then by epoch. Epochs from countedEpochs-1 on share one entry. A feed without
// rows has one entry, of epoch 0.
func (r *Receiver) Counts() []Count {
	var out []Count
	for _, name := range r.names {
		out = append(out, r.feeds[name].counts()...)
	}
	return out
}

// Paces returns how fast programs took rows, by feed in the order of the
// configuration. It omits feeds whose programs reported none.
func (r *Receiver) Paces() []Pace {
	var out []Pace
	for _, name := range r.names {
		if p, ok := r.feeds[name].pace(); ok {
			out = append(out, p)
		}
	}
	return out
}

// Changed delivers a value after StepsHeld of a synchronous feed, or Stopped or
// Ended of any feed, has changed. The supervisor then reports Counts at once.
// Several changes may share one value. There must be only one reader.
func (r *Receiver) Changed() <-chan struct{} { return r.changed }

func (r *Receiver) closeFeeds(reason string, failed bool) {
	for _, name := range r.names {
		r.feeds[name].close(reason, failed)
	}
}

func (r *Receiver) feed(name string) (*queue, error) {
	q, ok := r.feeds[name]
	if !ok {
		return nil, fmt.Errorf("feed: no feed %q: %w", name, ErrProtocol)
	}
	return q, nil
}

func (r *Receiver) notify() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}
