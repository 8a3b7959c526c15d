package launch

import (
	"fmt"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// Submission is whether the run's application was submitted, as far as a follower knows.
type Submission int

const (
	Submitted  Submission = iota // spark-submit has said so
	Submitting                   // its launcher may live, and submit it
	Abandoned                    // its launcher has ended, and said nothing
)

// SubmissionOf is that of a run whose record another launcher has made.
func SubmissionOf(run record.Run) Submission {
	if run.Writer.Alive() {
		return Submitting
	}
	return Abandoned
}

// submission is how a run may still come to the cluster, which has no application of it.
type submission struct {
	Submission
	since time.Time // of Submission
}

// look notes how the submission is now.
func (s *submission) look(now Submission, at time.Time) {
	if s.since.IsZero() || s.Submission != now {
		*s = submission{now, at}
	}
}

// failed says that the application will not come. The manager knows none since absent.
func (s *submission) failed(c FollowConfig, absent, now time.Time) bool {
	switch s.Submission {
	case Submitting:
		return c.Formation > 0 && now.Sub(absent) >= c.Formation
	case Abandoned: // spark-submit may live a little longer than the launcher
		return now.Sub(s.since) >= c.Abandoned
	}
	return now.Sub(absent) >= c.Unknown
}

// verdict judges a run whose submission has failed. After a launcher of another process the
// run has not begun: it may be submitted again.
func (s *submission) verdict(c FollowConfig) record.Verdict {
	v := record.Verdict{Code: exit.NoSpark, Phase: PhaseUnsubmitted, Retryable: true}
	switch s.Submission {
	case Submitted:
		v.Phase, v.Cause = "submit", "the cluster manager knows no application of the run, though spark-submit has submitted it"
	case Submitting:
		v.Cause = fmt.Sprintf("the run was not submitted within %v (timeouts.reservation)", c.Formation)
	case Abandoned:
		v.Cause = "the run was not submitted: its launcher ended before"
	}
	return v
}
