package node

import (
	"sync"

	"tfos/internal/feed"
)

// Phases of a member beside those that its program reports (importing,
// running, exporting).
const (
	phaseStarting = "starting" // the program has not said anything yet
	phaseEnded    = "ended"    // the child is gone
)

// programReport is what a member's program has told of itself: the PHASE,
// FAILED, PROGRESS and RESULT frames of all its connections.
type programReport struct {
	mu       sync.Mutex
	attached bool
	phase    string
	failure  *feed.Failure // the first: later ones follow from it
	progress feed.ProgressReport
	result   []byte
}

func newProgramReport() *programReport { return &programReport{phase: phaseStarting} }

func (p *programReport) attach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attached = true
}

func (p *programReport) setPhase(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
}

func (p *programReport) fail(f feed.Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = &f
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

// programSummary is a copy of a programReport.
type programSummary struct {
	attached bool
	phase    string
	failure  *feed.Failure
	progress feed.ProgressReport
	result   []byte
}

func (p *programReport) summary() programSummary {
	p.mu.Lock()
	defer p.mu.Unlock()
	return programSummary{p.attached, p.phase, p.failure, p.progress, p.result}
}
