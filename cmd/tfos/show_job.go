package main

import (
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"tfos/internal/model"
)

// job writes the part of a job file that runs the model. Everything except keys
// and values is a comment, so the lines can be copied as they are.
func (s *show) job() {
	j := s.found.Suggest()
	if j == nil {
		return
	}
	if len(j.Outputs) == 0 {
		s.line("\n# no job runs it")
		s.notes(j.Notes)
		return
	}
	s.line("\n# in a job file for tfos infer")
	if j.Source.Model != "" {
		s.line("export_dir: %s", quoted(j.Source.Model))
	} else {
		s.line("model_dir: %s", quoted(j.Source.Checkpoint))
	}
	if len(j.Source.TagSet) > 0 {
		s.line("tag_set: %s", quoted(strings.Join(j.Source.TagSet, ",")))
	}
	if j.Signature != "" {
		s.line("signature_def_key: %s", quoted(j.Signature))
	}
	if len(j.Libraries) > 0 {
		s.line("tensorflow: {op_libraries: %s}", flow(j.Libraries))
	}
	if len(j.Inputs) > 0 {
		s.line("input_mapping:\t# column: tensor")
	}
	for _, in := range j.Inputs {
		s.line("  %s: %s\t# %s", quoted(in.Column), quoted(in.Alias), in.Tensor)
	}
	if len(j.Constants) > 0 {
		s.line("constants:\t# tensor: value for all rows, a guess")
	}
	for _, c := range j.Constants {
		s.line("  %s: %s\t# %s", quoted(c.Alias), scalar(c.Value), c.Tensor)
	}
	s.line("output_mapping:\t# tensor: column")
	for _, out := range j.Outputs {
		s.line("  %s: %s\t# %s", quoted(out.Alias), quoted(out.Column), out.Tensor)
	}
	if len(j.BinaryOutputs) > 0 {
		s.line("binary_outputs: %s\t# bytes, and not text", flow(j.BinaryOutputs))
	}
	s.notes(j.Notes)
}

func (s *show) notes(notes []string) {
	for _, note := range notes {
		s.line("# %s", note)
	}
}

// jobToJSON returns the same keys of a job file for machines.
func jobToJSON(j *model.Suggestion) map[string]any {
	if j == nil || len(j.Outputs) == 0 {
		return nil
	}
	out := map[string]any{}
	add := func(key string, value any, there bool) {
		if there {
			out[key] = value
		}
	}
	inputs, constants, outputs := map[string]string{}, map[string]any{}, map[string]string{}
	for _, in := range j.Inputs {
		inputs[in.Column] = in.Alias
	}
	for _, c := range j.Constants {
		constants[c.Alias] = json.RawMessage(scalar(c.Value))
	}
	for _, o := range j.Outputs {
		outputs[o.Alias] = o.Column
	}
	add("export_dir", j.Source.Model, j.Source.Model != "")
	add("model_dir", j.Source.Checkpoint, j.Source.Checkpoint != "")
	add("tag_set", strings.Join(j.Source.TagSet, ","), len(j.Source.TagSet) > 0)
	add("signature_def_key", j.Signature, j.Signature != "")
	add("tensorflow", map[string]any{"op_libraries": j.Libraries}, len(j.Libraries) > 0)
	add("input_mapping", inputs, len(inputs) > 0)
	add("constants", constants, len(constants) > 0)
	add("output_mapping", outputs, len(outputs) > 0)
	add("binary_outputs", j.BinaryOutputs, len(j.BinaryOutputs) > 0)
	return out
}

// scalar writes a value as in JSON and YAML. A float keeps its point.
func scalar(value any) string {
	out, err := json.Marshal(value)
	if f, ok := value.(float64); ok && err == nil && f == float64(int64(f)) {
		return string(out) + ".0"
	}
	return string(out)
}

// quoted writes a text as in YAML.
func quoted(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil {
		return text
	}
	return strings.TrimSuffix(string(out), "\n")
}

// flow writes a list of texts as in YAML, on one line.
func flow(texts []string) string {
	words := make([]string, len(texts))
	for i, t := range texts {
		words[i] = quoted(t)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
