package work

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// inference is what both kinds of inference jobs have in common.
type inference struct {
	cfg     Config
	request infer.Request // of all members
}

func newInference(cfg Config) (inference, error) {
	w := inference{cfg: cfg}
	if err := json.Unmarshal(cfg.Infer.Request, &w.request); err != nil {
		return w, fmt.Errorf("work: read the inference request: %w", err)
	}
	w.request.Run = cfg.Run
	return w, nil
}

// settle has every member take the same model, though checkpoints or versions are
// added meanwhile.
func (w *inference) settle() error {
	switch settled, _, err := w.request.Settle(); {
	case err == nil:
		w.request.Source = settled
	case w.request.Checkpoint != "":
		return err
	} // else a SavedModel that perhaps only the members see
	return nil
}

// shares gives every required member its share of the splits.
func (w *inference) shares(splits []infer.Split) (reserve.Shares, error) {
	var places []reserve.Place
	for _, m := range w.cfg.Members {
		if m.Required {
			places = append(places, reserve.Place{Job: m.Job, Index: m.Index})
		}
	}
	out := reserve.Shares{Members: map[reserve.Place][]byte{}, Splits: int64(len(splits)), Pace: pace}
	request := w.request
	if o := w.cfg.resumes(); o != nil {
		request.Records = path.Dir(o.Staging) + "/" + recordsName
	}
	for i, share := range assign(splits, len(places)) {
		request.Splits = share
		text, err := json.Marshal(request)
		if err != nil {
			return out, fmt.Errorf("work: write the share of %s: %w", places[i], err)
		}
		out.Members[places[i]] = text
	}
	for _, split := range splits {
		out.Bytes += split.Length
	}
	return out, nil
}

// inputFailure is what a run ends with whose input cannot be shared out. An
// interrupted run ends as such.
func inputFailure(ctx context.Context, err error) reserve.Start {
	if ctx.Err() != nil {
		return reserve.Start{}
	}
	phase := "input"
	if errors.As(err, new(*OutputError)) {
		phase = "output"
	}
	return reserve.Start{End: reserve.Fail{Code: infer.InputExitCode(err), Phase: phase, Cause: err.Error()}}
}

// conclude publishes the output of a run that has succeeded, whose results accept
// accepts, or deletes what is staged and of no use to anybody, and completes the
// verdict. result is the sum of them; nil: they cannot be read.
func (w *inference) conclude(ctx context.Context, v reserve.Verdict, from base, result *infer.Result, accept func() error) (reserve.Verdict, error) {
	if w.cfg.publishes(v) {
		err := accept()
		if err == nil {
			err = w.judge(result, from)
		}
		if err == nil {
			v.Artifacts, err = w.publish(ctx, result, from)
		}
		if err != nil {
			refuse(&v, err)
		}
	}
	var left error
	if w.cfg.publishes(v) {
		if left = from.close(ctx, true); left != nil {
			left = fmt.Errorf("what earlier runs have left was not deleted: %w", left)
		}
	} else {
		if result != nil {
			result.Kept = from.kept(ctx)
		}
		v.Kept, left = w.clear(ctx, from)
	}
	if result == nil {
		return v, left
	}
	text, err := json.Marshal(result)
	if err != nil {
		return v, errors.Join(left, fmt.Errorf("work: write the sum of the results: %w", err))
	}
	v.Infer = text
	return v, left
}

// judge refuses rows that are not accounted for, and too many bad ones.
func (w *inference) judge(result *infer.Result, from base) error {
	return judgeRows(result, from.parts(result), w.request.MaxBad)
}

// clear is ClearStaging, for parts that a later run goes on from too.
func (w *inference) clear(ctx context.Context, from base) (kept []string, err error) {
	kept, err = ClearStaging(ctx, w.cfg)
	return kept, errors.Join(err, from.close(ctx, false))
}

// assign shares splits out to n members: the largest first, each to the member
// with the fewest bytes so far, of these with the fewest splits. Each share is in the
// order of its splits' numbers; it may be empty.
func assign(splits []infer.Split, n int) [][]infer.Split {
	order := slices.Clone(splits)
	slices.SortStableFunc(order, func(a, b infer.Split) int { return cmp.Compare(b.Length, a.Length) })
	shares := make([][]infer.Split, n)
	bytes := make([]int64, n)
	for _, split := range order {
		least := 0
		for i := range bytes {
			if cmp.Or(cmp.Compare(bytes[i], bytes[least]), cmp.Compare(len(shares[i]), len(shares[least]))) < 0 {
				least = i
			}
		}
		shares[least] = append(shares[least], split)
		bytes[least] += split.Length
	}
	for _, share := range shares {
		slices.SortFunc(share, func(a, b infer.Split) int { return cmp.Compare(a.ID, b.ID) })
	}
	return shares
}

// sumResults adds up what the members report, but for when the last model was
// loaded and the time that the longest took. Every split must be there once, and the model be the same.
func sumResults(splits []infer.Split, results [][]byte) (*infer.Result, error) {
	sum := &infer.Result{Splits: []infer.SplitResult{}}
	for _, data := range results {
		var r infer.Result
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("work: read an inference result: %w", err)
		}
		if r.Digest != "" && sum.Digest == "" {
			sum.Model, sum.Digest, sum.Made = r.Model, r.Digest, r.Made
		}
		if r.Digest != "" && sum.Digest != r.Digest {
			return nil, fmt.Errorf("members ran different models from %s: it has changed meanwhile, or is not the same folder on all executors", r.Model)
		}
		sum.Add(r.Account)
		sum.Splits = append(sum.Splits, r.Splits...)
		sum.Served = append(sum.Served, r.Served...)
		sum.LoadedMS = max(sum.LoadedMS, r.LoadedMS)
		sum.LoadSeconds += r.LoadSeconds
		sum.ReadSeconds += r.ReadSeconds
		sum.ComputeSeconds += r.ComputeSeconds
		sum.WriteSeconds += r.WriteSeconds
		sum.Seconds = max(sum.Seconds, r.Seconds)
		sum.WaitSeconds += r.WaitSeconds
		sum.Steps.AddAll(r.Steps)
	}
	sumServed(sum)
	slices.SortFunc(sum.Splits, func(a, b infer.SplitResult) int { return cmp.Compare(a.ID, b.ID) })
	for i, split := range splits {
		if i >= len(sum.Splits) || sum.Splits[i].ID != split.ID {
			return sum, fmt.Errorf("split %d (%s) has no result or two", split.ID, split.Path)
		}
	}
	if extra := len(sum.Splits) - len(splits); extra > 0 {
		return sum, fmt.Errorf("%d results belong to no split", extra)
	}
	return sum, nil
}

// sumServed counts the partitions that members answered, each once: a later
// attempt may have come to another member.
func sumServed(sum *infer.Result) {
	if len(sum.Served) == 0 {
		return
	}
	latest := infer.Latest(sum.Served)
	sum.Account, sum.Served, sum.Partitions = infer.Account{}, latest, len(latest)
	for _, p := range latest {
		sum.Add(p.Account)
		if p.Bad() > 0 {
			sum.BadPartitions = append(sum.BadPartitions, p)
		}
	}
}

// pace is the pace of an inference member, none of one that says nothing
// that can be read: sumResults says so.
func pace(result []byte) []reserve.Pace {
	var r infer.Result
	if err := json.Unmarshal(result, &r); err != nil {
		return nil
	}
	return []reserve.Pace{{Rows: r.Rows, Seconds: r.Seconds, Waited: r.WaitSeconds, Steps: r.Steps}}
}
