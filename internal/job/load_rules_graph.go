package job

import (
	"slices"
	"strings"

	"tfos/internal/files"
	"tfos/internal/store"
	"tfos/internal/train"
)

// defaultEvalSignature runs on validation data where the job names no signature.
const defaultEvalSignature = "evaluate"

// metaFile ends the name of a graph of TensorFlow 1.
const metaFile = ".meta"

// trainsGraph tells whether the job trains a graph program.
func (s *Spec) trainsGraph() bool { return s.kind == Train && s.App.Graph != nil }

// readsShards tells whether each member reads its share of the input's files itself.
func (s *Spec) readsShards() bool { return s.trainsGraph() && s.InputMode == modeTensorFlow }

// graph checks the keys of a training graph.
func (r *rules) graph(g *Graph) {
	s := r.s
	r.required("app.graph.path", g.Path, "say which graph is trained")
	r.required("app.graph.train_signature", g.TrainSignature, "must not be empty")
	if s.source.given("app.graph.eval_signature") && s.Input.Validation == nil {
		r.broken("app.graph.eval_signature", g.EvalSignature, "needs input.validation: the rows that it runs on")
	}
	switch {
	case strings.HasSuffix(g.Path, metaFile) && s.source.given("tag_set"):
		r.broken("tag_set", s.TagSet, "does not apply to a .meta file: it has one graph")
	case len(s.TagSet) == 0 || slices.Contains(s.TagSet, ""):
		r.broken("tag_set", s.TagSet, "must name tags, such as serve")
	}
	if s.Strategy == independent && s.source.given("protocol") {
		r.broken("protocol", s.Protocol, "does not apply to a graph app with strategy independent: members have no TensorFlow server")
	}
	if s.source.given("checkpoint") && s.ModelDir == "" {
		r.broken("checkpoint", "", "needs model_dir")
	}
	r.evaluation()
	r.nonFinite()
	r.opLibraries()
	r.shards()
}

// evaluation checks what a graph needs to be evaluated while it trains.
func (r *rules) evaluation() {
	s := r.s
	if s.Evaluator && s.ModelDir == "" {
		r.broken("evaluator", true, "needs model_dir: it evaluates the checkpoints there")
	}
	if s.Evaluator && s.Input.Validation == nil {
		r.broken("evaluator", true, "needs input.validation: the rows that it evaluates on")
	}
	e := s.EarlyStopping
	if e == nil {
		return
	}
	if s.Input.Validation == nil {
		r.broken("early_stopping", "", "needs input.validation: the rows that the metric is computed on")
	}
	r.required("early_stopping.metric", e.Metric, "must not be empty")
	r.oneOf("early_stopping.mode", e.Mode, "min", "max")
	r.atLeast("early_stopping.patience", int64(e.Patience), 1)
	if e.MinDelta < 0 {
		r.broken("early_stopping.min_delta", e.MinDelta, "must be 0 or more")
	}
}

// nonFinite checks what becomes of a loss that is no number.
func (r *rules) nonFinite() {
	s := r.s
	r.oneOf("on_non_finite", s.OnNonFinite, string(train.FailNonFinite), string(train.SkipNonFinite))
	if s.OnNonFinite == string(train.SkipNonFinite) && s.Strategy == parameterServer {
		r.broken("on_non_finite", s.OnNonFinite, "does not apply to strategy parameter_server: giving the variables their values back would undo the updates of other workers: use fail, or all_reduce")
	}
}

// shards checks that members can read the input where they read it themselves.
func (r *rules) shards() {
	if !r.s.readsShards() {
		return
	}
	const needs = "needs input_mode: spark: members read files of parquet, tfrecord, csv, json and arrow that they see as this machine does"
	for _, src := range r.s.sources() {
		switch {
		case src.Path == "":
		case !store.Knows(src.Path):
			r.broken(join(src.path, "path"), src.Path, needs)
		case src.Format != "" && !files.Format(src.Format).Known():
			r.broken(join(src.path, "format"), src.Format, needs)
		}
	}
}
