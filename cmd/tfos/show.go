package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/launch"
	"tfos/internal/model"
	"tfos/internal/store"
)

// maxTensors is the length of lists that --all would show in full.
const maxTensors = 20

type showOptions struct {
	namedRun
	path   string // of the model or the record
	all    bool
	output verdictFormat
}

func newShowCommand(c *cli) *cobra.Command {
	o := &showOptions{}
	cmd := &cobra.Command{
		Use:   "show MODEL|RECORD [JOB.yaml]",
		Short: "Say what a model takes and gives, or how a run is",
		Long: `Says what a SavedModel, a frozen graph (.pb), a checkpoint or a .meta file holds:
tag sets, signatures with the types and shapes of their tensors, variables; and,
without signatures, the tensors that its graph waits for and those that nothing
else uses (with --all every one, for hidden layers). Ends with the lines of job
files that run it, and train it where it can train. Of a folder of versions
(1, 2, …) the highest is taken.
Needs neither TensorFlow nor Spark.

A dimension of -1 is not fixed; the first one counts rows.

MODEL may be a URL. Its graph is then copied to this machine, and of the values of its
variables the first 16 MiB.

Of the record of a run (its folder is in tfos's first line and in its report) it
says how the run is: running, succeeded, failed, or lost where the launcher has ended
without a verdict. A launcher on another machine counts as running.

JOB.yaml is a job file: the settings of its spark.conf open the store of MODEL or RECORD, as those
of the environment and of Hadoop's files do. With it RECORD may be the id of a run of the job.`,
		Example: `  tfos show export
  tfos show model/model.ckpt-1000
  tfos show export --output json
  tfos show ~/.local/state/tfos/runs/20260102-030405-ab12
  tfos show digits-20260102-030405-ab12 digits.yaml`,
		Args: o.args("a model or a record", "export"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runShow(cmd.Context(), c, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.flags(f)
	f.BoolVar(&o.all, "all", false, fmt.Sprintf("list all variables, not the first %d, and all tensors of the graph", maxTensors))
	f.Var(&o.output, "output", "what standard output gets: `text|json`")
	return cmd
}

func runShow(ctx context.Context, c *cli, o *showOptions) error {
	if err := o.open(c); err != nil {
		return err
	}
	if isFolder(ctx, o.path) {
		switch status, err := launch.ReadRecord(ctx, o.path); {
		case err == nil:
			return showRecord(c, o, status)
		case !errors.Is(err, fs.ErrNotExist):
			return &launch.Error{Code: exit.Usage, Phase: "record", Err: err}
		}
	}
	here, named, err := c.localModel(ctx, o.path)
	if err != nil {
		return err
	}
	found, err := model.Describe(here)
	if err != nil {
		return &launch.Error{Code: exit.Usage, Phase: "model", Err: renamed(err, named)}
	}
	found.Path, found.Note = named(found.Path), named(found.Note)
	if o.output.json {
		return json.NewEncoder(c.out).Encode(modelToJSON(found))
	}
	return (&show{w: c.out, found: found, all: o.all}).text()
}

// open finds the path that is shown, and sets up its store.
func (o *showOptions) open(c *cli) error {
	spec, err := o.job()
	if err != nil {
		return err
	}
	o.path = store.Canonical(o.name)
	if spec != nil && o.isID() {
		_, state, err := c.stateDir()
		if err != nil {
			return err
		}
		if o.path, err = o.record(state, spec); err != nil {
			return err
		}
	}
	return c.openStoreOf(o.path, spec)
}

// renamed returns an error about a model's copy as one about the model.
func renamed(err error, named func(string) string) error {
	var known *model.ModelError
	if !errors.As(err, &known) {
		return err
	}
	e := *known
	e.Path, e.Problem, e.Remedy, e.Command = named(e.Path), named(e.Problem), named(e.Remedy), named(e.Command)
	return &e
}

// show writes a description as text.
type show struct {
	w     io.Writer
	found *model.Description
	all   bool
}

func (s *show) text() error {
	t := tabwriter.NewWriter(s.w, 0, 0, 2, ' ', 0)
	s.w = t
	s.line("%s %s", strings.ReplaceAll(s.found.Kind, "_", " "), s.found.Path)
	if s.found.Note != "" {
		s.line("%s", s.found.Note)
	}
	for _, g := range s.found.Graphs {
		s.graph(g)
	}
	s.variables()
	s.job()
	s.training()
	return t.Flush()
}

func (s *show) line(format string, args ...any) { _, _ = fmt.Fprintf(s.w, format+"\n", args...) }

func (s *show) graph(g *model.MetaGraph) {
	if len(g.Tags) > 0 {
		s.line("tag set %s", strings.Join(g.Tags, ","))
	}
	for _, sig := range g.Signatures {
		s.line("  signature %s", sig.Name)
		s.tensors("input", sig.Inputs)
		s.tensors("output", sig.Outputs)
	}
	if len(g.Signatures) == 0 {
		s.line("  no signature; tensors of the graph")
		s.tensors("input", g.Placeholders())
		s.tensors("output", g.Ends())
	}
	if s.all {
		s.line("  all tensors that can become columns")
		s.tensors("", g.Tensors())
	}
}

func (s *show) tensors(role string, tensors []model.Tensor) {
	for i, t := range tensors {
		if i == maxTensors && !s.all {
			s.line("    … %d more: --all", len(tensors)-i)
			return
		}
		name := ""
		if t.Name != t.Alias {
			name = "\t" + t.Name
		}
		s.line("    %s\t%s\t%s%s", role, t.Alias, t, name)
	}
}

func (s *show) variables() {
	if len(s.found.Variables) == 0 {
		return
	}
	bytes := int64(0)
	for _, v := range s.found.Variables {
		bytes += v.Bytes
	}
	s.line("variables: %d, %d bytes", len(s.found.Variables), bytes)
	for i, v := range s.found.Variables {
		if i == maxTensors && !s.all {
			s.line("    … %d more: --all", len(s.found.Variables)-i)
			return
		}
		s.line("    %s\t%s %s", v.Name, v.Type, model.ShapeString(v.Shape))
	}
}
