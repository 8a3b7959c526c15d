package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tfos/internal/job"
	"tfos/internal/model"
	"tfos/internal/record"
	"tfos/internal/store"
)

// exportOptions are runOptions and flags that describe an export.
type exportOptions struct {
	runOptions
	model         string // "": a job file says it
	exportDir     string
	graph         string
	tagSet        string
	signatures    []string
	declared      string // name of the signature that inputs and outputs declare
	inputs        []string
	outputs       []string
	servingLayout bool
	ifExists      string
	allowCode     bool
}

// exportKeys maps flags to the keys of a job file that they set.
var exportKeys = map[string]string{
	"export-dir":     "export_dir",
	"graph":          "app.graph.path",
	"tag-set":        "tag_set",
	"signatures":     "signatures",
	"inputs":         "inputs",
	"outputs":        "outputs",
	"serving-layout": "serving_layout",
	"if-exists":      "export_if_exists",
}

func newExportCommand(c *cli) *cobra.Command {
	o := &exportOptions{runOptions: runOptions{kind: job.Export}}
	cmd := &cobra.Command{
		Use:   "export JOB.yaml|MODEL",
		Short: "Make a SavedModel of a checkpoint or of another model, on this machine",
		Long: `Makes a SavedModel as a job file says or, of a model, as the flags from
--export-dir on say. MODEL is a checkpoint (or a folder of them: the newest
complete one is taken), a SavedModel, a frozen graph (.pb), or a Keras file
(.keras, .h5). A checkpoint needs its graph: the .meta file beside it, or --graph.
A Keras file needs Keras and TensorFlow in TFOS_PYTHON, which convert it.

It runs on this machine, without Spark and, but for Keras files, without Python. The SavedModel gets
its name when it has been loaded by TensorFlow and its signatures have run on
zeros. Files that do not change are copied.

All signatures of the graph are kept. --signatures keeps some of them. --inputs
and --outputs declare one by tensors of the graph, which tfos show --all lists.`,
		Example: `  tfos export model/model.ckpt-1000 --export-dir export --inputs x=x:0 --outputs y=dense/BiasAdd:0
  tfos export checkpoints --graph saved_model --export-dir export
  tfos export saved_model --export-dir serving/digits --serving-layout --signatures serving_default
  tfos export model.keras --export-dir export
  tfos export export.yaml --set export_if_exists=replace --output json`,
		Args: one("job file or model", "model/model.ckpt-1000 --export-dir export"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(args[0])) {
				o.file = args[0]
			} else {
				o.model = store.Canonical(args[0])
			}
			return runExport(cmd, c, o)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	f.StringVar(&o.exportDir, "export-dir", "", "`folder` of the SavedModel")
	f.StringVar(&o.graph, "graph", "", "the checkpoint's graph: a SavedModel or a .meta file (default: the .meta file beside it)")
	f.StringVar(&o.tagSet, "tag-set", "", "tags of the SavedModel's MetaGraph, with commas (default: the job file's default)")
	f.StringSliceVar(&o.signatures, "signatures", nil, "`names` of signatures to keep (default: all)")
	f.StringVar(&o.declared, "signature-def-key", "serving_default", "`name` of the signature that --inputs and --outputs declare")
	f.StringSliceVar(&o.inputs, "inputs", nil, "`alias=tensor,…`: inputs of a new signature")
	f.StringSliceVar(&o.outputs, "outputs", nil, "`alias=tensor,…`: outputs of a new signature")
	f.BoolVar(&o.allowCode, "run-code-in-file", false, "run the Python code that a Keras file holds, such as Lambda layers: for files that you trust")
	f.BoolVar(&o.servingLayout, "serving-layout", false, "add a numbered version to --export-dir, as TensorFlow Serving reads it")
	f.StringVar(&o.ifExists, "if-exists", "", "what becomes of a SavedModel there: `fail|replace` (default: fail)")
	return cmd
}

func runExport(cmd *cobra.Command, c *cli, o *exportOptions) error {
	library, isKeras := model.KerasFile(o.model)
	var folder string // for what a Keras file is converted to
	if isKeras {
		made, remove, err := c.temporary()
		if err != nil {
			return err
		}
		defer remove()
		folder = made
	}
	return c.submit(cmd.Context(), &o.runOptions, func() (*job.Spec, error) {
		flags, err := o.jobFlags(cmd.Flags())
		switch {
		case err != nil:
			return nil, err
		case isKeras:
			return o.kerasJob(cmd.Context(), c, flags, library, folder)
		case o.allowCode:
			return nil, usageError("--run-code-in-file is for a Keras file (.keras, .h5)")
		case o.file == "":
			if err := c.useStores(o.model); err != nil {
				return nil, err
			}
			here, _, err := c.localModel(cmd.Context(), o.model)
			if err != nil {
				return nil, err
			}
			return job.FromFlags(job.Export, c.dir, append(flags, o.modelFlag(here)), o.sets)
		case len(flags) > 0:
			f := flags[0]
			return nil, usageError("%s is for an export without a job file: use --set %s=… with %s", f.Name, f.Key, o.file)
		}
		return job.Load(o.file, job.Export, o.sets)
	})
}

// kerasJob is the job for a Keras file, which it converts if the export's name is free.
func (o *exportOptions) kerasJob(ctx context.Context, c *cli, flags []job.Flag, library, folder string) (*job.Spec, error) {
	switch {
	case o.dryRun:
		return nil, usageError("%s is a Keras file, which Python converts before there is a plan: --dry-run does not apply", o.model)
	case o.graph != "":
		return nil, usageError("%s is a Keras file, which has its graph: --graph does not apply", o.model)
	}
	graph := job.Flag{Name: "MODEL", Key: "app.graph.path", Value: filepath.Join(folder, kerasFolder)}
	spec, err := job.FromFlags(job.Export, c.dir, append(flags, graph), o.sets)
	if err == nil {
		spec.SetOrigin(o.model)
		err = c.useStores(spec.ExportDir)
	}
	if err == nil {
		err = job.CheckOutputs(ctx, spec)
	}
	if err == nil {
		err = o.convertKeras(ctx, c, library, folder)
	}
	if err != nil {
		return nil, err
	}
	return spec, nil
}

// modelFlag is the key that MODEL sets: it is a checkpoint, or a graph with its own
// variables. here is its path on this machine.
func (o *exportOptions) modelFlag(here string) job.Flag {
	f := job.Flag{Name: "MODEL", Key: "app.graph.path", Value: o.model}
	if o.graph != "" || model.IsCheckpoint(here) {
		f.Key = "model_dir"
	}
	return f
}

// jobFlags returns the given flags, in the order of their definition.
func (o *exportOptions) jobFlags(set *pflag.FlagSet) (flags []job.Flag, err error) {
	declares := set.Changed("inputs") || set.Changed("outputs")
	switch {
	case declares && set.Changed("signatures"):
		return nil, usageError("--signatures keeps signatures, and --inputs and --outputs declare one: give either")
	case !declares && set.Changed("signature-def-key"):
		return nil, usageError("--signature-def-key names the signature that --inputs and --outputs declare: give both")
	case declares && strings.ContainsAny(o.declared, ". "):
		return nil, usageError("--signature-def-key %q: a name with a dot or a space needs a job file (signatures)", o.declared)
	}
	set.VisitAll(func(f *pflag.Flag) {
		if key, ok := exportKeys[f.Name]; ok && f.Changed && err == nil {
			var value any
			if value, err = o.value(f.Name); err != nil {
				return
			}
			if f.Name == "inputs" || f.Name == "outputs" {
				key = "signatures." + o.declared + "." + key
			}
			flags = append(flags, job.Flag{Name: "--" + f.Name, Key: key, Value: value})
		}
	})
	return flags, err
}

// value returns a flag's value in the form of a job file.
func (o *exportOptions) value(name string) (any, error) {
	switch name {
	case "export-dir":
		return o.exportDir, nil
	case "graph":
		return o.graph, nil
	case "tag-set":
		return o.tagSet, nil
	case "signatures":
		return o.signatures, nil
	case "serving-layout":
		return o.servingLayout, nil
	case "if-exists":
		return o.ifExists, nil
	}
	list := o.inputs
	if name == "outputs" {
		list = o.outputs
	}
	m, fault := pairs(list, "alias=tensor")
	if fault != "" {
		return nil, usageError("--%s: %s", name, fault)
	}
	return job.Mapping(m), nil
}

// export writes what an exported SavedModel holds, and what proved it.
func (r reporter) export(v record.Verdict) {
	var result struct {
		Graph      string `json:"graph"`
		Checkpoint string `json:"checkpoint"`
		Signatures []struct {
			Name   string `json:"name"`
			NotRun string `json:"not_run"`
		} `json:"signatures"`
		Files     int64    `json:"files"`
		Bytes     int64    `json:"bytes"`
		Notes     []string `json:"notes"`
		WriteTime float64  `json:"write_seconds"`
		ProofTime float64  `json:"proof_seconds"`
	}
	if len(v.Export) == 0 || json.Unmarshal(v.Export, &result) != nil {
		return
	}
	r.field("graph", result.Graph)
	r.field("values", result.Checkpoint)
	for _, s := range result.Signatures {
		text := s.Name + ": loaded, and run on zeros"
		if s.NotRun != "" {
			text = fmt.Sprintf("%s: loaded, not run on zeros: %s", s.Name, firstLine(s.NotRun))
		}
		r.field("proof", text)
	}
	for _, note := range result.Notes {
		r.field("note", note)
	}
	r.field("size", fmt.Sprintf("%s; written in %.1f s, proved in %.1f s", amount(result.Files, result.Bytes), result.WriteTime, result.ProofTime))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
