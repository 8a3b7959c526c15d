package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tfos/internal/model"
)

// export checks an export job.
func (r *rules) export() {
	s := r.s
	if s.source.given("spark") {
		r.broken("spark", "", "does not apply to an export: it runs on this machine, for it copies files and computes nothing. Remove it")
	}
	switch graph := s.graphPath(); {
	case s.ModelDir == "" && graph == "":
		r.broken("model_dir", "", "say which checkpoint is exported, or app.graph.path: which graph with its own variables")
	case graph == "" && s.source.given("tag_set"):
		r.broken("tag_set", s.TagSet, "needs app.graph.path: a SavedModel")
	case s.App.Graph != nil && graph == "":
		r.broken("app.graph.path", "", "say which graph the checkpoint belongs to")
	}
	if r.required("export_dir", s.ExportDir, "say where the SavedModel goes") {
		r.folder("export_dir", s.ExportDir)
	}
	r.oneOf("export_if_exists", s.ExportIfExists, "fail", "replace")
	if s.ServingLayout && s.ExportIfExists == "replace" {
		r.broken("export_if_exists", s.ExportIfExists, "does not apply to serving_layout: every export is a new version")
	}
	r.opLibraries()
	r.signatures()
	r.distinct()
}

// signatures checks the signatures of an export.
func (r *rules) signatures() {
	s := r.s
	if len(s.Signatures.Keep) == 0 && len(s.Signatures.Declare) == 0 && s.source.given("signatures") {
		r.broken("signatures", "", "must name at least one")
	}
	for i, name := range s.Signatures.Keep {
		if name == "" || slices.Contains(s.Signatures.Keep[:i], name) {
			r.broken(indexed("signatures", i), name, "must be a name, and not twice")
		}
	}
	for name, sig := range s.Signatures.Declare {
		if len(sig.Inputs) == 0 || len(sig.Outputs) == 0 {
			r.broken(join("signatures", name), "", "must have inputs and outputs")
		}
	}
}

// graphPath is app.graph.path.
func (s *Spec) graphPath() string {
	if s.App.Graph == nil {
		return ""
	}
	return s.App.Graph.Path
}

// exportSource is the model that an export job reads.
func (s *Spec) exportSource() model.ExportSource {
	return model.ExportSource{Graph: s.graphPath(), TagSet: s.TagSet, Checkpoint: s.ModelDir}
}

// signatureChoice is what becomes of the model's signatures.
func (s *Spec) signatureChoice() model.SignatureChoice {
	choice := model.SignatureChoice{Keep: s.Signatures.Keep}
	for name, sig := range s.Signatures.Declare {
		if choice.Declare == nil {
			choice.Declare = map[string]model.DeclaredSignature{}
		}
		choice.Declare[name] = model.DeclaredSignature{Inputs: sig.Inputs, Outputs: sig.Outputs}
	}
	return choice
}

// explainExport is what an export is made of, for the dry run.
func (s *Spec) explainExport() string {
	text := "the checkpoint's .meta file"
	if graph := s.graphPath(); graph != "" {
		text = "graph " + graph
	}
	switch {
	case len(s.Signatures.Declare) > 0:
		return fmt.Sprintf("%s, declared signatures %s", text, strings.Join(slices.Sorted(maps.Keys(s.Signatures.Declare)), ", "))
	case len(s.Signatures.Keep) > 0:
		return fmt.Sprintf("%s, signatures %s", text, strings.Join(s.Signatures.Keep, ", "))
	}
	return text + ", all signatures"
}
