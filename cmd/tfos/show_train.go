package main

import (
	"slices"
	"strings"

	"tfos/internal/model"
)

// shownTraining is how a model that is shown trains.
type shownTraining struct {
	source     model.TrainingSource
	trained    *model.Training
	strategies []string // of the job file, those that the graph can train with
}

// Signatures that a job trains with, unless it names others.
const (
	trainSignature = "train"
	evalSignature  = "evaluate"
)

// findTraining returns how a model trains; nil: it does not.
func findTraining(d *model.Description) *shownTraining {
	source := model.TrainingSource{Graph: d.Path, Train: trainSignature, Eval: evalSignature, Strategy: model.Independent}
	switch {
	case d.Kind == model.KindCheckpoint:
		source.Graph += ".meta"
	case len(d.Graphs) == 1:
		source.TagSet = d.Graphs[0].Tags
	}
	trained, err := source.Open()
	if err != nil { // perhaps without an evaluation
		source.Eval = ""
		trained, err = source.Open()
	}
	if err != nil {
		return nil // most models do not train
	}
	found := &shownTraining{source, trained, nil}
	for _, strategy := range []model.Strategy{model.Independent, model.ParameterServer, model.AllReduce} {
		source.Strategy = strategy
		if _, err := source.Open(); err == nil {
			found.strategies = append(found.strategies, string(strategy))
		}
	}
	return found
}

// training writes the part of a job file that trains the graph, for a graph that can
// train. Everything except keys and values is a comment.
func (s *show) training() {
	found := findTraining(s.found)
	if found == nil {
		return
	}
	s.line("\n# in a job file for tfos train")
	s.line("# metrics: %s", strings.Join(aliases(found.trained.Metrics), ", "))
	if found.trained.Eval != nil {
		s.line("# metrics of validation rows: %s", strings.Join(aliases(found.trained.EvalMetrics), ", "))
	}
	s.line("# strategy: %s", strings.Join(found.strategies, ", "))
	s.line("app: {graph: {path: %s}}", quoted(found.source.Graph))
	if tags := found.source.TagSet; len(tags) > 0 && !slices.Equal(tags, []string{"serve"}) {
		s.line("tag_set: %s", quoted(strings.Join(tags, ",")))
	}
	inputs := found.trained.Train.Inputs
	if len(inputs) > 0 {
		s.line("input_mapping:\t# column: tensor")
	}
	for _, in := range inputs {
		s.line("  %s: %s\t# %s", quoted(in.Alias), quoted(in.Alias), in)
	}
}

func aliases(tensors []model.Tensor) []string {
	names := []string{}
	for _, t := range tensors {
		names = append(names, t.Alias)
	}
	return names
}

// How a model trains, as JSON. The graph is a path for app.graph.path.
type (
	trainingJSON struct {
		Graph      string    `json:"graph"`
		TagSet     []string  `json:"tag_set"`
		Step       stepJSON  `json:"train"`
		Evaluation *stepJSON `json:"evaluate"` // null: there is none
		Strategies []string  `json:"strategies"`
	}
	stepJSON struct {
		Inputs  []tensorJSON `json:"inputs"`
		Metrics []string     `json:"metrics"` // the loss first
	}
)

// trainingToJSON is nil for a model that does not train.
func trainingToJSON(found *shownTraining) *trainingJSON {
	if found == nil {
		return nil
	}
	t := found.trained
	out := &trainingJSON{found.source.Graph, append([]string{}, found.source.TagSet...),
		stepJSON{tensorsToJSON(t.Train.Inputs), aliases(t.Metrics)}, nil, found.strategies}
	if t.Eval != nil {
		out.Evaluation = &stepJSON{tensorsToJSON(t.Eval.Inputs), aliases(t.EvalMetrics)}
	}
	return out
}
