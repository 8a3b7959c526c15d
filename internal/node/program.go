package node

import (
	"context"
	"slices"
	"sync"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

const (
	phaseStarting  = "starting"  // the program has not reported a phase yet
	phaseImporting = "importing" // the user's module is imported; its function runs later
)

// programReport collects what a member's program reports about itself: the PHASE,
// FAILED, PROGRESS, RESULT and NOTE frames of all its connections.
type programReport struct {
	mu            sync.Mutex
	attached      bool
	phase         string
	failure       *feed.Failure // the first; later ones are its consequences
	progress      feed.ProgressReport
	result        []byte
	notes         []reserve.Note
	trainingEnded once          // training has ended
	rowsEnded     once          // predict tasks have sent all rows
	running       chan struct{} // closed when the program runs or has ended
	complete      chan struct{} // closed when the program has returned or failed; its process then ends
	over          string        // why the program no longer runs; "": it may run
	killedLate    bool          // the process was killed because it did not end; only live's goroutine uses it
}

func newProgramReport() *programReport {
	return &programReport{phase: phaseStarting, running: make(chan struct{}), complete: make(chan struct{})}
}

func (p *programReport) setAttached() {
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
		p.closeRunning()
	case reserve.PhaseEnded:
		p.closeComplete()
	}
}

// setOver records why the program no longer runs.
func (p *programReport) setOver(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = why
	p.closeRunning()
}

// closeComplete records that the program has returned or failed.
func (p *programReport) closeComplete() {
	select {
	case <-p.complete:
	default:
		close(p.complete)
	}
}

func (p *programReport) closeRunning() {
	select {
	case <-p.running:
	default:
		close(p.running)
	}
}

// awaitRunning blocks until the program runs or has ended. In the latter case
// over is the reason.
func (p *programReport) awaitRunning(ctx context.Context) (over string, err error) {
	select {
	case <-p.running:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over, nil
}

func (p *programReport) setFailure(f feed.Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure, p.phase = &f, reserve.PhaseFailing
		p.closeComplete()
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

func (p *programReport) addNote(n reserve.Note) {
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
