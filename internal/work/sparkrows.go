package work

import (
	"context"
	"encoding/json"
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// sparkRows is the work of an inference job whose rows Spark brings and takes back
// predicted: nothing is shared out, Spark writes the output, and members write bad
// rows alone.
type sparkRows struct {
	inference
	request *infer.PartitionsRequest // of all members
	from    partitionBase            // anew until the driver has told of the partitions
}

// ShareOut implements reserve.Work.
func (w *sparkRows) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	var there bool
	var err error
	if w.cfg.resumes() == nil { // else when the driver has told of the partitions
		if w.place, there, err = choosePlace(ctx, w.cfg, true); there {
			w.from = left{}
			return reserve.Shares{}, w.from.start()
		}
	}
	var shares reserve.Shares
	if err == nil {
		err = w.settle(ctx)
	}
	var begin reserve.Start
	if w.place != nil && w.place.stay() {
		begin.Events = []reserve.Event{reserve.InPlace{Path: w.place.folder()}}
		if w.request.Aside != "" {
			w.request.Aside = w.place.folder() // the manifest names the files that count
		}
	}
	if err == nil {
		shares, err = makeShares(w.required(), func(int) infer.Request { return w.request })
	}
	if err != nil {
		return reserve.Shares{}, inputFailure(ctx, err)
	}
	return shares, begin
}

// Command implements reserve.Work.
func (w *sparkRows) Command(ctx context.Context, name string, line []byte) (reserve.Start, bool) {
	if name != "partitions" {
		return reserve.Start{}, false
	}
	var table infer.Table
	if err := json.Unmarshal(line, &table); err != nil {
		return driverFailure(fmt.Sprintf("work: read the partitions: %v", err)), true
	}
	return w.resume(ctx, table), true
}

// resume has the run go on from what is finished of what Spark reads.
func (w *sparkRows) resume(ctx context.Context, table infer.Table) reserve.Start {
	o := w.cfg.resumes()
	if _, first := w.from.(anew); o == nil || !first {
		return driverFailure("partitions of an output that does not resume, or twice")
	}
	var missing []infer.Partition
	r, err := resume(ctx, w.cfg, *o, w.request.Path(), false, func() (s *survey, err error) {
		s, missing, err = lookTable(ctx, *o, w.request, table)
		return s, err
	})
	if err != nil {
		return inputFailure(ctx, err)
	}
	w.from, w.place = resumedPartitions{r, missing}, r.place
	return w.from.start()
}

func driverFailure(cause string) reserve.Start {
	return reserve.Start{End: reserve.Fail{Code: exit.Internal, Phase: "driver", Cause: cause}}
}

// Finish implements reserve.Work.
func (w *sparkRows) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	result, err := sumResults(nil, made.Results)
	if err == nil {
		err = w.from.add(result)
	}
	var served []infer.ServedPartition
	if result != nil {
		served, result.Served = result.Served, nil
	}
	return w.conclude(ctx, v, w.from, result, func() error {
		if err != nil {
			return err
		}
		if err := checkAnswered(w.cfg, result, made.Written); err != nil && !w.from.complete() {
			return unaccountedFor(err)
		}
		return w.from.collect(ctx, w.cfg.Run, result, served)
	})
}

// checkAnswered compares the rows that Spark wrote with those that members
// predicted for it.
func checkAnswered(cfg Config, result *total, written map[string]int64) error {
	for _, f := range cfg.Feeds {
		if rows, ended := written[f.Name]; f.Purpose == reserve.Predict && (!ended || rows != result.Rows) {
			return fmt.Errorf("rows are unaccounted for: Spark wrote %d rows, but took %d predictions", rows, result.Rows)
		}
	}
	return nil
}

// Clear implements reserve.Work.
func (w *sparkRows) Clear(ctx context.Context) error {
	_, err := w.clear(ctx, w.from)
	return err
}
