package reserve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// maxRefusals is how often one place is placed again because its executor has
// a member already, before the run gives up.
const maxRefusals = 3

// Register takes a member's request for its place, on a new stream.
// incarnation is 0 for a new process.
func (r *Roster) Register(now time.Time, session int64, reg Registration, incarnation int64) []Effect {
	r.now = now
	p := r.find(reg.Place)
	switch {
	case p == nil:
		r.rejectSession(session, fmt.Sprintf("the run has no member %s", reg.Place), false)
	case p.state != vacant && p.state != lost && r.isHolder(p, reg, incarnation):
		r.reconnect(p, session)
	case r.verdict != nil:
		r.rejectSession(session, "the run is over: "+stopReason(*r.verdict), false)
	case p.state == vacant:
		// An incarnation that lost its lease before there was a cluster has
		// no child: it may as well have its place again, as a new one.
		r.admitMember(p, session, reg)
	case incarnation != 0:
		r.rejectSession(session, fmt.Sprintf("fenced: incarnation %d of %s was replaced by %d", incarnation, reg.Place, p.incarnation), false)
	case p.state == ended:
		r.rejectSession(session, fmt.Sprintf("%s has ended already", reg.Place), false)
	case r.finishing:
		r.rejectSession(session, trainingEnded, false)
		if p.state == live {
			r.loseWhileFinishing(p, replacedCause(p.registration, reg))
		}
	case r.formed:
		// Spark starts a task twice only when it believes the first lost.
		r.loseMember(p, replacedCause(p.registration, reg), nil)
		r.rejectSession(session, "the run is over: "+stopReason(*r.verdict), false)
	default:
		r.replaceHolder(p, session, reg)
	}
	return r.takeEffects()
}

// isHolder says whether a registration comes from the process that holds the place.
// Either it has the place's incarnation, or it is the request of a new process, sent
// again because the answer was lost.
func (r *Roster) isHolder(p *place, reg Registration, incarnation int64) bool {
	if incarnation != 0 {
		return incarnation == p.incarnation
	}
	return reg == p.registration
}

func (r *Roster) rejectSession(session int64, reason string, retry bool) {
	r.addEffect(Send{session, Rejected{reason, retry}})
	r.addEffect(Close{session})
}

// replaceHolder gives a place to a process that Spark started instead of its holder.
// The holder has no child yet. It is fenced at once.
func (r *Roster) replaceHolder(p *place, session int64, reg Registration) {
	old := p.session
	if r.admitMember(p, session, reg) && old != 0 {
		r.addEffect(Send{old, Stop{"fenced: Spark placed the task again"}})
		r.addEffect(Close{old})
	}
}

func (r *Roster) admitMember(p *place, session int64, reg Registration) bool {
	if other := r.neighbour(p, reg); other != nil {
		r.refusePlacement(p, other, session, reg)
		return false
	}
	p.incarnation++
	p.state, p.session, p.registration = live, session, reg
	p.lastHeard, p.progressed, p.renewal, p.used, p.outcome = r.now, r.now, Renewal{}, Usage{}, nil
	p.notesSent, p.trainingEndSent = 0, false
	r.addEffect(Send{session, Registered{p.incarnation, r.cfg.Lease()}})
	if len(r.living()) == len(r.places) {
		r.formCluster()
	} else {
		r.emitWaiting()
	}
	return true
}

// reconnect gives the holder of a place a new stream, and sends again what the holder
// may have missed.
func (r *Roster) reconnect(p *place, session int64) {
	if p.session != 0 && p.session != session {
		r.addEffect(Close{p.session})
	}
	p.session, p.lastHeard = session, r.now
	r.send(p, Registered{p.incarnation, r.cfg.Lease()})
	if r.formed {
		r.send(p, r.cluster(p))
	}
	for _, f := range r.feeds {
		f.resendState(r, p)
	}
	if p.trainingEndSent {
		r.send(p, TrainingEnded{})
	}
	switch {
	case r.verdict != nil && (p.Job != parameterServer || r.serversStopped):
		r.send(p, Stop{stopReason(*r.verdict)})
	case r.finishing && !r.mayEvaluate(p):
		r.send(p, Stop{trainingEnded})
	}
}

