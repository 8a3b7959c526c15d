package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tfos/internal/job"
	"tfos/internal/record"
)

// measureFor is the default time of a measurement.
const measureFor = time.Minute

func newBenchCommand(c *cli) *cobra.Command {
	o := &runOptions{}
	cmd := newJobCommand(c, o, &cobra.Command{
		Use:   "bench JOB.yaml",
		Short: "Run a job for a minute and say how fast it is, and what holds it up",
		Long: `Runs a job of tfos train or tfos infer as it is, for a minute from its first
rows on or to its end, and reports rows per second, where the time went, and what
would make it faster. Nothing is kept: outputs are not published, and checkpoints
go to a folder beside model_dir that is deleted.`,
		Example: `  tfos bench digits.yaml
  tfos bench digits.yaml --seconds 20 --set batch_size=512
  tfos bench digits.yaml --output json | tail -1 | jq .throughput`,
	})
	seconds := cmd.Flags().Uint16("seconds", uint16(measureFor.Seconds()), "how long to measure")
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		o.kind = job.KindOf(args[0])
		o.measure = max(time.Duration(*seconds)*time.Second, time.Second)
		if o.kind == job.Export {
			return usageError("%s is a job of tfos export, which handles no rows: there is nothing to measure", args[0])
		}
		return nil
	}
	return cmd
}

// Limits at which the feed, or the program alone, counts as the bottleneck.
const (
	feedBound    = 25   // percent of a program's time spent waiting for rows
	computeBound = 5    // percent
	shortStep    = 10.0 // ms; in shorter steps the overhead of a step matters
	unevenSteps  = 5.0  // p99 divided by p50
)

// writeAdvice writes, after the report of a measured run, where the time went
// and what to try.
func writeAdvice(w io.Writer, spec *job.Spec, plan *job.Plan, v record.Verdict) {
	r := reporter{w}
	t := v.Throughput
	if t == nil {
		r.field("advice", "nothing was measured: the program takes no rows from a feed (input_mode: tensorflow), or took one batch")
		return
	}
	if t.StepP50 == 0 {
		r.field("advice", "inference shows where the time goes only if it ends while it is measured: raise --seconds, or give fewer files")
		return
	}
	waiting := t.Seconds * t.FeedWait / 100
	r.field("time", fmt.Sprintf("of %.1f s from the first batch on: %.1f s waiting for rows, %.1f s in the program",
		t.Seconds, waiting, t.Seconds-waiting))
	for _, line := range advice(spec, plan, t) {
		r.field("advice", line)
	}
}

// advice returns what to try, the most promising first.
func advice(spec *job.Spec, plan *job.Plan, t *record.Throughput) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	local := !plan.Where.Spark()
	batch := ""
	if spec.BatchSize != job.AutoBatch {
		batch = fmt.Sprintf("a larger batch_size (now %d), ", spec.BatchSize)
	}
	switch {
	case local && t.FeedWait >= feedBound:
		say("reading is the limit: more cores (resources.worker.cores), only the columns that the model needs, or executors of a cluster (local: false)")
	case local:
		say("the model is the limit: %smore cores, or executors of a cluster (local: false)", batch)
	case spec.Kind() == job.Infer && t.FeedWait >= feedBound:
		say("reading is the limit: more cores per executor (resources.worker.cores), more executors (cluster_size), or only the columns that the model needs")
	case spec.Kind() == job.Infer:
		say("the model is the limit: %smore cores or executors", batch)
	case t.FeedWait >= feedBound:
		out = feedAdvice(spec, plan)
	case t.FeedWait <= computeBound && t.StepP50 < shortStep:
		say("the program is the limit, with steps of %s: a larger batch_size (now %d) spreads the cost of a step over more rows", millis(t.StepP50), spec.BatchSize)
	case t.FeedWait <= computeBound:
		say("the program is the limit: more workers (cluster_size), more cores for each, or GPUs; the feed can give more")
	default:
		say("feed and program are in balance: faster needs more of both")
	}
	if t.StepP99 > unevenSteps*t.StepP50 {
		say("steps are uneven (p99 %s, p50 %s): look for checkpoints, evaluation or another load on the hosts", millis(t.StepP99), millis(t.StepP50))
	}
	return out
}

// feedAdvice is the advice for programs that wait for Spark.
func feedAdvice(spec *job.Spec, plan *job.Plan) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if slices.ContainsFunc(plan.Feeds, func(f job.Feed) bool { return f.ReadBy == "spark" }) {
		say("read_by: executor reads parquet, tfrecord, csv, json and arrow files several times faster than Spark hands rows over; a query's result can be written to such files")
	}
	if spec.Feeder == "pipe" {
		say("feeder: arrow is the faster one where executors have Python with pyarrow")
	}
	if feeders := plan.Reserve.ExecutorCores - spec.Resources.Worker.Cores; feeders > 0 && feeders < 4 {
		say("Spark is the limit: executors with more cores (spark.executor.cores) run more feed tasks side by side; now %d each", feeders)
	} else {
		say("Spark is the limit: give it more cores, or an input that is cheaper to read (parquet, few columns, no shuffle)")
	}
	if len(spec.InputMapping) == 0 {
		say("input_mapping names the columns that are sent; without it all of them are")
	}
	if spec.Epochs > 1 && spec.EpochCache == 0 {
		say("epoch_cache keeps the first epoch on the members' disks, so that later ones need no Spark")
	}
	if spec.Input.Path != "" {
		say("input_mode: tensorflow has the program read its files by itself")
	}
	return out
}
