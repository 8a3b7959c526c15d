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
	"tfos/internal/store"
)

type attachOptions struct {
	named     string
	interrupt onInterrupt
	output    verdictFormat
}

func newAttachCommand(c *cli) *cobra.Command {
	o := &attachOptions{interrupt: onInterrupt{detach: true}}
	cmd := &cobra.Command{
		Use:   "attach RUN|RECORD",
		Short: "Follow a run in a cluster until it ends",
		Long: `Follows a run whose driver is in the cluster (spark.deploy_mode: cluster), as the
tfos train or tfos infer that has started it: the same progress, report and exit code. RUN is
the id of a run of this machine. RECORD is the folder of its record: tfos's first line, the
report and the message at Ctrl-C have it.

Ctrl-C ends tfos attach, and the run goes on. With --on-interrupt stop it stops the run.

Of a run that has ended, attach writes the report, and ends with the run's exit code.`,
		Example: `  tfos attach digits-20260102-030405-ab12
  tfos attach hdfs:///models/.digits.tfos.runs/digits-20260102-030405-ab12`,
		Args: one("run", "digits-20260102-030405-ab12"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.named = args[0]
			v, name, err := c.attach(cmd.Context(), o)
			if err == nil && v.Phase != launch.PhaseDetached {
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
	f.Var(&o.interrupt, "on-interrupt", "what Ctrl-C and SIGTERM do to the run: `stop|detach`")
	f.Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	return cmd
}

// attach returns the verdict of a run, and the job's name.
func (c *cli) attach(ctx context.Context, o *attachOptions) (v record.Verdict, job string, err error) {
	settings, err := loadSettings(c.env)
	if err != nil {
		return v, "", err
	}
	state, err := launch.StateDir(settings.StateDir, c.env)
	if err != nil {
		return v, "", err
	}
	folder, err := launch.FindRecord(state, store.Canonical(o.named))
	if err == nil {
		err = c.useStores(folder)
	}
	if err != nil {
		return v, "", err
	}
	status, err := launch.ReadRecord(ctx, folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v, "", usageError("%s: there is no record of a run in %s", o.named, folder)
	case err != nil:
		return v, "", &launch.Error{Code: exit.Internal, Phase: "record", Err: err}
	case status.Verdict != nil:
		v = *status.Verdict
		v.Record = folder
		return v, status.Run.Job, nil
	case !status.Run.InCluster:
		return v, "", usageError("%s: its driver is not in a cluster (%s): its launcher follows it. tfos show %s", o.named, status.State, folder)
	}
	r, err := c.openRun(ctx, folder, o.interrupt.detach)
	if err != nil {
		return v, "", err
	}
	v, err = r.follow(ctx)
	return v, status.Run.Job, err
}
