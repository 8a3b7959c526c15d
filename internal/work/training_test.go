package work

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/train"
)

// TestNamesOfTraining: the engine, which does not import reserve, has the same names.
func TestNamesOfTraining(t *testing.T) {
	have := []string{train.EvaluatorJob, train.TrainFeed, train.ValidationFeed}
	if want := []string{reserve.Evaluator, string(reserve.Train), string(reserve.Validation)}; !reflect.DeepEqual(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
}

// TestOneProgramTrainsInAFolder: the same for a program, whose model_dir the plan names.
func TestOneProgramTrainsInAFolder(t *testing.T) {
	cfg := Config{Config: reserve.Config{Run: "r1"}, ModelDir: t.TempDir()}
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	open := func() reserve.Work {
		w, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := open()
	if _, start := first.ShareOut(t.Context()); start.End != nil {
		t.Fatalf("first: %+v", start.End)
	}
	_, start := open().ShareOut(t.Context())
	if end, failed := start.End.(reserve.Fail); !failed || end.Code != exit.Output || !strings.Contains(end.Cause, "another run trains there") {
		t.Errorf("second: %+v", start.End)
	}
	if _, err := first.Finish(t.Context(), reserve.Verdict{Code: exit.Failed}, reserve.Made{}); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(cfg.ModelDir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, start := open().ShareOut(t.Context()); start.End != nil {
		t.Errorf("third: %+v", start.End)
	}
}

func openedTraining(t *testing.T, request train.Request, outputs ...Output) reserve.Work {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	members := []reserve.MemberConfig{{Job: "ps"}, {Job: "worker", Required: true}, {Job: "worker", Index: 1, Required: true}}
	config, err := json.Marshal(Config{Config: reserve.Config{Run: "r1", Members: members}, Train: text, Outputs: outputs, ModelDir: request.ModelDir})
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func results(t *testing.T, all ...train.Result) (made reserve.Made) {
	t.Helper()
	for _, r := range all {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		made.Results = append(made.Results, text)
	}
	return made
}

// TestTrainingRequest: a request that cannot be read is no training.
func TestTrainingRequest(t *testing.T) {
	for _, text := range []string{`{"steps":"all"}`, `{`} {
		if _, err := open(Config{Train: json.RawMessage(text)}); err == nil {
			t.Errorf("%s is a request", text)
		}
	}
}

// TestTrainingAccount: updates of all trainers, what the chief has measured, and what the
// evaluator has.
func TestTrainingAccount(t *testing.T) {
	made := results(t,
		train.Result{Role: train.RoleChief, Step: 50, Steps: 20, Seconds: 10, LeftOut: 3, EvalLeftOut: 5, Stopped: "rows", Checkpoint: "m/ckpt-50", Resumed: &train.Start{Prefix: "m/ckpt-10", Step: 10}, Metrics: map[string]float64{"loss": 1}, Evaluated: map[string]float64{"loss": 2}},
		train.Result{Role: train.RoleTrainer, Step: 49, Steps: 20, Seconds: 8, LeftOut: 1, Metrics: map[string]float64{"loss": 9}},
		train.Result{Role: train.RoleEvaluator, Evaluated: map[string]float64{"loss": 3}, EvalLeftOut: 2, Seconds: 99})
	for strategy, steps := range map[train.Strategy]int64{train.ParameterServer: 40, train.AllReduce: 20} {
		w := openedTraining(t, train.Request{Strategy: strategy})
		v, err := w.Finish(t.Context(), reserve.Verdict{}, made)
		if err != nil || v.Code != exit.Done {
			t.Fatalf("%+v, %v", v, err)
		}
		want := &record.Trained{Step: 50, Steps: steps, StepsPerSecond: float64(steps) / 10, LeftOut: 4, EvalLeftOut: 2, Stopped: "rows", Checkpoint: "m/ckpt-50", ResumedFrom: "m/ckpt-10",
			Metrics: map[string]float64{"loss": 1}, Evaluated: map[string]float64{"loss": 3}}
		if !reflect.DeepEqual(v.Train, want) {
			t.Errorf("%s: %+v, want %+v", strategy, v.Train, want)
		}
		if len(v.Artifacts) != 1 || v.Artifacts[0] != (reserve.Artifact{Kind: "checkpoint", Path: "m/ckpt-50"}) {
			t.Errorf("artifacts %v", v.Artifacts)
		}
	}
}

// TestTrainingPublishes: the export gets its name when the run succeeds. It is kept in
// its staging folder when the run fails, or when the chief's result is missing.
func TestTrainingPublishes(t *testing.T) {
	chief := train.Result{Role: train.RoleChief, Step: 1}
	for name, test := range map[string]struct {
		code, want exit.Code
		made       reserve.Made
	}{
		"succeeded":       {exit.Done, exit.Done, results(t, chief)},
		"failed":          {exit.Failed, exit.Failed, results(t, chief)},
		"no result":       {exit.Done, exit.Internal, reserve.Made{}},
		"another version": {exit.Done, exit.Internal, reserve.Made{Results: append(results(t, chief).Results, []byte(`{"step":"one"}`))}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			o := Output{Kind: KindSavedModel, Staging: root + "/tfos-r1.out", Final: root + "/out"}
			stage(t, o.Staging+"/saved_model.pb")
			v, err := openedTraining(t, train.Request{Export: o.Staging}, o).Finish(t.Context(), reserve.Verdict{Code: test.code}, test.made)
			if err != nil || v.Code != test.want {
				t.Fatalf("%+v, %v", v, err)
			}
			_, published := os.Stat(o.Final + "/saved_model.pb")
			done := test.want == exit.Done
			if (published == nil) != done || (len(v.Kept) == 0) != done {
				t.Errorf("published: %v, kept %v", published, v.Kept)
			}
			if name == "another version" && !strings.Contains(v.Cause, "read a member's result") {
				t.Errorf("the cause is %q", v.Cause)
			}
			var artifacts []reserve.Artifact // no checkpoint: there is no model_dir
			if done {
				artifacts = []reserve.Artifact{{Kind: KindSavedModel, Path: o.Final}}
			}
			if !slices.Equal(v.Artifacts, artifacts) {
				t.Errorf("artifacts %v, want %v", v.Artifacts, artifacts)
			}
			if _, err := json.Marshal(v); err != nil { // of a training of 0 seconds too
				t.Error(err)
			}
		})
	}
}

// TestTrainingGoesOn: members get the newest complete checkpoint. A run whose steps are
// done ends at once, unless it exports.
func TestTrainingGoesOn(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{"ckpt-7.index": "w.index", "ckpt-7.data-00000-of-00001": "w.data-00000-of-00001"} {
		data, err := os.ReadFile(filepath.Join("..", "train", "testdata", "one", source))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/ckpt-9.index", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		request train.Request
		ends    bool
	}{
		"more steps": {train.Request{Steps: 8}, false},
		"no limit":   {train.Request{}, false},
		"done":       {train.Request{Steps: 7}, true},
		"exports":    {train.Request{Steps: 7, Export: "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.request.ModelDir = dir
			w := openedTraining(t, test.request)
			shares, start := w.ShareOut(t.Context())
			if _, ends := start.End.(reserve.Settle); ends != test.ends {
				t.Errorf("end %v", start.End)
			}
			var got train.Request
			if err := json.Unmarshal(shares.Members[reserve.Place{Job: "worker", Index: 1}], &got); err != nil {
				t.Fatal(err)
			}
			if got.Resume == nil || *got.Resume != (train.Start{Prefix: dir + "/ckpt-7", Step: 7}) {
				t.Errorf("resumes %+v", got.Resume)
			}
			if len(start.Events) != 2 || !strings.Contains(start.Events[0].(reserve.Warning).Message, "ckpt-9") || start.Events[1] != (record.Resumed{Checkpoint: dir + "/ckpt-7", Step: 7}) {
				t.Errorf("events %+v", start.Events)
			}
			v, err := w.Finish(t.Context(), reserve.Verdict{Phase: PhaseSkipped}, reserve.Made{})
			if want := (&record.Trained{Step: 7, ResumedFrom: dir + "/ckpt-7"}); test.ends && (err != nil || v.Code != exit.Done || !reflect.DeepEqual(v.Train, want)) {
				t.Errorf("%+v of %+v, %v", v.Train, v, err)
			}
		})
	}
}

// TestTrainingShards: each member that takes a feed gets pieces of its files in its work,
// with the request. More members than pieces is an error of the input.
func TestTrainingShards(t *testing.T) {
	for _, workers := range []int{2, 30} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(strings.Repeat("{\"x\": 1}\n", workers%10*100)), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := Config{
			Config: reserve.Config{Members: []reserve.MemberConfig{{Job: "ps"}}},
			Train:  json.RawMessage(`{"batch_size": 7}`),
			Shards: []Shard{{Feed: "train", Input: infer.Input{Format: files.JSON, Path: filepath.Join(dir, "*.json")}, Columns: []string{"x"}, Readers: 3}},
		}
		for i := range workers {
			cfg.Members = append(cfg.Members, reserve.MemberConfig{Job: "worker", Index: i, Feeds: []string{"train"}})
		}
		w, err := open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		shares, start := w.ShareOut(t.Context())
		if workers == 30 { // of a file without rows
			if fail, ok := start.End.(reserve.Fail); !ok || fail.Code != exit.BadData && fail.Code != exit.Usage || fail.Phase != "input" {
				t.Errorf("start %+v", start)
			}
			continue
		}
		if start.End != nil {
			t.Fatalf("start %+v", start)
		}
		var bytes int64
		for p, text := range shares.Members {
			var got trainee
			if err := json.Unmarshal(text, &got); err != nil || got.BatchSize != 7 {
				t.Errorf("%s: %s, %v", p, text, err)
			}
			share, reads := got.Shards["train"]
			if reads != (p.Job == "worker") || reads && (share.Readers != 3 || len(share.Partitions.Partitions) == 0) {
				t.Errorf("%s: %+v", p, got)
			}
			for _, splits := range share.Partitions.Partitions {
				for _, s := range splits {
					bytes += s.Length
				}
			}
		}
		if want := int64(200 * len("{\"x\": 1}\n")); bytes != want {
			t.Errorf("%d bytes of %d are shared out", bytes, want)
		}
	}
}

// TestTrainingShardsOfTwoFeeds: a member that takes two feeds gets pieces of both.
func TestTrainingShardsOfTwoFeeds(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Config: reserve.Config{Members: []reserve.MemberConfig{{Job: "chief", Feeds: []string{"validation", "train"}}, {Job: "worker", Feeds: []string{"train"}}}}, Train: json.RawMessage(`{}`)}
	for _, feed := range []string{"train", "validation"} {
		path := filepath.Join(dir, feed+".json")
		stageText(t, path, strings.Repeat("{\"x\": 1}\n", 100))
		cfg.Shards = append(cfg.Shards, Shard{Feed: feed, Input: infer.Input{Format: files.JSON, Path: path}, Columns: []string{"x"}, Readers: 1})
	}
	w, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	shares, start := w.ShareOut(t.Context())
	if start.End != nil {
		t.Fatalf("start %+v", start)
	}
	for _, m := range cfg.Members {
		var got trainee
		if err := json.Unmarshal(shares.Members[reserve.Place{Job: m.Job}], &got); err != nil || len(got.Shards) != len(m.Feeds) {
			t.Errorf("%s: feeds %v, %v", m.Job, got.Shards, err)
		}
		for _, feed := range m.Feeds {
			for _, splits := range got.Shards[feed].Partitions.Partitions {
				if splits[0].Path != filepath.Join(dir, feed+".json") {
					t.Errorf("%s: feed %s reads %v", m.Job, feed, splits)
				}
			}
		}
	}
}

// TestModelDirThatCannotBe: a folder that cannot be made is a fault of the output.
func TestModelDirThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	stage(t, file)
	_, start := openedTraining(t, train.Request{ModelDir: file + "/model"}).ShareOut(t.Context())
	if end, failed := start.End.(reserve.Fail); !failed || end.Code != exit.Output || end.Phase != "output" || !strings.HasPrefix(end.Cause, "model_dir: ") {
		t.Errorf("%+v", start.End)
	}
}

