package job

import (
	"context"
	"errors"
	"slices"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// Contract holds the data of an inference job, or of a graph that trains, against the
// model, both of which must be in sight of this machine (see Check). It returns how
// columns and tensors go together; nil for other jobs. warn is told what the data looks
// like and is not read as. The error is a Faults: code 2 when the model does not have
// what the job names, 6 when the data does not fit it.
func Contract(ctx context.Context, s *Spec, warn func(text string)) ([]model.Line, error) {
	r := &rules{s: s.here()}
	var lines []model.Line
	switch {
	case !s.readsHere():
	case s.kind == Infer:
		lines = r.contract(ctx, warn)
	case s.trainsGraph():
		lines = r.trainingContract(ctx, warn)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return lines, Faults(s.inURLs(r.faults)).err()
}

// ColumnsOf are the columns that a training graph needs of each feed, by its name, of
// the lines that Contract returned.
func ColumnsOf(lines []model.Line) map[string][]string {
	columns := map[string][]string{}
	for _, l := range lines {
		if l.Column != "" && !slices.Contains(columns[l.Role], l.Column) {
			columns[l.Role] = append(columns[l.Role], l.Column)
		}
	}
	return columns
}

func (r *rules) contract(ctx context.Context, warn func(text string)) []model.Line {
	s := r.s
	if s.predicts() == infer.Partitions { // the driver sees what Spark reads; the model is here
		computation := s.computation()
		if err := computation.Typed(); err != nil {
			r.noModel(err)
		}
		return nil
	}
	computation := s.computation()
	mapping := computation.Mapping()
	graph, err := s.model().Graph()
	var signature *model.Signature
	if err == nil {
		signature, err = graph.Choose(s.SignatureDefKey, mapping)
	}
	if err != nil {
		r.noModel(err)
		return nil
	}
	input := s.inferInput()
	input.Warn = warn
	data, err := input.Open(ctx)
	if err != nil {
		r.data(infer.InputExitCode(err), err.Error())
		return nil
	}
	data = infer.Fit(signature, data, mapping.Inputs, s.Keep)
	lines := model.Contract(signature, data.Schema(), mapping)
	bind, err := model.Check(signature, data.Schema(), mapping)
	if err != nil {
		r.data(exit.BadData, err.Error()+"\n"+model.Table(lines))
		return nil
	}
	if err := infer.Whole(ctx, data, bind); err != nil {
		r.data(exit.BadData, err.Error())
	}
	if err := infer.Writable(files.Format(s.Output.Format), data.Schema(), bind); err != nil {
		r.broken("output.format", s.Output.Format, "%v", err)
	}
	return lines
}

// modelThere looks what the model's path means.
func (r *rules) modelThere() {
	settled, _, err := r.s.model().Resolve()
	switch {
	case err != nil:
		r.noModel(err)
	case settled.Frozen() && r.s.source.given("tag_set"):
		r.broken("tag_set", r.s.TagSet, "does not apply to a frozen graph: its file has one graph")
	}
}

// ModelNote says which of several models an inference job runs; "": its path
// names it, or this machine does not see it.
func ModelNote(s *Spec) string {
	if s.kind != Infer || !s.readsHere() {
		return ""
	}
	settled, note, err := s.here().model().Resolve()
	if err != nil || note == "" {
		return ""
	}
	text := settled.Path() + ": " + note
	for _, c := range s.fetched {
		text = c.InURL(text)
	}
	return text
}

// noModel is a fault of the key that names the model, or of the signature.
func (r *rules) noModel(err error) {
	s := r.s
	at, path := "export_dir", s.ExportDir
	if path == "" {
		at, path = "model_dir", s.ModelDir
	}
	var constant *model.ConstantError
	if errors.As(err, &constant) {
		r.broken(join("constants", constant.Name), constant.Value, "%s", constant.Reason)
		return
	}
	var known *model.ModelError
	if !errors.As(err, &known) {
		r.broken(at, path, "%v", err)
		return
	}
	r.broken(at, path, "%s", known.Reason())
}

// data is a fault of the input.
func (r *rules) data(code exit.Code, rule string) {
	r.broken("input.path", r.s.Input.Path, "%s", rule)
	r.faults[len(r.faults)-1].Code = code
}
