package work

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"tfos/internal/infer"
)

// total is the sum of what members report, and what came of it: the verdict's infer.
type total struct {
	infer.Result
	// Parts are those that the run has made, in the order of their numbers. They
	// stand in the place of the members' Splits.
	Parts []infer.Part `json:"splits"`
	// Of what Spark's tasks took: how many partitions there are, and those of them
	// that have bad rows, in their order.
	Partitions    int                     `json:"partitions,omitempty"`
	BadPartitions []infer.ServedPartition `json:"bad_partitions,omitempty"`
	// Carried are parts of earlier runs, which are in the output and in none of the
	// numbers above.
	Carried *Carried `json:"carried,omitempty"`
	// Kept is how many parts the next run need not compute, if this one fails:
	// at least, for a task that has not ended yet may finish its own.
	Kept int `json:"kept_splits,omitempty"`
}

// Carried counts the parts that a run took over instead of computing them.
type Carried struct {
	Splits int `json:"splits"`
	infer.Account
}

// sumResults adds up what the members report, but for when the last model was
// loaded and the time that the longest took. Every split must be there once, and the model be the same.
func sumResults(splits []infer.Split, results [][]byte) (*total, error) {
	sum := &total{Parts: []infer.Part{}}
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
		sum.BatchRows = max(sum.BatchRows, r.BatchRows)
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
	for _, p := range sum.Splits {
		sum.Parts = append(sum.Parts, p)
	}
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
func sumServed(sum *total) {
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
