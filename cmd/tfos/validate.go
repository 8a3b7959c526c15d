package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/job"
	"tfos/internal/record"
)

type validateOptions struct {
	file   string
	kind   string
	sets   []string
	output verdictFormat
}

func newValidateCommand(c *cli) *cobra.Command {
	o := &validateOptions{}
	cmd := &cobra.Command{
		Use:   "validate JOB.yaml",
		Short: "Report every fault of a job file",
		Long: `Reports every fault of a job file at once, as "file:line: key: value: rule", and
looks whether its files are there and its outputs are free, and for inference
whether the data's columns fit the model's tensors. Starts nothing.

The keys decide the kind of the job: a job without app is for infer, a job with
signatures, or with app.graph and no input, for export, and any other job for
train. --kind overrides that guess.`,
		Example: `  tfos validate job.yaml
  tfos validate job.yaml --kind infer --set batch_size=32`,
		Args: oneJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return runValidate(cmd.Context(), c, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.kind, "kind", "", "`train|infer|export` (default: guessed)")
	f.StringArrayVar(&o.sets, "set", nil, "override a key of the job, as `key=value`; may be repeated")
	f.Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	return cmd
}

func runValidate(ctx context.Context, c *cli, o *validateOptions) error {
	kind, err := o.jobKind()
	if err == nil {
		var spec *job.Spec
		if spec, err = job.Load(o.file, kind, o.sets); err == nil {
			c.warn(spec.Warnings())
			if _, err = c.openStores(ctx, spec); err == nil {
				c.warn(job.ExportNameWarnings(ctx, spec))
				err = job.Check(ctx, spec)
			}
			if err == nil {
				_, _, err = c.bundle(spec)
			}
			if err == nil {
				err = job.TellFormats(ctx, spec)
			}
			if err == nil {
				_, err = c.showContract(ctx, spec)
			}
		}
	}
	code := c.conclude(record.Verdict{Kind: string(kind)}, err, o.output.json)
	if code != exit.Done {
		return &reportedError{code}
	}
	if !o.output.json {
		_, err = fmt.Fprintf(c.out, "%s: a job to %s, without faults\n", o.file, kind)
	}
	return err
}

func (o *validateOptions) jobKind() (job.Kind, error) {
	switch kind := job.Kind(o.kind); kind {
	case job.Train, job.Infer, job.Export:
		return kind, nil
	case "":
		return job.KindOf(o.file), nil
	}
	return "", usageError("--kind %s: must be train, infer or export", o.kind)
}
