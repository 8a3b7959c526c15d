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
		r.reject(session, fmt.Sprintf("the run has no member %s", reg.Place), false)
	case p.state != vacant && p.state != lost && r.same(p, reg, incarnation):
		r.reconnect(p, session)
	case r.verdict != nil:
		r.reject(session, "the run is over: "+stopReason(*r.verdict), false)
	case p.state == vacant:
		// An incarnation that lost its lease before there was a cluster has
		// no child: it may as well have its place again, as a new one.
		r.admit(p, session, reg)
	case incarnation != 0:
		r.reject(session, fmt.Sprintf("fenced: incarnation %d of %s was replaced by %d", incarnation, reg.Place, p.incarnation), false)
	case p.state == ended:
		r.reject(session, fmt.Sprintf("%s has ended already", reg.Place), false)
	case r.finishing:
		r.reject(session, trainingEnded, false)
		if p.state == live {
			r.lostAtTheEnd(p, replaced(p.registration, reg))
		}
	case r.formed:
		// Spark starts a task twice only when it believes the first lost.
		r.lose(p, replaced(p.registration, reg), nil)
		r.reject(session, "the run is over: "+stopReason(*r.verdict), false)
	default:
		r.replace(p, session, reg)
	}
	return r.take()
}

// same says whether a registration comes from the process that holds the place:
// it knows its incarnation, or is a new process's request sent again because
// the answer was lost on the way.
func (r *Roster) same(p *place, reg Registration, incarnation int64) bool {
	if incarnation != 0 {
		return incarnation == p.incarnation
	}
	return reg == p.registration
}

func (r *Roster) reject(session int64, reason string, retry bool) {
	r.do(Send{session, Rejected{reason, retry}})
	r.do(Close{session})
}

// replace gives a place to a process that Spark started in the stead of its
// holder. The holder has no child yet: it is fenced at once.
func (r *Roster) replace(p *place, session int64, reg Registration) {
	old := p.session
	if r.admit(p, session, reg) && old != 0 {
		r.do(Send{old, Stop{"fenced: Spark placed the task again"}})
		r.do(Close{old})
	}
}

func (r *Roster) admit(p *place, session int64, reg Registration) bool {
	if other := r.neighbour(p, reg); other != nil {
		r.refuse(p, other, session, reg)
		return false
	}
	p.incarnation++
	p.state, p.session, p.registration = live, session, reg
	p.heard, p.progressed, p.renewal, p.used, p.outcome = r.now, r.now, Renewal{}, Usage{}, nil
	p.noted, p.told = 0, false
	r.do(Send{session, Registered{p.incarnation, r.cfg.Lease()}})
	if len(r.living()) == len(r.places) {
		r.form()
	} else {
		r.waiting()
	}
	return true
}

// reconnect gives the holder of a place a new stream, and tells it again what
// it may have missed.
func (r *Roster) reconnect(p *place, session int64) {
	if p.session != 0 && p.session != session {
		r.do(Close{p.session})
	}
	p.session, p.heard = session, r.now
	r.send(p, Registered{p.incarnation, r.cfg.Lease()})
	if r.formed {
		r.send(p, r.cluster(p))
	}
	for _, f := range r.feeds {
		f.retell(r, p)
	}
	if p.told {
		r.send(p, TrainingEnded{})
	}
	switch {
	case r.verdict != nil:
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

func (r *Roster) refuse(p, other *place, session int64, reg Registration) {
	p.refusals++
	r.conflict = fmt.Sprintf("%s and %s were both placed on one executor on %s, and each member needs its own: "+
		"%s, and let a member's task take more than half of an executor's cores (spark.task.cpus)",
		other.name(), p.name(), reg.Host, r.remedy())
	r.reject(session, fmt.Sprintf("%s runs on this executor already", other.name()), true)
	if p.refusals >= maxRefusals {
		r.decide(Verdict{Code: exit.NotFormed, Phase: "placement", Cause: r.conflict, Member: p.name().String(), Host: reg.Host, Retryable: true})
		return
	}
	r.warn(fmt.Sprintf("%s was placed on the executor of %s on %s; it is placed again", p.name(), other.name(), reg.Host))
}

// form starts the run's only generation.
func (r *Roster) form() {
	r.formed, r.progressed = true, r.now
	formed := Formed{Seconds: r.now.Sub(r.start).Seconds()}
	for _, p := range r.places {
		p.progressed = r.now
		formed.Members = append(formed.Members, FormedMember{
			Place: record.Place{Job: p.Job, Index: p.Index, Host: p.registration.Host}, Feeds: append([]string{}, p.Feeds...), Feed: p.registration.Feed,
			Executor: p.registration.Executor})
		r.send(p, r.cluster(p))
	}
	r.do(Emit{formed})
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

// waiting tells the driver who is missing, and when to tell it again.
func (r *Roster) waiting() {
	missing := r.missing()
	r.do(Emit{Waiting{Missing: missing, Registered: len(r.places) - len(missing),
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
		v = r.dying()
		v.Cause = cause + v.Cause
		return v
	}
	v.Cause = cause + r.remedy()
	return v
}

// replaced says why Spark placed a member's task again, from where it did.
func replaced(first, again Registration) string {
	if first.Executor == again.Executor {
		return "its node process died, and Spark placed its task again"
	}
	return "Spark gave up its executor and placed its task again on another"
}
