package main

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/launch"
	"tfos/internal/record"
)

type attachOptions struct {
	namedRun
	interrupt onInterrupt
	output    verdictFormat
}

func newAttachCommand(c *cli) *cobra.Command {
	o := &attachOptions{interrupt: onInterrupt{detach: true}}
	cmd := &cobra.Command{
		Use:   "attach RUN|RECORD [JOB.yaml]",
		Short: "Follow a run in a cluster until it ends",
		Long: `Follows a run whose driver is in the cluster (spark.deploy_mode: cluster), as the
tfos train or tfos infer that has started it: the same progress, report and exit code. RUN is
the id of a run of this machine. RECORD is the folder of its record: tfos's first line, the
report and the message at Ctrl-C have it.

JOB.yaml is the run's job file. With it RUN may be the id of a run of any machine: the job file
says where the record is. The settings of its spark.conf open the record's store and the cluster
manager, as those of the environment and of Hadoop's files do: a record has no secrets.

Ctrl-C ends tfos attach, and the run goes on. With --on-interrupt stop it stops the run.

Of a run that has ended, attach writes the report, and ends with the run's exit code.`,
		Example: `  tfos attach digits-20260102-030405-ab12
  tfos attach digits-20260102-030405-ab12 digits.yaml
  tfos attach hdfs:///models/.digits.tfos.runs/digits-20260102-030405-ab12`,
		Args: o.args("a run", "digits-20260102-030405-ab12 digits.yaml"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, name, err := c.attach(cmd.Context(), o)
			if err == nil && !launch.EndUnknown(v) {
				c.report(o.output.json, func(w io.Writer) { writeReport(w, name, v, c.terminal) })
			}
			if code := c.conclude(v, err, o.output.json); code != exit.Done {
				return &reportedError{code}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.flags(f)
	f.Var(&o.interrupt, "on-interrupt", "what Ctrl-C and SIGTERM do to the run: `stop|detach`")
	f.Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	return cmd
}

// attach returns the verdict of a run, and the job's name.
func (c *cli) attach(ctx context.Context, o *attachOptions) (v record.Verdict, job string, err error) {
	settings, state, err := c.stateDir()
	if err != nil {
		return v, "", err
	}
	spec, err := o.job()
	if err == nil && spec != nil && !spec.InCluster() {
		err = usageError("%s: its runs are not in a cluster (spark.deploy_mode: client): their launcher follows them", o.file)
	}
	if err != nil {
		return v, "", err
	}
	folder, err := o.record(state, spec)
	if err == nil {
		err = c.openStoreOf(folder, spec)
	}
	if err != nil {
		return v, "", err
	}
	status, err := launch.ReadRecord(ctx, folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v, "", usageError("%s: there is no record of a run in %s", o.name, folder)
	case err != nil:
		return v, "", &launch.Error{Code: exit.Internal, Phase: "record", Err: err}
	case status.Verdict != nil:
		v = *status.Verdict
		v.Record = folder
		return v, status.Run.Job, nil
	case !status.Run.InCluster:
		return v, "", usageError("%s: its driver is not in a cluster (%s): its launcher follows it. tfos show %s", o.name, status.State, folder)
	}
	r, err := c.openRun(ctx, folder, spec, settings, o.interrupt.detach)
	if err != nil {
		return v, "", err
	}
	v, err = r.follow(ctx)
	if v.Phase == launch.PhaseUnsubmitted {
		c.talk("tfos: %s. Submit it: tfos %s JOB.yaml --run-id %s", v.Cause, r.run.Kind, r.run.ID)
	}
	return v, status.Run.Job, err
}
