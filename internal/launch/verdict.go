package launch

import (
	"context"
	"errors"
	"slices"

	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// PhaseMeasured is the phase of a measurement that ended because its time was
// over.
const PhaseMeasured = reserve.PhaseMeasured

// PhaseThroughput is the phase of a run that was slower than --min-throughput. Its outputs
// are complete.
const PhaseThroughput = reserve.PhaseThroughput

// PhaseCommit is the phase in which outputs get their final names. The programs
// have ended well.
const PhaseCommit = work.PhaseCommit

// PhaseUpload is the phase in which members' files are uploaded. The programs
// have ended well.
const PhaseUpload = reserve.PhaseUpload

// ClearStaging deletes what a failed run has staged, if the driver could not.
// It adds the paths that remain to the verdict.
func ClearStaging(ctx context.Context, run work.Config, v *record.Verdict) error {
	if v.Phase == PhaseThroughput { // nothing of it is staged
		return nil
	}
	kept, err := work.ClearAbandoned(ctx, run)
	for _, path := range kept {
		if !slices.Contains(v.Kept, path) {
			v.Kept = append(v.Kept, path)
		}
	}
	return err
}

// PhaseExecutors is the phase of a run that failed because executors died.
const PhaseExecutors = reserve.PhaseExecutors

// PhaseSkipped is the phase of a job that had nothing to do.
const PhaseSkipped = work.PhaseSkipped

// Failure returns the verdict for err, for failures before anything was
// started.
func Failure(err error, run string) record.Verdict {
	v := record.Verdict{Code: CodeOf(err), Cause: err.Error(), Run: run}
	var e *Error
	if errors.As(err, &e) {
		v.Phase = e.Phase
	}
	addLog(&v, err)
	return v
}
