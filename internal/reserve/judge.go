package reserve

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tfos/internal/exit"
)

// sparkGrace is how long a failed Spark job waits for the member's own report,
// which says more, even when every member is alive.
const sparkGrace = 2 * time.Second

// suspect is a failure that may be the consequence of another. It is judged when
// every other member has renewed after it, or a lease later.
type suspect struct {
	verdict Verdict
	at      time.Time // when it was reported
	since   time.Time // when it began: a failed program's process takes its time to end
	spark   bool
	waits   map[*place]bool
}

// Report applies a member's outcome. Outcomes of old incarnations and repeated ones
// are ignored.
func (r *Roster) Report(now time.Time, o Outcome, incarnation int64) []Effect {
	r.now = now
	p := r.find(o.Place)
	if p != nil && r.isCurrent(p, incarnation) {
		r.memberEnded(p, o)
	}
	return r.takeEffects()
}

// isCurrent says whether an outcome of that incarnation is p's. A process that
// failed before it registered has incarnation 0, and reports for a vacant place.
func (r *Roster) isCurrent(p *place, incarnation int64) bool {
	switch p.state {
	case vacant:
		return incarnation == 0
	case ended:
		return false
	default:
		return incarnation == p.incarnation
	}
}

func (r *Roster) memberEnded(p *place, o Outcome) {
	if !r.formed && r.verdict == nil && o.Kind != Failed && o.Kind != Succeeded {
		r.vacatePlace(p, o.Cause)
		return
	}
	p.state, p.outcome = ended, &o
	r.setEndPhase(p)
	if len(o.Notes) > 0 {
		p.renewal.Notes = o.Notes
		r.emitNotes(p)
	}
	r.updateFeeds(p)
	r.leaveFeeds(p)
	r.clearFromSuspects(p)
	if r.verdict != nil {
		return
	}
	if r.finishing {
		if p.trainingEndSent && o.Kind != Succeeded {
			r.warn(fmt.Sprintf("%s did not finish: %s", p.name(), o.Cause))
		}
		r.checkSuccess()
		return
	}
	switch o.Kind {
	case Succeeded:
		r.progressed = r.now
		r.checkSuccess()
	case Failed:
		r.addSuspect(&suspect{verdict: failedVerdict(p, o)}, p)
	case Stopped:
		r.loseMember(p, cmp.Or(o.Cause, "it stopped without being told to"), &o)
	default:
		r.loseMember(p, cmp.Or(o.Cause, "its node gave no cause"), &o)
	}
}

// setEndPhase sets the phase that a member's last renewal has, and has it emitted: an
// outcome may overtake that renewal, which then counts no more.
func (r *Roster) setEndPhase(p *place) {
	phase := p.renewal.Phase
	switch p.outcome.Kind {
	case Succeeded:
		phase = PhaseEnded
	case Failed:
		phase = PhaseFailing
	}
	if phase != p.renewal.Phase {
		p.renewal.Phase = phase
		r.scheduleProgress()
	}
}

// failedVerdict returns the verdict if the failure of p's program is the cause.
func failedVerdict(p *place, o Outcome) Verdict {
	v := Verdict{Code: o.VerdictCode, Cause: o.Cause, Phase: o.Phase, Member: p.name().String(),
		Host: o.Host, ExitCode: o.ExitCode, Signal: o.Signal, Stderr: o.Stderr, LogPath: o.LogPath}
	if v.Code == exit.Done {
		v.Code = exit.Failed
	}
	if v.Cause == "" && v.Signal != 0 {
		v.Cause = fmt.Sprintf("the program was killed by signal %d", v.Signal)
	}
	if v.Cause == "" {
		v.Cause = fmt.Sprintf("the program ended with exit status %d", v.ExitCode)
	}
	if v.Host == "" {
		v.Host = p.registration.Host
	}
	if v.LogPath == "" {
		v.LogPath = p.registration.LogPath
	}
	return v
}

func (r *Roster) addSparkSuspect(c SparkFailed) {
	if r.finishing {
		r.warn("training has succeeded, but Spark failed before the evaluator had finished: " + c.Cause)
		r.decide(Verdict{Code: exit.Done})
		return
	}
	v := Verdict{Code: exit.Failed, Phase: c.Phase, Cause: c.Cause, Retryable: c.Phase == "members"}
	switch {
	case r.formed:
	case r.conflict != "":
		v.Code, v.Phase, v.Cause = exit.NotFormed, "placement", r.conflict
	case r.vacated != nil:
		v = *r.vacated
	case r.deaths > 0:
		v = r.executorsVerdict()
	default:
		v.Code, v.Cause = exit.NotFormed, fmt.Sprintf("Spark could not start the members: %s", c.Cause)
	}
	r.addSuspect(&suspect{verdict: v, spark: true}, nil)
}

// addSuspect adds a failure and asks every other live member for a sign of life.
func (r *Roster) addSuspect(s *suspect, by *place) {
	if r.verdict != nil {
		return
	}
	s.at, s.since, s.waits = r.now, r.now, map[*place]bool{}
	if by != nil && !by.failingSince.IsZero() {
		s.since = by.failingSince
	}
	for _, p := range r.living() {
		if p != by {
			s.waits[p] = true
			r.send(p, Ping{})
		}
	}
	r.suspects = append(r.suspects, s)
}

// clearFromSuspects marks that p was alive after the failure of every suspect.
func (r *Roster) clearFromSuspects(p *place) {
	for _, s := range r.suspects {
		delete(s.waits, p)
	}
}