// TestOneRunTrainsInAFolder: a second run ends before it has members, and a third one,
// after the first has ended, trains.
func TestOneRunTrainsInAFolder(t *testing.T) {
	request := train.Request{ModelDir: t.TempDir() + "/new"}
	first := openedTraining(t, request)
	shares, start := first.ShareOut(t.Context())
	if start.End != nil || len(start.Events) > 0 {
		t.Fatalf("first: %+v", start)
	}
	for p, text := range shares.Members {
		var got train.Request
		if err := json.Unmarshal(text, &got); err != nil || got.Resume != nil {
			t.Errorf("%s begins at %+v, %v", p, got.Resume, err)
		}
	}
	_, start = openedTraining(t, request).ShareOut(t.Context())
	if end, failed := start.End.(reserve.Fail); !failed || end.Code != exit.Output || !strings.Contains(end.Cause, request.ModelDir+": another run trains there") {
		t.Errorf("second: %+v", start.End)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, start = openedTraining(t, request).ShareOut(interrupted); start.End != nil {
		t.Errorf("an interrupted wait is no failure: %+v", start.End)
	}
	if err := first.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := openedTraining(t, request)
	if _, start := third.ShareOut(t.Context()); start.End != nil {
		t.Errorf("third: %+v", start.End)
	}
	if _, err := third.Finish(t.Context(), reserve.Verdict{Code: exit.Failed}, reserve.Made{}); err != nil {
		t.Error(err)
	}
}
