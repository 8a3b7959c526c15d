package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tfos/internal/exit"
	"tfos/internal/job"
)

// inferOptions are runOptions and flags that describe a job.
type inferOptions struct {
	runOptions
	predictions   inferOutput
	exportDir     string
	input         string
	signature     string
	tagSet        string
	inputMapping  []string
	outputMapping []string
	keep          []string
	constants     []string
	binaryOutputs []string
	narrowing     bool
	padLastBatch  bool
	batchSize     string
	master        string
	local         bool
}

// inferKeys maps flags to the keys of a job file that they set.
var inferKeys = map[string]string{
	"export-dir":        "export_dir",
	"input":             "input.path",
	"output":            "output.path",
	"signature-def-key": "signature_def_key",
	"tag-set":           "tag_set",
	"input-mapping":     "input_mapping",
	"output-mapping":    "output_mapping",
	"keep":              "keep",
	"constant":          "constants",
	"binary-output":     "binary_outputs",
	"allow-narrowing":   "allow_narrowing",
	"pad-last-batch":    "pad_last_batch",
	"batch-size":        "batch_size",
	"master":            "spark.master",
	"local":             "local",
}

// fileFlag is the only such flag that may be combined with a job file, because
// the same job may run in different places.
const fileFlag = "--local"

func newInferCommand(c *cli) *cobra.Command {
	o := &inferOptions{runOptions: runOptions{kind: job.Infer}}
	o.predictions.format = &o.runOptions.output
	cmd := &cobra.Command{
		Use:   "infer [JOB.yaml]",
		Short: "Run a trained model over files, on Spark executors or on this machine",
		Long: `Runs a SavedModel over files of rows and writes predictions as files, as a job
file says or, without one, as the flags from --export-dir on say: files of any
format in, parquet out. First it shows which column feeds which tensor; data that does not fit the
model ends it there, with exit code 6.

With --local this machine runs it, without Spark and Java, with all its cores or
resources.worker.cores of them; everything else is the same.

--output has two uses: the values text and json say what standard output gets
at the end, as in other commands; any other value is the folder for predictions.
It may be given twice. A folder named json is written ./json.`,
		Example: `  tfos infer predict.yaml
  tfos infer predict.yaml --set output.path=predictions --output json
  tfos infer predict.yaml --local
  tfos infer --export-dir export --input data/test --output predictions --keep id,label
  tfos infer --export-dir export --input data/test --output predictions --output json \
      --input-mapping image=x --output-mapping y=scores --master 'local[4]'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.file = args[0]
			}
			return runInfer(cmd, c, o)
		},
	}
	o.flags(cmd)
	o.rateFlag(cmd)
	f := cmd.Flags()
	f.Var(&o.predictions, "output", "`folder` for predictions, or text|json: what standard output gets at the end")
	f.StringVar(&o.exportDir, "export-dir", "", "the SavedModel's `folder`")
	f.StringVar(&o.input, "input", "", "input `files`: a file, folder or glob")
	f.StringVar(&o.signature, "signature-def-key", "", "the signature to run (default: the job file's default)")
	f.StringVar(&o.tagSet, "tag-set", "", "tags of the MetaGraph, with commas (default: the job file's default)")
	f.StringSliceVar(&o.inputMapping, "input-mapping", nil, "`column=tensor,…`: aliases of the signature's inputs, or tensors of the graph")
	f.StringSliceVar(&o.outputMapping, "output-mapping", nil, "`tensor=column,…`: aliases of the signature's outputs, or tensors of the graph")
	f.StringSliceVar(&o.keep, "keep", nil, "`columns` copied beside the predictions")
	f.StringArrayVar(&o.constants, "constant", nil, "`tensor=value`: an input that has one value for all rows, such as keep_prob=1.0 (may be given several times)")
	f.StringSliceVar(&o.binaryOutputs, "binary-output", nil, "string `tensors` that become binary columns")
	f.BoolVar(&o.narrowing, "allow-narrowing", false, "round numbers to a tensor's narrower floating type; those beyond its range are bad rows")
	f.BoolVar(&o.padLastBatch, "pad-last-batch", false, "fill up the last batch of a model that takes a fixed number of rows, which do not depend on one another")
	f.StringVar(&o.batchSize, "batch-size", "", "the most `rows` of one run of the model, or auto (default: the job file's default)")
	f.StringVar(&o.master, "master", "", "Spark's master `URL` (default: a local-cluster sized to the job)")
	f.BoolVar(&o.local, "local", false, "run on this machine, without Spark and Java; with a job file too")
	return cmd
}

func runInfer(cmd *cobra.Command, c *cli, o *inferOptions) error {
	return c.submit(cmd.Context(), &o.runOptions, func() (*job.Spec, error) {
		flags, err := o.jobFlags(cmd.Flags())
		if err != nil {
			return nil, err
		}
		if o.file == "" {
			return job.FromFlags(job.Infer, c.dir, flags, o.sets)
		}
		if i := slices.IndexFunc(flags, func(f job.Flag) bool { return f.Name != fileFlag }); i >= 0 {
			f := flags[i]
			return nil, usageError("%s is for inference without a job file: use --set %s=… with %s", f.Name, f.Key, o.file)
		}
		return job.Load(o.file, job.Infer, o.sets, flags...)
	})
}

// jobFlags returns the given flags, in the order of their definition.
func (o *inferOptions) jobFlags(set *pflag.FlagSet) ([]job.Flag, error) {
	var flags []job.Flag
	var faults job.Faults
	set.VisitAll(func(f *pflag.Flag) {
		key, ok := inferKeys[f.Name]
		if !ok || !f.Changed {
			return
		}
		value, fault := o.value(f.Name)
		switch {
		case fault != "":
			faults = append(faults, job.Fault{File: "--" + f.Name, Path: key, Rule: fault, Code: exit.Usage})
		case value != nil:
			flags = append(flags, job.Flag{Name: "--" + f.Name, Key: key, Value: value})
		}
	})
	if len(faults) > 0 {
		return nil, faults
	}
	return flags, nil
}

// value returns a flag's value in the form of a job file. It is nil if the flag
// does not belong to the job. fault says what is wrong with the value.
func (o *inferOptions) value(name string) (value any, fault string) {
	switch name {
	case "export-dir":
		return o.exportDir, ""
	case "input":
		return o.input, ""
	case "output":
		if o.predictions.path == "" {
			return nil, ""
		}
		return o.predictions.path, ""
	case "signature-def-key":
		return o.signature, ""
	case "tag-set":
		return o.tagSet, ""
	case "input-mapping":
		return mapping(pairs(o.inputMapping, "column=alias"))
	case "output-mapping":
		return mapping(pairs(o.outputMapping, "alias=column"))
	case "keep":
		return o.keep, ""
	case "constant":
		m, fault := pairs(o.constants, "tensor=value")
		return job.YAMLMapping(m), fault
	case "binary-output":
		return o.binaryOutputs, ""
	case "allow-narrowing":
		return o.narrowing, ""
	case "pad-last-batch":
		return o.padLastBatch, ""
	case "batch-size":
		if rows, err := strconv.Atoi(o.batchSize); err == nil {
			return rows, ""
		}
		return o.batchSize, ""
	case "master":
		return o.master, ""
	}
	return o.local, ""
}

func mapping(m [][2]string, fault string) (any, string) { return job.Mapping(m), fault }

// pairs reads a=b,c=d.
func pairs(list []string, form string) (m [][2]string, fault string) {
	for _, text := range list {
		from, to, ok := strings.Cut(text, "=")
		if !ok || from == "" || to == "" {
			return nil, fmt.Sprintf("%q: must be %s", text, form)
		}
		m = append(m, [2]string{from, to})
	}
	return m, ""
}