// neighbour is a member that already runs on the executor of reg, where that
// is not allowed.
func (r *Roster) neighbour(p *place, reg Registration) *place {
	if r.cfg.Shared || reg.Executor == "" {
		return nil
	}
	for _, other := range r.living() {
		if other != p && other.registration.Executor == reg.Executor {
			return other
		}
	}
	return nil
}

func (r *Roster) refusePlacement(p, other *place, session int64, reg Registration) {
	p.refusals++
	r.conflict = fmt.Sprintf("%s and %s were both placed on one executor on %s, and each member needs its own: "+
		"%s, and let a member's task take more than half of an executor's cores (spark.task.cpus)",
		other.name(), p.name(), reg.Host, r.remedy())
	r.rejectSession(session, fmt.Sprintf("%s runs on this executor already", other.name()), true)
	if p.refusals >= maxRefusals {
		r.decide(Verdict{Code: exit.NotFormed, Phase: "placement", Cause: r.conflict, Member: p.name().String(), Host: reg.Host, Retryable: true})
		return
	}
	r.warn(fmt.Sprintf("%s was placed on the executor of %s on %s; it is placed again", p.name(), other.name(), reg.Host))
}

// formCluster starts the run's only generation.
func (r *Roster) formCluster() {
	r.formed, r.progressed = true, r.now
	formed := Formed{Seconds: r.now.Sub(r.start).Seconds()}
	for _, p := range r.places {
		p.progressed = r.now
		formed.Members = append(formed.Members, FormedMember{
			Place: record.Place{Job: p.Job, Index: p.Index, Host: p.registration.Host}, Feeds: append([]string{}, p.Feeds...), Feed: p.registration.Feed,
			Executor: p.registration.Executor})
		r.send(p, r.cluster(p))
	}
	r.addEffect(Emit{formed})
}

func (r *Roster) cluster(p *place) Cluster {
	c := Cluster{Generation: 1, Work: r.shares.Members[p.name()]}
	for _, m := range r.places {
		c.Members = append(c.Members, Member{m.name(), m.registration.Address, m.registration.Host})
	}
	return c
}

func (r *Roster) missing() []string {
	names := []string{}
	for _, p := range r.places {
		if p.state != live {
			names = append(names, p.name().String())
		}
	}
	return names
}

// emitWaiting emits which members are missing, and sets when to do so again.
func (r *Roster) emitWaiting() {
	missing := r.missing()
	r.addEffect(Emit{Waiting{Missing: missing, Registered: len(r.places) - len(missing),
		Members: len(r.places), Seconds: r.now.Sub(r.start).Seconds()}})
	r.waitingDue = r.now.Add(waitingEvery)
}

// remedy is what Spark must be given so that every member finds a place.
func (r *Roster) remedy() string {
	n := len(r.places)
	if r.cfg.Shared {
		return fmt.Sprintf("give the application %d task slots (local[%d] or more)", n, n)
	}
	size := ""
	if c := r.cfg.ExecutorCores; c > 0 {
		size = fmt.Sprintf(" of %d cores (%d cores in all)", c, n*c)
	}
	if m := r.cfg.ExecutorMemory; m != "" {
		size += fmt.Sprintf(" and spark.executor.memory %s", m)
	}
	return fmt.Sprintf("give the application %d executors%s: free or add workers, raise a spark.cores.max that is too low, or lower cluster_size", n, size)
}

// notFormed is the verdict when the time for registration is over.
func (r *Roster) notFormed() Verdict {
	v := Verdict{Code: exit.NotFormed, Phase: "reservation", Retryable: true}
	if r.conflict != "" && !slices.ContainsFunc(r.places, func(p *place) bool { return p.state != live && p.refusals == 0 }) {
		v.Cause = r.conflict
		return v
	}
	missing := r.missing()
	cause := fmt.Sprintf("the cluster did not form in %s: %d of %d members registered, missing %s; ",
		r.cfg.Reservation(), len(r.places)-len(missing), len(r.places), strings.Join(missing, ", "))
	if r.deaths > 0 {
		v = r.executorsVerdict()
		v.Cause = cause + v.Cause
		return v
	}
	v.Cause = cause + r.remedy()
	return v
}

// replacedCause says why Spark placed a member's task again: by the executor of each
// registration.
func replacedCause(first, again Registration) string {
	if first.Executor == again.Executor {
		return "its node process died, and Spark placed its task again"
	}
	return "Spark gave up its executor and placed its task again on another"
}
