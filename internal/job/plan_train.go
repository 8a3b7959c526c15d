package job

import (
	"encoding/json"
	"fmt"
	"strings"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/train"
	"tfos/internal/work"
)

// planTraining adds how members train a graph program, and the files that they read
// where they read their input themselves. Without an input_mapping only the columns are
// read that the graph needs, where they are known.
func (s *Spec) planTraining(p *Plan, columns map[string][]string, outputs []work.Output) (err error) {
	if !s.trainsGraph() {
		return nil
	}
	p.Reserve.Shards = s.shards()
	if len(s.InputMapping) == 0 {
		for i, f := range p.Feeds {
			p.Feeds[i].Columns = columns[f.Name]
		}
		for i, shard := range p.Reserve.Shards {
			p.Reserve.Shards[i].Columns = columns[shard.Feed]
		}
	}
	if p.Reserve.Train, err = json.Marshal(s.trainRequest(outputs)); err != nil {
		return fmt.Errorf("job: plan: write the training's request: %w", err)
	}
	return nil
}

func (s *Spec) trainRequest(outputs []work.Output) train.Request {
	g := s.App.Graph
	r := train.Request{
		Graph: g.Path, TrainSignature: g.TrainSignature,
		Strategy: train.Strategy(s.Strategy), InputMapping: s.InputMapping.Map(), AllowNarrowing: s.AllowNarrowing, BatchSize: int(s.BatchSize), Steps: s.Steps,
		ModelDir: s.ModelDir, InitFrom: g.InitFrom, EverySteps: s.Checkpoint.EverySteps, Keep: s.Checkpoint.Keep,
		OnNonFinite: train.NonFinite(s.OnNonFinite), Protocol: s.Protocol, Threads: s.Resources.Worker.Cores,
	}
	if !strings.HasSuffix(g.Path, metaFile) {
		r.TagSet = s.TagSet
	}
	if s.Input.Validation != nil {
		r.EvalSignature = g.EvalSignature
	}
	if e := s.EarlyStopping; e != nil {
		r.EarlyStopping = &train.EarlyStopping{Metric: e.Metric, Mode: e.Mode, Patience: e.Patience, MinDelta: e.MinDelta}
	}
	for _, o := range outputs { // one
		r.Export = o.Staging
	}
	return r
}

// shards are the inputs whose files members read themselves.
func (s *Spec) shards() []work.Shard {
	if !s.readsShards() {
		return nil
	}
	var out []work.Shard
	for _, src := range s.fed() {
		out = append(out, work.Shard{
			Feed: string(src.purpose), Input: s.inputOf(src.Source), Columns: s.InputMapping.Keys(), Readers: s.Readers,
		})
	}
	return out
}

// inputOf is a source as internal/infer and members' readers open it.
func (s *Spec) inputOf(src *Source) infer.Input {
	return infer.Input{Format: files.Format(src.Format), Path: src.Path, Options: src.Options, Folders: s.folderRules()}
}

// explainGraph is the graph program and how it begins, for the dry run.
func (s *Spec) explainGraph() string {
	g := s.App.Graph
	text := fmt.Sprintf("graph %s, signature %s", g.Path, g.TrainSignature)
	if !strings.HasSuffix(g.Path, metaFile) {
		text = fmt.Sprintf("graph %s, tags %s, signature %s", g.Path, strings.Join(s.TagSet, ","), g.TrainSignature)
	}
	if g.InitFrom != "" {
		text += ", begins with values of " + g.InitFrom
	}
	if libraries := s.TensorFlow.OpLibraries; len(libraries) > 0 {
		text += ", operations of " + strings.Join(libraries, " and ")
	}
	return text + map[string]string{
		string(train.FailNonFinite): "; a loss that is no finite number fails the run",
		string(train.SkipNonFinite): "; a batch whose loss is no finite number is skipped",
	}[s.OnNonFinite]
}

func (s *Spec) explainCheckpoints() string {
	return fmt.Sprintf(": a checkpoint every %s, the last %d are kept", plural(s.Checkpoint.EverySteps, "step"), s.Checkpoint.Keep)
}

// explainEvaluation is what runs on validation rows, "" where there are none.
func (s *Spec) explainEvaluation() string {
	if s.Input.Validation == nil {
		return ""
	}
	text := fmt.Sprintf("signature %s every %s", s.App.Graph.EvalSignature, plural(s.Checkpoint.EverySteps, "step"))
	if e := s.EarlyStopping; e != nil {
		text += fmt.Sprintf("; training ends when %s (%s) has not improved by more than %g in %s", e.Metric, e.Mode, e.MinDelta, plural(int64(e.Patience), "evaluation"))
	}
	return text
}
