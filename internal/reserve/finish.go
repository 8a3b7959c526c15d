package reserve

import (
	"fmt"
	"slices"
	"time"

	"tfos/internal/exit"
)

// How a run succeeds: with its required members, and with the evaluator that
// still scores.

// trainingEnded is why a member is stopped while the run waits for another.
const trainingEnded = "training has succeeded"

// evaluatorGrace is how long an evaluator's program may run before it says that
// it evaluates: one that starts late shall not be stopped on its way there.
const evaluatorGrace = 30 * time.Second

// trained says whether every required member has succeeded.
func (r *Roster) trained() bool {
	return !slices.ContainsFunc(r.places, func(p *place) bool {
		return p.Required && (p.outcome == nil || p.outcome.Kind != Succeeded)
	})
}

// succeed ends the run when every required member has succeeded, and what
// evaluates then has finished. The others are stopped already; nothing that
// becomes of anybody from then on fails the run.
func (r *Roster) succeed() {
	if r.verdict != nil || !r.trained() {
		return
	}
	var finishing []*place
	for _, p := range r.living() {
		if r.mayEvaluate(p) {
			finishing = append(finishing, p)
		}
	}
	if len(finishing) == 0 {
		r.decide(Verdict{Code: exit.Done})
		return
	}
	if !r.finishing {
		r.finishing, r.suspects = true, nil
		for _, p := range r.places {
			if !slices.Contains(finishing, p) {
				r.send(p, Stop{trainingEnded})
			}
		}
	}
	for _, p := range finishing {
		if p.renewal.Phase == PhaseEvaluating && !p.told {
			p.told = true
			r.send(p, TrainingEnded{})
		}
	}
}

// mayEvaluate says whether the end waits for a member: it evaluates, or is an
// evaluator that may be about to.
func (r *Roster) mayEvaluate(p *place) bool {
	switch phase := p.renewal.Phase; {
	case phase == PhaseEvaluating:
		return true
	case p.Job != Evaluator:
		return false
	case phase == PhaseRunning:
		return r.now.Before(p.phased.Add(evaluatorGrace))
	default:
		return phase != PhaseEnded
	}
}

// lostAtTheEnd forgives a member that is lost while the run waits for an evaluator.
func (r *Roster) lostAtTheEnd(p *place, cause string) {
	r.forget(p)
	r.leaveFeeds(p)
	if p.told {
		r.warn(fmt.Sprintf("%s was lost: %s", p.name(), cause))
	}
	r.succeed()
}
