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

// suspect is a failure that may be the consequence of another. It is judged
// when every other member has been heard of after it, or a lease later.
type suspect struct {
	verdict Verdict
	at      time.Time // when it was reported
	since   time.Time // when it began: a failed program's process takes its time to end
	spark   bool
	waits   map[*place]bool
}

// Report takes a member's outcome. Those of old incarnations are ignored, and
// so are repetitions.
func (r *Roster) Report(now time.Time, o Outcome, incarnation int64) []Effect {
	r.now = now
	p := r.find(o.Place)
	if p != nil && r.counts(p, incarnation) {
		r.ended(p, o)
	}
	return r.take()
}

// counts says whether an outcome of that incarnation is p's. A process that
// failed before it could register has none, and speaks for a vacant place.
func (r *Roster) counts(p *place, incarnation int64) bool {
	switch p.state {
	case vacant:
		return incarnation == 0
	case ended:
		return false
	default:
		return incarnation == p.incarnation
	}
}

func (r *Roster) ended(p *place, o Outcome) {
	if !r.formed && r.verdict == nil && o.Kind != Failed && o.Kind != Succeeded {
		r.vacate(p, o.Cause)
		return
	}
	p.state, p.outcome = ended, &o
	if len(o.Notes) > 0 {
		p.renewal.Notes = o.Notes
		r.note(p)
	}
	r.recount(p)
	r.leaveFeeds(p)
	r.cleared(p)
	if r.verdict != nil {
		return
	}
	if r.finishing {
		if p.told && o.Kind != Succeeded {
			r.warn(fmt.Sprintf("%s did not finish: %s", p.name(), o.Cause))
		}
		r.succeed()
		return
	}
	switch o.Kind {
	case Succeeded:
		r.progressed = r.now
		r.succeed()
	case Failed:
		r.suspect(&suspect{verdict: failure(p, o)}, p)
	case Stopped:
		r.lose(p, cmp.Or(o.Cause, "it stopped without being told to"), &o)
	default:
		r.lose(p, cmp.Or(o.Cause, "its node gave no cause"), &o)
	}
}

// failure is the verdict when a program's failure turns out to be the cause.
func failure(p *place, o Outcome) Verdict {
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

func (r *Roster) suspectSpark(c SparkFailed) {
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
		v = r.dying()
	default:
		v.Code, v.Cause = exit.NotFormed, fmt.Sprintf("Spark could not start the members: %s", c.Cause)
	}
	r.suspect(&suspect{verdict: v, spark: true}, nil)
}

// suspect notes a failure and asks every other living member for a sign of life.
func (r *Roster) suspect(s *suspect, by *place) {
	if r.verdict != nil {
		return
	}
	s.at, s.since, s.waits = r.now, r.now, map[*place]bool{}
	if by != nil && !by.failing.IsZero() {
		s.since = by.failing
	}
	for _, p := range r.living() {
		if p != by {
			s.waits[p] = true
			r.send(p, Ping{})
		}
	}
	r.suspects = append(r.suspects, s)
}

// cleared says that p was alive after every suspect's failure.
func (r *Roster) cleared(p *place) {
	for _, s := range r.suspects {
		delete(s.waits, p)
	}
}

// lead is the suspect that is the cause if nothing worse is found: the first
// program that failed; a failed Spark job only when no program did.
func (r *Roster) lead() *suspect {
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

// preceded says whether a program that has not ended yet failed before s. Its
// member reports it within timeouts.exit, or loses its lease.
func (r *Roster) preceded(s *suspect) bool {
	return slices.ContainsFunc(r.living(), func(p *place) bool {
		return !p.failing.IsZero() && (s.spark || p.failing.Before(s.since))
	})
}

// due is when a suspect is judged as things stand.
func (r *Roster) due(s *suspect) time.Time {
	switch lease := r.cfg.Lease(); {
	case len(s.waits) > 0:
		return s.at.Add(lease)
	case s.spark:
		return s.at.Add(min(sparkGrace, lease))
	default:
		return s.at
	}
}

// judge decides on the leading suspect once its time has come.
func (r *Roster) judge() {
	if r.verdict != nil {
		return
	}
	if s := r.lead(); s != nil && !r.preceded(s) && !r.now.Before(r.due(s)) {
		r.decide(s.verdict)
	}
}

// vacate frees the place of a member that was lost before there was a cluster:
// nothing has happened yet, and Spark may place it again.
func (r *Roster) vacate(p *place, cause string) {
	if p.session != 0 {
		r.do(Close{p.session})
	}
	p.state, p.session = vacant, 0
	r.vacated = &Verdict{Code: exit.Failed, Phase: "reservation", Member: p.name().String(), Host: p.registration.Host, Retryable: true,
		Cause: fmt.Sprintf("%s was lost before the cluster formed: %s", p.name(), cause)}
	r.warn(r.vacated.Cause)
	r.waiting()
	r.cleared(p)
}

// lose ends the run because a member was lost. It is a cause, never a
// consequence: suspects are cleared by it.
func (r *Roster) lose(p *place, cause string, o *Outcome) {
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
	r.do(Decided{v.Code, v.Member, v.Cause})
	for _, p := range r.places { // ended members stay until they are told
		r.send(p, Stop{stopReason(v)})
	}
}

// logs are the members' logs, with the chief's last lines where they are wanted.
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

// drain notices when the last member is gone after the decision: it has
// reported, or lost its lease, and has closed its stream, so that it knows.
func (r *Roster) drain() {
	if r.verdict == nil || r.drained {
		return
	}
	here := slices.ContainsFunc(r.places, func(p *place) bool { return p.state == live || p.session != 0 })
	if here && r.now.Before(r.drainDue()) {
		return
	}
	for _, p := range r.living() {
		r.forget(p)
	}
	r.drained = true
	r.do(Drained{})
}

// drainDue is when members that are still there after the decision are given up: a
// lease after it, or after one of them has last said that it uploads files.
func (r *Roster) drainDue() time.Time {
	since := r.decided
	if r.uploading.After(since) {
		since = r.uploading
	}
	return since.Add(r.cfg.Lease())
}
