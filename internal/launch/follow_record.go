package launch

import (
	"context"
	"fmt"
	"time"

	"tfos/internal/record"
)

// stage is how far a driver has come, by its record. Later stages are greater.
type stage int

const (
	stageUnbegun stage = iota // the record has nothing of the driver
	stageBegun                // the driver writes the record
	stageUp                   // its SparkContext has started
	stageFormed               // all members are there
)

// driver is what the record says of the run's driver.
type driver struct {
	record  *record.Follower
	stage   stage
	said    *record.Verdict // among its events; nil: none
	verdict *record.Verdict // of the record, whoever has written it; nil: none is known
	judged  time.Time       // when one of the two was seen first
}

// hasJudged says that a verdict of the run is known.
func (d *driver) hasJudged() bool { return d.verdict != nil || d.said != nil }

// last is the verdict that counts. There must be one.
func (d *driver) last() record.Verdict {
	if d.verdict != nil {
		return *d.verdict
	}
	return *d.said
}

// readRecord reads what is new in the record.
func (f *following) readRecord(ctx context.Context, now time.Time) {
	d := &f.driver
	entries, err := d.record.Next(ctx)
	if err != nil {
		f.warn("record", fmt.Sprintf("the run's record cannot be read: %v", err))
		return
	}
	for _, entry := range entries {
		f.handleEvent(entry.Event)
	}
	if len(entries) > 0 {
		d.stage, f.heard = max(d.stage, stageBegun), now
	}
	if d.verdict == nil && (d.said != nil || f.app.standing == appEnded || f.app.standing == appUnknown) {
		if d.verdict, err = d.record.Verdict(ctx); err != nil {
			f.warn("record", fmt.Sprintf("the run's verdict cannot be read: %v", err))
		}
	}
	if d.judged.IsZero() && d.hasJudged() {
		d.judged = now
	}
}

// handleEvent notes an event of the driver, and reports it. nil is an event of a newer tfos.
func (f *following) handleEvent(event record.Event) {
	switch e := event.(type) {
	case nil:
		return
	case record.Verdict:
		f.driver.said = &e
		return // the report has it
	case record.Context:
		f.driver.stage, f.app.ID = max(f.driver.stage, stageUp), e.Application
	case record.Formed:
		f.driver.stage = stageFormed
	}
	f.c.Event(event)
}
