package reserve

import "tfos/internal/exit"

// PhaseMeasured is the verdict's phase of a measurement that its time has ended.
const PhaseMeasured = "measured"

// checkMeasurement ends a measurement when its time is over. The time begins with
// the first rows that a member used. If no member gets rows, it begins when every
// required program runs.
func (r *Roster) checkMeasurement() {
	if r.cfg.MeasureMS == 0 || r.verdict != nil {
		return
	}
	if r.measured.IsZero() && r.formed && r.rowsFlow() {
		r.measured = r.now.Add(r.cfg.Measure())
		for _, p := range r.places {
			p.rowsBefore = p.renewal.SplitRows
		}
	}
	if !r.measured.IsZero() && !r.now.Before(r.measured) {
		r.decide(Verdict{Code: exit.Done, Phase: PhaseMeasured})
	}
}

// measuredPace is the pace of an inference member that was stopped before its
// end, when a measurement was over: what it told of its progress meanwhile.
func (r *Roster) measuredPace(p *place) []Pace {
	rows := p.renewal.SplitRows - p.rowsBefore
	if r.measured.IsZero() || rows <= 0 {
		return nil
	}
	return []Pace{{Rows: rows, Seconds: r.cfg.Measure().Seconds()}}
}

func (r *Roster) rowsFlow() bool {
	given, running := r.shares.Members != nil, true
	for _, p := range r.places {
		given = given || len(p.Feeds) > 0
		running = running && (!p.Required || p.renewal.Phase == PhaseRunning)
		if p.rows() > 0 {
			return true
		}
	}
	return running && !given
}
