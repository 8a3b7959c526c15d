package work

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"tfos/internal/files"
	"tfos/internal/infer"

	"tfos/internal/reserve"
)

// shared is an inference job's work, shared out.
type shared struct {
	work    map[reserve.Place][]byte // every required member's infer.Request, as JSON
	request infer.Request            // of all of them
	splits  []infer.Split            // that are to be computed
	resume  *resumption              // nil: the output is made as a whole, or the driver has not said of what partitions
}

// shareOut lists an inference job's input and gives every required member its
// share of what is to be computed.
func shareOut(ctx context.Context, cfg Config) (*shared, error) {
	request, data, err := openWork(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &shared{request: request}
	o := cfg.resumes()
	if o != nil {
		request.Records = path.Dir(o.Staging) + "/" + recordsName
	}
	switch {
	case data == nil: // Spark brings the rows
	case o != nil:
		s.resume, err = resume(ctx, cfg, *o, request.Path(), func() (*survey, error) { return look(ctx, cfg, *o, request, data) })
		if err != nil {
			return nil, err
		}
		s.splits = s.resume.missing
	default:
		if s.splits, err = infer.Cut(ctx, data, request.CutBytes(data, cfg.Infer.Tasks), 0); err != nil {
			return nil, err
		}
	}
	s.work, err = shares(cfg, request, s.splits)
	return s, err
}

// openWork reads an inference job's request, and lists its input; nil: Spark
// brings the rows.
func openWork(ctx context.Context, cfg Config) (request infer.Request, data *files.Dataset, err error) {
	if err := json.Unmarshal(cfg.Infer.Request, &request); err != nil {
		return request, nil, fmt.Errorf("work: read the inference request: %w", err)
	}
	request.Run = cfg.Run
	// Every member takes this one, though checkpoints or versions are added meanwhile.
	settled, _, unsettled := request.Settle()
	switch {
	case unsettled == nil:
		request.Source = settled
	case request.Checkpoint != "":
		return request, nil, unsettled
	} // else a SavedModel that perhaps only the members see
	if request.Feed != "" { // Spark brings the rows
		return request, nil, nil
	}
	if data, err = cfg.Infer.Input.Open(ctx); err == nil {
		request.Input, err = data.Recipe()
	}
	if in := cfg.Infer.Input; err == nil && request.MaxBad != nil && in.Format == files.Parquet {
		request.InputRows, _ = files.CountRows(ctx, in.Path)
	}
	return request, data, err
}

// shares gives every required member its share of the splits.
func shares(cfg Config, request infer.Request, splits []infer.Split) (work map[reserve.Place][]byte, err error) {
	var places []reserve.Place
	for _, m := range cfg.Members {
		if m.Required {
			places = append(places, reserve.Place{Job: m.Job, Index: m.Index})
		}
	}
	work = map[reserve.Place][]byte{}
	for i, share := range assign(splits, len(places)) {
		request.Splits = share
		if work[places[i]], err = json.Marshal(request); err != nil {
			return nil, fmt.Errorf("work: write the share of %s: %w", places[i], err)
		}
	}
	return work, nil
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
	sum := &infer.Result{Splits: []infer.SplitResult{}, Steps: map[int]int64{}}
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
		for bucket, n := range r.Steps {
			sum.Steps[bucket] += n
		}
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

// checkAnswered compares the rows that Spark wrote with those that members
// predicted for it.
func checkAnswered(cfg Config, result *infer.Result, written map[string]int64) error {
	for _, f := range cfg.Feeds {
		if rows, ended := written[f.Name]; f.Answered && (!ended || result == nil || rows != result.Rows) {
			return fmt.Errorf("rows are unaccounted for: Spark wrote %d rows, but took %d predictions", rows, predicted(result))
		}
	}
	return nil
}

func predicted(result *infer.Result) int64 {
	if result == nil {
		return 0
	}
	return result.Rows
}

// inferPace is the pace of an inference member, none of one that says nothing
// that can be read: sumResults says so.
func inferPace(result []byte) []reserve.Pace {
	var r infer.Result
	if err := json.Unmarshal(result, &r); err != nil {
		return nil
	}
	return []reserve.Pace{{Rows: r.Rows, Seconds: r.Seconds, Waited: r.WaitSeconds, Steps: r.Steps}}
}
