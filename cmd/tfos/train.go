package main

import (
	"time"

	"github.com/spf13/cobra"

	"tfos/internal/job"
)

// runOptions are the options of all commands that submit a job.
type runOptions struct {
	kind      job.Kind
	file      string // "" for inference by flags
	sets      []string
	dryRun    bool
	verbose   bool
	runID     string
	output    verdictFormat
	local     bool          // --local of tfos train
	minRate   float64       // rows/s; 0: no limit
	interrupt onInterrupt   // of a run in a cluster
	measure   time.Duration // duration of a measurement; 0: this is not a measurement
}

func newTrainCommand(c *cli) *cobra.Command {
	o := &runOptions{kind: job.Train}
	cmd := newJobCommand(c, o, &cobra.Command{
		Use:   "train JOB.yaml",
		Short: "Train a model on Spark executors, or a graph on this machine",
		Long: `Trains as the job file says: starts the Spark application, places one member of
the cluster on each executor, feeds them, and exports the model.

With --local this machine trains a graph (app.graph), without Spark and Java: one
member, with all cores or resources.worker.cores of them. What the job file says
for Spark and for a cluster is left aside.`,
		Example: `  tfos train digits.yaml
  tfos train digits.yaml --dry-run
  tfos train graph.yaml --local
  tfos train digits.yaml --set epochs=3 --set spark.master=spark://host:7077
  tfos train digits.yaml --output json | tail -1 | jq .cause`,
	})
	o.rateFlag(cmd)
	cmd.Flags().BoolVar(&o.local, "local", false, "train a graph on this machine, without Spark and Java")
	return cmd
}

// newJobCommand completes a command that runs a job file.
func newJobCommand(c *cli, o *runOptions, cmd *cobra.Command) *cobra.Command {
	cmd.Args = oneJob
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.file = args[0]
		return runJob(cmd, c, o)
	}
	o.flags(cmd)
	cmd.Flags().Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	return cmd
}

func runJob(cmd *cobra.Command, c *cli, o *runOptions) error {
	var flags []job.Flag
	if cmd.Flags().Changed("local") {
		flags = append(flags, job.Flag{Name: fileFlag, Key: "local", Value: o.local})
	}
	return c.submit(cmd.Context(), o, func() (*job.Spec, error) { return job.Load(o.file, o.kind, o.sets, flags...) })
}

// rateFlag adds --min-throughput, for jobs whose rows are counted.
func (o *runOptions) rateFlag(cmd *cobra.Command) {
	cmd.Flags().Float64Var(&o.minRate, "min-throughput", 0, "end with exit code 8 if fewer `rows/s` were used; outputs stay")
}

func (o *runOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.dryRun, "dry-run", false, "show the plan and the spark-submit command; start nothing")
	f.StringArrayVar(&o.sets, "set", nil, "override a key of the job, as `key=value`; may be repeated")
	f.StringVar(&o.runID, "run-id", "", "name of the run (default: the job's name, the time and a random part)")
	f.Var(&o.interrupt, "on-interrupt", "what Ctrl-C and SIGTERM do to a run in cluster mode: `stop|detach`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show Spark's log on standard error (in cluster mode that of spark-submit; the cluster has the driver's), and tfos's own frames in a program's tracebacks")
}
