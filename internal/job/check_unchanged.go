package job

import (
	"context"

	"tfos/internal/exit"
	"tfos/internal/infer"
	"tfos/internal/train"
	"tfos/internal/work"
)

// Unchanged tells whether a job whose output.if_exists is resume has nothing to
// do: its complete output has all of the input as it is now; path is that
// output. It looks only where this machine sees what executors see, and changes nothing. It
// does not look where Spark reads, or where a publication was interrupted. The error is a
// Faults of code 7 when the output is none that the job can go on from.
func Unchanged(ctx context.Context, s *Spec, p *Plan) (path string, unchanged bool, err error) {
	if s.predicts() != infer.Splits || s.Output.IfExists != ifResume || !s.readsHere() || s.interrupted(ctx, s.Output.Path) {
		return "", false, nil
	}
	unchanged, refused := work.Unchanged(ctx, p.Reserve)
	if refused == nil {
		return s.Output.Path, unchanged, ctx.Err()
	}
	r := &rules{s: s}
	r.broken("output.path", s.Output.Path, "%s", refused.Reason())
	r.faults[0].Code, r.faults[0].Err = exit.Output, ErrExists
	return "", false, Faults(r.faults).err()
}

// Trained tells whether a training of a graph program has nothing to do: a checkpoint in
// model_dir, as this machine sees it, has all of the job's steps.
func Trained(s *Spec, p *Plan) (at train.Start, done bool) {
	if !s.trainsGraph() || s.ModelDir == "" {
		return at, false
	}
	at, found, err := s.newestCheckpoint()
	return at, err == nil && found && s.trainRequest(p.Reserve.Outputs).Done(at)
}
