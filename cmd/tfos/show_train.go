package main

import (
	"slices"
	"strings"

	"tfos/internal/model"
)

// training writes the part of a job file that trains the graph, for a graph that can
// train. Everything except keys and values is a comment.
func (s *show) training() {
	source := model.TrainingSource{Graph: s.found.Path, Train: "train", Strategy: model.Independent}
	switch {
	case s.found.Kind == model.KindCheckpoint:
		source.Graph += ".meta"
	case len(s.found.Graphs) == 1:
		source.TagSet = s.found.Graphs[0].Tags
	}
	trained, err := source.Open()
	if err != nil {
		return // most models do not train
	}
	s.line("\n# in a job file for tfos train")
	s.line("app: {graph: {path: %s}}", quoted(source.Graph))
	if len(source.TagSet) > 0 && !slices.Equal(source.TagSet, []string{"serve"}) {
		s.line("tag_set: %s", quoted(strings.Join(source.TagSet, ",")))
	}
	if len(trained.Train.Inputs) > 0 {
		s.line("input_mapping:\t# column: tensor")
	}
	for _, in := range trained.Train.Inputs {
		s.line("  %s: %s\t# %s", quoted(in.Alias), quoted(in.Alias), in)
	}
}
