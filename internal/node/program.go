package node

import (
	"slices"
	"sync"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

// phaseStarting: the program has not said anything yet.
const phaseStarting = "starting"

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
	trained  bool   // training has ended
	awaited  func() // to be called then; nil: nobody asked
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

func (p *programReport) note(n reserve.Note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, n)
}

// onTrainingEnded has tell called once training has ended; the first asks.
func (p *programReport) onTrainingEnded(tell func()) {
	p.mu.Lock()
	first := p.awaited == nil
	if first {
		p.awaited = tell
	}
	now := first && p.trained
	p.mu.Unlock()
	if now {
		tell()
	}
}

func (p *programReport) trainingEnded() {
	p.mu.Lock()
	p.trained = true
	tell := p.awaited
	p.mu.Unlock()
	if tell != nil {
		tell()
	}
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
