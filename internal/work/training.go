package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/train"
)

// training is the work of members that train a graph program. Each gets the same
// request. What their results say together becomes the verdict's train.
type training struct {
	cfg     Config
	request *train.Request
}

func openTraining(cfg Config) (reserve.Work, error) {
	w := &training{cfg: cfg, request: new(train.Request)}
	if err := json.Unmarshal(cfg.Train, w.request); err != nil {
		return nil, fmt.Errorf("work: read the training request: %w", err)
	}
	return w, nil
}

// ShareOut implements reserve.Work. It chooses the checkpoint that all members go on
// from, and divides the files that members read themselves.
func (w *training) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	start, err := w.resume()
	if err != nil {
		return reserve.Shares{}, inputFailure(ctx, err)
	}
	read, err := w.cfg.shareShards(ctx)
	if err != nil {
		return reserve.Shares{}, inputFailure(ctx, err)
	}
	shares := reserve.Shares{Members: map[reserve.Place][]byte{}}
	for _, m := range w.cfg.Members {
		p := reserve.Place{Job: m.Job, Index: m.Index}
		if shares.Members[p], err = json.Marshal(trainee{w.request, read[p]}); err != nil {
			return reserve.Shares{}, inputFailure(ctx, err)
		}
	}
	return shares, start
}

// resume finds the newest checkpoint. If it has all steps of the job, the run has
// nothing to do.
func (w *training) resume() (reserve.Start, error) {
	if w.request.ModelDir == "" {
		return reserve.Start{}, nil
	}
	at, found, notes, err := train.Newest(w.request.ModelDir)
	if err != nil {
		return reserve.Start{}, err
	}
	var start reserve.Start
	for _, note := range notes {
		start.Events = append(start.Events, reserve.Warning{Message: note})
	}
	if !found {
		return start, nil
	}
	w.request.Resume = &at
	start.Events = append(start.Events, record.Resumed{Checkpoint: at.Prefix, Step: at.Step})
	if w.request.Done(at) {
		start.End = reserve.Settle{Phase: PhaseSkipped}
	}
	return start, nil
}

// Command implements reserve.Work.
func (w *training) Command(context.Context, string, []byte) (reserve.Start, bool) {
	return reserve.Start{}, false
}

// Finish implements reserve.Work.
func (w *training) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	trained, err := w.sum(made.Results)
	if v.Phase == PhaseSkipped {
		trained = &record.Trained{Step: w.request.Resume.Step, ResumedFrom: w.request.Resume.Prefix}
	}
	v.Train = trained
	if w.cfg.publishes(v) && v.Phase != PhaseSkipped {
		if trained == nil && err == nil {
			err = errors.New("the chief has not said what it trained")
		}
		if err != nil {
			err = &refusal{exit.Internal, PhaseCommit, err}
		} else {
			v.Artifacts, err = w.publish(ctx, trained)
		}
		if err == nil {
			return v, nil
		}
		refuse(&v, err)
	}
	v.Kept, err = ClearStaging(ctx, w.cfg)
	return v, err
}

// publish gives the export its name. Checkpoints have theirs already.
func (w *training) publish(ctx context.Context, t *record.Trained) ([]reserve.Artifact, error) {
	artifacts, err := commit(ctx, w.cfg.Outputs, hasFiles)
	if t.Checkpoint != "" {
		artifacts = append(artifacts, reserve.Artifact{Kind: "checkpoint", Path: t.Checkpoint})
	}
	return artifacts, err
}

// sum makes one account of the members' results. Nil: the chief has reported none.
func (w *training) sum(results [][]byte) (*record.Trained, error) {
	var sum *record.Trained
	var steps, left int64
	var seconds float64
	var evaluated *train.Result
	for _, text := range results {
		var r train.Result
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("work: read a member's result: %w", err)
		}
		switch r.Role {
		case train.RoleEvaluator:
			evaluated = &r
			continue
		case train.RoleChief:
			sum = trained(r)
		}
		steps, left, seconds = steps+r.Steps, left+r.LeftOut, max(seconds, r.Seconds)
	}
	if sum == nil {
		return nil, nil
	}
	sum.LeftOut = left
	if evaluated != nil {
		sum.Evaluated, sum.EvalLeftOut = evaluated.Evaluated, evaluated.EvalLeftOut
	}
	if w.request.Strategy != train.AllReduce { // where all take part in each step
		sum.Steps = steps
	}
	if seconds > 0 {
		sum.StepsPerSecond = float64(sum.Steps) / seconds
	}
	return sum, nil
}

// trained is the account of the chief alone.
func trained(r train.Result) *record.Trained {
	t := &record.Trained{
		Step: r.Step, Steps: r.Steps, Skipped: r.Skipped, EvalLeftOut: r.EvalLeftOut, Metrics: r.Metrics, Evaluated: r.Evaluated,
		Stopped: r.Stopped, Checkpoint: r.Checkpoint, InitFrom: r.InitFrom, Divided: r.Divided, Whole: r.Whole,
	}
	if r.Resumed != nil {
		t.ResumedFrom = r.Resumed.Prefix
	}
	return t
}

// Clear implements reserve.Work.
func (w *training) Clear(ctx context.Context) error {
	_, err := ClearStaging(ctx, w.cfg)
	return err
}
