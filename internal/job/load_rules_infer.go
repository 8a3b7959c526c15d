package job

import (
	"maps"
	"slices"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/model"
)

// inference checks an inference job.
func (r *rules) inference() {
	s := r.s
	r.clusterSize()
	switch {
	case s.ExportDir == "" && s.ModelDir == "":
		r.broken("export_dir", "", "say which SavedModel is run (or, with model_dir, which checkpoint)")
	case s.ExportDir != "" && s.ModelDir != "":
		r.broken("model_dir", s.ModelDir, "export_dir is the model already: name one of them")
	case s.ExportDir == "" && s.source.given("tag_set"):
		r.broken("tag_set", s.TagSet, "does not apply to a checkpoint: its .meta file has one graph")
	}
	r.opLibraries()
	r.input()
	r.columns()
	if s.BatchSize != AutoBatch {
		r.between("batch_size", int64(s.BatchSize), 1, maxBatch)
	}
	r.readBy()
	r.withoutSpark()
	r.oneOf("on_bad_row", s.OnBadRow, "fail", "skip", "quarantine")
	switch {
	case s.SignatureDefKey == "":
		r.broken("signature_def_key", "", "must not be empty")
	case s.tensorsOnly() && s.source.given("signature_def_key"):
		r.broken("signature_def_key", s.SignatureDefKey, "does not apply: the mappings name tensors alone")
	}
	if len(s.TagSet) == 0 || slices.Contains(s.TagSet, "") {
		r.broken("tag_set", s.TagSet, "must name tags, such as serve")
	}
	if s.MaxBad != nil && s.OnBadRow == "fail" {
		r.broken("max_bad", *s.MaxBad, "needs on_bad_row: skip or quarantine")
	}
	r.constants()
	r.binaryOutputs()
	r.kept()
	if s.OnBadRow == string(infer.Quarantine) {
		r.quarantined()
	}
	if s.Output == nil {
		r.broken("output.path", "", "say where the predictions go")
	} else {
		r.output()
	}
	r.distinct()
}

// tensorsOnly tells whether the mappings name tensors of the graph for all
// inputs and outputs, so that no signature is needed.
func (s *Spec) tensorsOnly() bool {
	alias := func(name string) bool { return !model.IsTensorName(name) }
	inputs, outputs := slices.Collect(maps.Values(s.InputMapping.Map())), slices.Collect(maps.Keys(s.OutputMapping.Map()))
	inputs = slices.AppendSeq(inputs, maps.Keys(s.Constants))
	return len(inputs) > 0 && len(outputs) > 0 && !slices.ContainsFunc(inputs, alias) && !slices.ContainsFunc(outputs, alias)
}

// constants refuses values for inputs that columns feed too.
func (r *rules) constants() {
	for _, kv := range r.s.InputMapping {
		if value, both := r.s.Constants[kv[1]]; both {
			r.broken(join("constants", kv[1]), string(value), "column %s feeds it too (input_mapping): name one of them", kv[0])
		}
	}
}

// binaryOutputs checks the names of outputs; the model tells whether they are there.
func (r *rules) binaryOutputs() {
	for i, name := range r.s.BinaryOutputs {
		if name == "" || slices.Contains(r.s.BinaryOutputs[:i], name) {
			r.broken(indexed("binary_outputs", i), name, "must be a name, and not twice")
		}
	}
}

// kept checks the columns that are copied.
func (r *rules) kept() {
	seen := map[string]bool{}
	for i, column := range r.s.Keep {
		at := indexed("keep", i)
		if column == "" || seen[column] {
			r.broken(at, column, "must be a name, and not twice")
		}
		seen[column] = true
	}
	for _, kv := range r.s.OutputMapping {
		if seen[kv[1]] {
			r.broken(join("output_mapping", kv[0]), kv[1], "is the name of a column in keep")
		}
	}
}

// quarantined refuses kept columns of a name that a quarantine's own column has.
func (r *rules) quarantined() {
	own := infer.QuarantineColumns
	if r.s.predicts() == infer.Partitions {
		own = infer.PartitionColumns
	}
	for i, column := range r.s.Keep {
		if slices.Contains(own, column) {
			r.broken(indexed("keep", i), column, "is a column that quarantine files have of their own (%s): rename it, or use on_bad_row: skip",
				strings.Join(own, ", "))
		}
	}
}
