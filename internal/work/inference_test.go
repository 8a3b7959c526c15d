package work

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

func TestAssign(t *testing.T) {
	for _, test := range []struct {
		sizes []int64
		n     int
		want  string
	}{
		{[]int64{5}, 3, "[0] [] []"},
		{[]int64{1, 1, 1, 1}, 2, "[0 2] [1 3]"},
		{[]int64{1, 9, 2, 3, 4}, 2, "[0 1] [2 3 4]"},
		{[]int64{4, 5, 6, 7}, 2, "[0 3] [1 2]"},
		{[]int64{0, 0, 0}, 2, "[0 2] [1]"},
	} {
		var splits []infer.Split
		for i, size := range test.sizes {
			splits = append(splits, infer.Split{ID: i, Split: files.Split{Length: size}})
		}
		var got []string
		for _, share := range assign(splits, test.n) {
			ids := []int{}
			for _, s := range share {
				ids = append(ids, s.ID)
			}
			got = append(got, fmt.Sprint(ids))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("assign(%v, %d) = %s, want %s", test.sizes, test.n, s, test.want)
		}
	}
}

// shared is an inference job's work, shared out.
type shared struct {
	inference
	from       base
	resume     resumedSplits // from
	work       map[reserve.Place][]byte
	splits     []infer.Split
	partitions *infer.PartitionsRequest // where Spark reads
}

func shareOut(ctx context.Context, cfg Config) (*shared, error) {
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	var read Config
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	opened, err := open(read)
	if err != nil {
		return nil, err
	}
	if w, bySpark := opened.(*sparkRows); bySpark {
		shares, start := w.ShareOut(ctx)
		if start.End != nil || len(start.Events) > 0 {
			return nil, fmt.Errorf("starts with %+v", start)
		}
		return &shared{inference: w.inference, from: w.from, work: shares.Members, partitions: w.request}, nil
	}
	w := opened.(*splits)
	shares, err := w.shareOut(ctx)
	s := &shared{inference: w.inference, from: w.from, work: shares.Members, splits: w.missing}
	s.resume, _ = w.from.(resumedSplits)
	return s, err
}

// publishOutputs publishes the outputs of a job of the kind that has such ones.
func publishOutputs(ctx context.Context, cfg Config, result *total, from base) ([]reserve.Artifact, error) {
	if cfg.Outputs[0].Kind == "predictions" {
		return (&inference{cfg: cfg, place: staging{cfg.Outputs}}).publish(ctx, result, from)
	}
	return program{cfg}.publish(ctx)
}

// TestAnsweredWork: where Spark brings the rows there is nothing to share out.
func TestAnsweredWork(t *testing.T) {
	cfg := config(reservetest.Patience, reservetest.Worker(0), reservetest.Worker(1))
	cfg.Infer = &Inference{Request: []byte(`{"kind":"partitions","model":"m"}`)}
	s, err := shareOut(t.Context(), cfg)
	if err != nil || len(s.work) != 2 || len(s.splits) != 0 || !strings.Contains(string(s.work[reserve.Place{Job: "worker", Index: 1}]), `"kind":"partitions"`) {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSumAnswered: each partition once, by its last attempt, and as many rows as
// Spark wrote.
func TestSumAnswered(t *testing.T) {
	data := [][]byte{
		[]byte(`{"digest":"a","rows":7,"served":[{"partition":0,"attempt":1,"read":3,"rows":3},{"partition":1,"attempt":2,"read":9,"rows":4,"skipped":5,"graph_failed":1},
			{"partition":2,"attempt":3,"read":2,"rows":1,"skipped":1,"first_bad":{"row":7,"partition":2}}]}`),
		[]byte(`{"digest":"a","rows":5,"served":[{"partition":1,"attempt":5,"read":9,"rows":4,"skipped":5,"graph_failed":2}]}`),
	}
	sum, err := sumResults(nil, data)
	want := infer.Account{Read: 14, Rows: 8, Skipped: 6, GraphFailed: 2}
	if err != nil || sum.Account != want || sum.Partitions != 3 || len(sum.Served) != 3 {
		t.Fatalf("%+v, %v, want %+v", sum, err, want)
	}
	if bad := sum.BadPartitions; len(bad) != 2 || bad[0].Attempt != 5 || bad[1].Partition != 2 || bad[1].FirstBad.Row != 7 {
		t.Errorf("bad partitions %+v", bad)
	}
	cfg := Config{Config: reserve.Config{Feeds: []reserve.FeedConfig{{Name: "predict", Purpose: reserve.Predict}}}}
	for written, want := range map[int64]string{8: "", 9: "Spark wrote 9 rows, but took 8 predictions", 0: "Spark wrote 0 rows"} {
		err := checkAnswered(cfg, sum, map[string]int64{"predict": written})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d written: %v, want %q", written, err, want)
		}
	}
	if err := checkAnswered(cfg, sum, nil); err == nil {
		t.Error("a feed that has not ended")
	}
	if err := checkAnswered(Config{Config: reserve.Config{Feeds: []reserve.FeedConfig{{Name: "train"}}}}, nil, nil); err != nil {
		t.Error(err)
	}
	data[1] = []byte(`{"digest":"b","model":"m","rows":0}`)
	if _, err := sumResults(nil, data); err == nil || !strings.Contains(err.Error(), "different models") {
		t.Errorf("models differ: %v", err)
	}
}

func TestSumResults(t *testing.T) {
	splits := []infer.Split{{ID: 0, Split: files.Split{Path: "a"}}, {ID: 1, Split: files.Split{Path: "b"}}}
	for results, want := range map[string]string{
		`{"rows":3,"splits":[{"id":1,"rows":3}]}|{"rows":2,"splits":[{"id":0,"rows":2}]}`:   "",
		`{"digest":"a","splits":[{"id":0}]}|{"model":"m","digest":"b","splits":[{"id":1}]}`: "different models from m",
		`{"digest":"a","splits":[{"id":0},{"id":1}]}|{"rows":5}`:                            "",
		`{"splits":[{"id":1}]}`:                        "split 0 (a) has no result",
		`{"splits":[{"id":0}]}`:                        "split 1 (b) has no result",
		`{"splits":[{"id":0},{"id":0},{"id":1}]}`:      "split 1 (b) has no result or two",
		`{"splits":[{"id":0},{"id":1},{"id":7}]}`:      "1 results belong to no split",
		`{"splits":[{"id":0},{"id":1}]}|{"rows":"no"}`: "read an inference result",
	} {
		var data [][]byte
		for text := range strings.SplitSeq(results, "|") {
			data = append(data, []byte(text))
		}
		sum, err := sumResults(splits, data)
		switch {
		case want == "" && (err != nil || sum.Rows != 5 || sum.Parts[0].Info().ID != 0 || len(sum.Parts) != 2):
			t.Errorf("%s: %+v %v", results, sum, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", results, err, want)
		}
	}
}
