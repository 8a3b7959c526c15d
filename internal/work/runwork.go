package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/infer"

	"tfos/internal/reserve"
)

// runWork is the Work of a run.
type runWork struct {
	cfg Config
	*shared
}

// PhaseSkipped is the verdict's phase of a run that had nothing to do.
const PhaseSkipped = "skipped"

// Open reads a run's configuration, a Config as JSON.
func Open(config []byte) (reserve.Work, error) {
	var cfg Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		return nil, fmt.Errorf("work: read the configuration: %w", err)
	}
	return &runWork{cfg: cfg, shared: &shared{}}, nil
}

// ShareOut implements Work.
func (w *runWork) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	if w.cfg.Infer == nil {
		return reserve.Shares{}, reserve.Start{}
	}
	s, err := shareOut(ctx, w.cfg)
	if err != nil {
		return reserve.Shares{}, shareFailure(ctx, err)
	}
	w.shared = s
	out := reserve.Shares{Members: s.work, Splits: int64(len(s.splits)), Pace: inferPace}
	for _, split := range s.splits {
		out.Bytes += split.Length
	}
	return out, w.resume.start()
}

// shareFailure is what the run ends with when its input cannot be shared out. An
// interrupted run ends as such.
func shareFailure(ctx context.Context, err error) reserve.Start {
	if ctx.Err() != nil {
		return reserve.Start{}
	}
	phase := "input"
	if errors.As(err, new(*OutputError)) {
		phase = "output"
	}
	return reserve.Start{End: reserve.Fail{Code: infer.InputExitCode(err), Phase: phase, Cause: err.Error()}}
}

// Command implements Work.
func (w *runWork) Command(ctx context.Context, name string, line []byte) (reserve.Start, bool) {
	if name != "partitions" {
		return reserve.Start{}, false
	}
	var table infer.Table
	if err := json.Unmarshal(line, &table); err != nil {
		return failedCommand(fmt.Sprintf("work: read a command: %v", err)), true
	}
	return w.partitions(ctx, table), true
}

func failedCommand(cause string) reserve.Start {
	return reserve.Start{End: reserve.Fail{Code: exit.Internal, Phase: "driver", Cause: cause}}
}

// Finish implements Work.
func (w *runWork) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	result, err := w.finish(ctx, &v, made)
	if result != nil {
		text, encodeErr := json.Marshal(result)
		v.Infer, err = text, errors.Join(err, encodeErr)
	}
	return v, err
}

func (w *runWork) finish(ctx context.Context, v *reserve.Verdict, made reserve.Made) (*infer.Result, error) {
	var result *infer.Result
	var sumErr error
	var served []infer.ServedPartition
	if w.cfg.Infer != nil {
		result, sumErr = sumResults(w.splits, made.Results)
		if sumErr == nil {
			sumErr = w.resume.add(result)
		}
		if result != nil {
			served, result.Served = result.Served, nil
		}
	}
	if v.Code == exit.Done && w.cfg.MeasureMS == 0 && sumErr == nil {
		if err := checkAnswered(w.cfg, result, made.Written); err != nil && !w.resume.complete() {
			v.Code, v.Phase, v.Cause = exit.Internal, "accounting", err.Error()
		}
	}
	if v.Code == exit.Done && w.cfg.MeasureMS == 0 {
		code, phase, err := exit.Output, PhaseCommit, sumErr
		if err == nil {
			err = w.resume.collect(ctx, w.cfg.Run, result, served)
		}
		if err == nil && result != nil {
			code, phase, err = judgeRows(w.cfg.Infer, result, w.resume.parts(result))
		}
		if err == nil {
			code, phase = exit.Output, PhaseCommit
			v.Artifacts, err = commit(ctx, w.cfg, result, w.resume)
		}
		if err != nil {
			v.Code, v.Phase, v.Cause = code, phase, err.Error()
		}
	}
	if v.Code == exit.Done && w.cfg.MeasureMS == 0 {
		if err := w.resume.close(ctx, true); err != nil {
			return result, fmt.Errorf("what earlier runs have left was not deleted: %w", err)
		}
		return result, nil
	}
	if result != nil {
		result.Kept = w.resume.kept(ctx)
	}
	var err error
	v.Kept, err = w.clearStaging(ctx)
	return result, err
}

// Clear implements Work.
func (w *runWork) Clear(ctx context.Context) error {
	_, err := w.clearStaging(ctx)
	return err
}

// clearStaging is ClearStaging, for parts that a later run goes on from too.
func (w *runWork) clearStaging(ctx context.Context) (kept []string, err error) {
	kept, err = ClearStaging(ctx, w.cfg)
	return kept, errors.Join(err, w.resume.close(ctx, false))
}
