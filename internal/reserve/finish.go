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

// requiredSucceeded says whether every required member has succeeded.
func (r *Roster) requiredSucceeded() bool {
	return !slices.ContainsFunc(r.places, func(p *place) bool {
		return p.Required && (p.outcome == nil || p.outcome.Kind != Succeeded)
	})
}

// checkSuccess ends the run when every required member has succeeded and no member
// evaluates any more. When the required ones have succeeded, all members that do not
// evaluate are stopped, and no later loss or failure fails the run.
func (r *Roster) checkSuccess() {
	if r.verdict != nil || !r.requiredSucceeded() {
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
		if p.renewal.Phase == PhaseEvaluating && !p.trainingEndSent {
			p.trainingEndSent = true
			r.send(p, TrainingEnded{})
		}
	}
}

// mayEvaluate says whether the run's end waits for p: p evaluates, or is an
// evaluator that may begin to.
func (r *Roster) mayEvaluate(p *place) bool {
	switch phase := p.renewal.Phase; {
	case phase == PhaseEvaluating:
		return true
	case p.Job != Evaluator:
		return false
	case phase == PhaseRunning:
		return r.now.Before(p.phaseSince.Add(evaluatorGrace))
	default:
		return phase != PhaseEnded
	}
}

// loseWhileFinishing removes a member that is lost while the run waits for an
// evaluator. The loss does not fail the run.
func (r *Roster) loseWhileFinishing(p *place, cause string) {
	r.removeMember(p)
	r.leaveFeeds(p)
	if p.trainingEndSent {
		r.warn(fmt.Sprintf("%s was lost: %s", p.name(), cause))
	}
	r.checkSuccess()
}
