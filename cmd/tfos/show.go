package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"tfos/internal/launch"
	"tfos/internal/model"
)

// fewTensors are listed of what may be long; --all lists the rest too.
const fewTensors = 20

type showOptions struct {
	path   string
	all    bool
	output verdictFormat
}

func newShowCommand(c *cli) *cobra.Command {
	o := &showOptions{}
	cmd := &cobra.Command{
		Use:   "show MODEL",
		Short: "Say what a model takes and gives",
		Long: `Says what a SavedModel, a checkpoint or a .meta file holds: tag sets, signatures
with the types and shapes of their tensors, variables; and, without signatures,
the tensors that its graph waits for and those that nothing else uses (with
--all every one, for hidden layers). Ends with the lines of a job file that run
it. Needs neither TensorFlow nor Spark.

A dimension of -1 is not fixed; the first one counts rows.`,
		Example: `  tfos show export
  tfos show model/model.ckpt-1000
  tfos show export --output json`,
		Args: one("model", "export"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.path = args[0]
			return runShow(c, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&o.all, "all", false, fmt.Sprintf("list all variables, not the first %d, and all tensors of the graph", fewTensors))
	f.Var(&o.output, "output", "what standard output gets: `text|json`")
	return cmd
}

func runShow(c *cli, o *showOptions) error {
	found, err := model.Describe(o.path)
	if err != nil {
		return &launch.Error{Code: launch.Usage, Phase: "model", Err: err}
	}
	if o.output.json {
		return json.NewEncoder(c.out).Encode(shownModel(found))
	}
	return (&show{w: c.out, found: found, all: o.all}).text()
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
	for _, g := range s.found.Graphs {
		s.graph(g)
	}
	s.variables()
	s.job()
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
		if i == fewTensors && !s.all {
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
		if i == fewTensors && !s.all {
			s.line("    … %d more: --all", len(s.found.Variables)-i)
			return
		}
		s.line("    %s\t%s %s", v.Name, v.Type, model.ShapeString(v.Shape))
	}
}

// job writes the part of a job file that runs the model: its first signature,
// or all that its graph waits for.
func (s *show) job() {
	if len(s.found.Graphs) == 0 || s.found.Kind == model.KindGraph {
		return
	}
	g := s.found.Graphs[0]
	s.line("\n# in a job file for tfos infer")
	switch {
	case s.found.Kind == model.KindCheckpoint:
		s.line("model_dir: %s", quoted(s.found.Path))
	default:
		s.line("export_dir: %s", quoted(s.found.Path))
		if tags := strings.Join(g.Tags, ","); tags != "serve" && tags != "" {
			s.line("tag_set: %s", quoted(tags))
		}
	}
	inputs, outputs := g.Placeholders(), g.Ends()
	if sig := defaultSignature(g); sig != nil {
		inputs, outputs = sig.Inputs, sig.Outputs
		if sig.Name != "serving_default" {
			s.line("signature_def_key: %s", quoted(sig.Name))
		}
	}
	s.line("input_mapping:\t# column: tensor")
	names := columns(inputs)
	for i, t := range inputs {
		if !t.UnknownRank && len(t.Shape) == 0 {
			s.line("  # %s is one value for all rows, which no column feeds", t.Alias)
			continue
		}
		s.line("  %s: %s\t# %s", quoted(names[i]), quoted(t.Alias), t)
	}
	s.line("output_mapping:\t# tensor: column")
	names = columns(outputs)
	for i, t := range outputs {
		s.line("  %s: %s\t# %s", quoted(t.Alias), quoted(names[i]), t)
	}
}

// defaultSignature is the first where none goes before the others; nil: none.
func defaultSignature(g *model.MetaGraph) *model.Signature {
	sig, err := g.Signature("")
	if err != nil && len(g.Signatures) > 0 {
		return g.Signatures[0]
	}
	return sig
}

// columns are names for the columns of tensors, each its own: the last part of
// the tensor's name, or all of it where that is taken.
func columns(tensors []model.Tensor) []string {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		name, _, _ := strings.Cut(path.Base(t.Alias), ":")
		if name == "" || slices.Contains(names, name) {
			name = strings.NewReplacer("/", "_", ":", "_").Replace(t.Alias)
		}
		names[i] = name
	}
	return names
}

// quoted is a text as YAML takes it.
func quoted(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil {
		return text
	}
	return strings.TrimSuffix(string(out), "\n")
}
