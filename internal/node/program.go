package node

import (
	"context"
	"slices"
	"sync"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

const (
	phaseStarting  = "starting"  // the program has not said anything yet
	phaseImporting = "importing" // what runs comes after it
)

// programReport is what a member's program has told of itself: the PHASE,
// FAILED, PROGRESS, RESULT and NOTE frames of all its connections.
type programReport struct {
	mu       sync.Mutex
	attached bool
	phase    string
	failure  *feed.Failure // the first: later ones follow from it
	progress feed.ProgressReport
	result   []byte
	notes    []reserve.Note
	trained  latch         // training has ended
	fed      latch         // predict tasks have given all rows
	running  chan struct{} // closed when it runs, or has ended
	complete chan struct{} // closed when it has returned or failed: its process is about to end
	over     string        // why it runs no more; "": it may
	late     bool          // its process was killed because it did not end; live's goroutine
}

func newProgramReport() *programReport {
	return &programReport{phase: phaseStarting, running: make(chan struct{}), complete: make(chan struct{})}
}

func (p *programReport) attach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attached = true
}

func (p *programReport) setPhase(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
	switch phase {
	case reserve.PhaseRunning:
		p.open()
	case reserve.PhaseEnded:
		p.finish()
	}
}

// end says that the program runs no more.
func (p *programReport) end(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = why
	p.open()
}

// finish says that the program has told how it ends.
func (p *programReport) finish() {
	select {
	case <-p.complete:
	default:
		close(p.complete)
	}
}

func (p *programReport) open() {
	select {
	case <-p.running:
	default:
		close(p.running)
	}
}

// await waits until the program runs; over says why it does not.
func (p *programReport) await(ctx context.Context) (over string, err error) {
	select {
	case <-p.running:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over, nil
}

func (p *programReport) fail(f feed.Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure, p.phase = &f, reserve.PhaseFailing
		p.finish()
	}
}

func (p *programReport) setProgress(r feed.ProgressReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress = r
}

func (p *programReport) setResult(result []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result = result
}

func (p *programReport) note(n reserve.Note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, n)
}

// programSummary is a copy of a programReport.
type programSummary struct {
	attached bool
	phase    string
	failure  *feed.Failure
	progress feed.ProgressReport
	result   []byte
	notes    []reserve.Note
}

func (p *programReport) summary() programSummary {
	p.mu.Lock()
	defer p.mu.Unlock()
	return programSummary{p.attached, p.phase, p.failure, p.progress, p.result, slices.Clone(p.notes)}
}
