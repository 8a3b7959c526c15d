package launch

import (
	"context"
	"errors"
	"slices"

	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// PhaseMeasured is the phase of a measurement that its time has ended.
const PhaseMeasured = reserve.PhaseMeasured

// PhaseCommit is the phase in which outputs get their names: programs have ended well.
const PhaseCommit = work.PhaseCommit

// PhaseUpload is the phase in which members' files are brought: programs have ended well.
const PhaseUpload = reserve.PhaseUpload

// ClearStaging deletes what a failed run has staged, where the driver could not,
// and adds to its verdict what stays.
func ClearStaging(ctx context.Context, run work.Config, v *record.Verdict) error {
	kept, err := work.ClearStaging(ctx, run)
	for _, path := range kept {
		if !slices.Contains(v.Kept, path) {
			v.Kept = append(v.Kept, path)
		}
	}
	return err
}

// PhaseExecutors is where a run failed whose executors died.
const PhaseExecutors = reserve.PhaseExecutors

// PhaseSkipped is the phase of a job that had nothing to do.
const PhaseSkipped = work.PhaseSkipped

// Failure is the verdict for err, for failures before anything ran.
func Failure(err error, run string) record.Verdict {
	v := record.Verdict{Code: CodeOf(err), Cause: err.Error(), Run: run}
	var e *Error
	if errors.As(err, &e) {
		v.Phase = e.Phase
	}
	return v
}