// leadingSuspect returns the suspect that is the cause if no member is lost: the
// program that failed first. A failed Spark job leads only if no program failed.
func (r *Roster) leadingSuspect() *suspect {
	var first *suspect
	for _, s := range r.suspects {
		switch {
		case first == nil, first.spark && !s.spark:
			first = s
		case first.spark == s.spark && s.since.Before(first.since):
			first = s
		}
	}
	return first
}

// isPreceded says whether a program failed before s and has not ended yet. Its
// member reports the end within timeouts.exit, or loses its lease.
func (r *Roster) isPreceded(s *suspect) bool {
	return slices.ContainsFunc(r.living(), func(p *place) bool {
		return !p.failingSince.IsZero() && (s.spark || p.failingSince.Before(s.since))
	})
}

// dueTime returns when s is judged if nothing else happens.
func (r *Roster) dueTime(s *suspect) time.Time {
	switch lease := r.cfg.Lease(); {
	case len(s.waits) > 0:
		return s.at.Add(lease)
	case s.spark:
		return s.at.Add(min(sparkGrace, lease))
	default:
		return s.at
	}
}

// judgeSuspects decides on the leading suspect once its time has come.
func (r *Roster) judgeSuspects() {
	if r.verdict != nil {
		return
	}
	if s := r.leadingSuspect(); s != nil && !r.isPreceded(s) && !r.now.Before(r.dueTime(s)) {
		r.decide(s.verdict)
	}
}

// vacatePlace frees the place of a member that was lost before the cluster formed.
// Spark may place it again.
func (r *Roster) vacatePlace(p *place, cause string) {
	if p.session != 0 {
		r.addEffect(Close{p.session})
	}
	p.state, p.session = vacant, 0
	r.vacated = &Verdict{Code: exit.Failed, Phase: "reservation", Member: p.name().String(), Host: p.registration.Host, Retryable: true,
		Cause: fmt.Sprintf("%s was lost before the cluster formed: %s", p.name(), cause)}
	r.warn(r.vacated.Cause)
	r.emitWaiting()
	r.clearFromSuspects(p)
}

// loseMember ends the run because a member was lost. A loss is a cause, never a
// consequence: it drops all suspects.
func (r *Roster) loseMember(p *place, cause string, o *Outcome) {
	v := Verdict{Code: exit.Failed, Phase: p.renewal.Phase, Member: p.name().String(), Host: p.registration.Host,
		LogPath: p.registration.LogPath, Retryable: true,
		Cause: fmt.Sprintf("%s was lost: %s", p.name(), cause)}
	if o != nil {
		v.ExitCode, v.Signal, v.Stderr = o.ExitCode, o.Signal, o.Stderr
		if o.Phase != "" {
			v.Phase = o.Phase
		}
	}
	r.decide(v)
}

// decide fixes how the run ends, once, and stops every member.
func (r *Roster) decide(v Verdict) {
	if r.verdict != nil {
		return
	}
	v.Logs = r.logs(v.Code == exit.Done)
	r.verdict, r.decided, r.suspects = &v, r.now, nil
	r.addEffect(Decided{v.Code, v.Member, v.Cause})
	for _, p := range r.places { // ended members stay until they are told
		if p.Job != parameterServer {
			r.send(p, Stop{stopReason(v)})
		}
	}
	r.stopParameterServers()
}

// parameterServer is the job of members that hold variables for others.
const parameterServer = "ps"

// stopParameterServers stops parameter servers once no other member is there: a chief
// that is stopped may save the variables first.
func (r *Roster) stopParameterServers() {
	if r.verdict == nil || r.serversStopped || slices.ContainsFunc(r.places, func(p *place) bool { return p.Job != parameterServer && p.here() }) {
		return
	}
	r.serversStopped = true
	for _, p := range r.places {
		if p.Job == parameterServer {
			r.send(p, Stop{stopReason(*r.verdict)})
		}
	}
}

// here tells whether a member is not gone. A member is gone when it has reported or lost
// its lease, and has closed its stream.
func (p *place) here() bool { return p.state == live || p.session != 0 }

// logs returns the members' logs. lines: with the chief's last lines.
func (r *Roster) logs(lines bool) []MemberLog {
	var out []MemberLog
	chief := slices.IndexFunc(r.places, func(p *place) bool { return p.Job == "chief" })
	if chief < 0 {
		chief = slices.IndexFunc(r.places, func(p *place) bool { return p.name() == Place{"worker", 0} })
	}
	for i, p := range r.places {
		if p.registration.LogPath == "" {
			continue
		}
		log := MemberLog{Member: p.name().String(), Host: p.registration.Host, Path: p.registration.LogPath}
		if lines && i == chief && p.outcome != nil {
			log.Stdout = p.outcome.Stdout
		}
		out = append(out, log)
	}
	return out
}

// stopReason is a verdict in a few words, for members.
func stopReason(v Verdict) string {
	switch {
	case v.Code == exit.Done:
		return "the run has succeeded"
	case v.Cause == "":
		return fmt.Sprintf("the run has ended with code %d", v.Code)
	default:
		return v.Cause
	}
}

// checkDrained ends the roster when, after the decision, the last member is gone.
func (r *Roster) checkDrained() {
	if r.verdict == nil || r.drained {
		return
	}
	r.stopParameterServers()
	here := slices.ContainsFunc(r.places, (*place).here)
	if here && r.now.Before(r.drainDue()) {
		return
	}
	for _, p := range r.living() {
		r.removeMember(p)
	}
	r.drained = true
	r.addEffect(Drained{})
}

// drainDue returns when members that are still there after the decision are given
// up: a lease after the decision, or after the last renewal that reports an upload.
func (r *Roster) drainDue() time.Time {
	since := r.decided
	if r.uploading.After(since) {
		since = r.uploading
	}
	return since.Add(r.cfg.Lease())
}
