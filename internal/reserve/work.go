package reserve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"tfos/internal/infer"
	"tfos/internal/model"
)

// shareOut lists an inference job's input and gives every required member its
// infer.Request as JSON. It returns all splits too.
func shareOut(ctx context.Context, cfg Config) (map[Place][]byte, []infer.Split, error) {
	var request infer.Request
	if err := json.Unmarshal(cfg.Work.Request, &request); err != nil {
		return nil, nil, fmt.Errorf("reserve: read the inference request: %w", err)
	}
	if request.Checkpoint != "" { // every member takes this one, though training goes on
		var err error
		if request.Checkpoint, err = model.FindCheckpoint(request.Checkpoint); err != nil {
			return nil, nil, err
		}
	}
	var splits []infer.Split
	if request.Feed == "" {
		var err error
		if request.Input, splits, err = cfg.Work.Input.Plan(ctx, cfg.Work.Tasks); err != nil {
			return nil, nil, err
		}
	}
	var places []Place
	for _, m := range cfg.Members {
		if m.Required {
			places = append(places, Place{m.Job, m.Index})
		}
	}
	work := map[Place][]byte{}
	for i, share := range assign(splits, len(places)) {
		request.Splits = share
		var err error
		if work[places[i]], err = json.Marshal(request); err != nil {
			return nil, nil, fmt.Errorf("reserve: write the share of %s: %w", places[i], err)
		}
	}
	return work, splits, nil
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

// sumResults adds up what the members report, but for the time that the longest
// took. Every split must be there once, and the model be the same.
func sumResults(splits []infer.Split, results [][]byte) (*infer.Result, error) {
	sum := &infer.Result{Splits: []infer.SplitResult{}, Steps: map[int]int64{}}
	for _, data := range results {
		var r infer.Result
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("reserve: read an inference result: %w", err)
		}
		if r.Digest != "" && sum.Digest == "" {
			sum.Model, sum.Digest = r.Model, r.Digest
		}
		if r.Digest != "" && sum.Digest != r.Digest {
			return nil, fmt.Errorf("members ran different models from %s: it has changed meanwhile, or is not the same folder on all executors", r.Model)
		}
		sum.Rows += r.Rows
		sum.Splits = append(sum.Splits, r.Splits...)
		sum.Served = append(sum.Served, r.Served...)
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
	sum.Rows, sum.Served, sum.Partitions = 0, nil, len(latest)
	for _, p := range latest {
		sum.Rows += p.Rows
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
