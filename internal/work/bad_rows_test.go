package work

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// TestServeJudgesBadRows: the limit is one for the whole job, and nothing is
// published of one beyond it, nor of one whose rows do not add up.
func TestServeJudgesBadRows(t *testing.T) {
	const good = `{"id":%d,"output":"part-%05[1]d.parquet","read":100,"rows":100}`
	const bad = `{"id":%d,"output":"part-%05[1]d.parquet","read":100,"rows":98,"quarantined":2,
		"quarantine":{"output":"_quarantine/part-%05[1]d.parquet","rows":2},"first_bad":{"file":"f","row":7,"column":"x","reason":"it is null"}}`
	lost := strings.Replace(bad, `"rows":98`, `"rows":97`, 1)
	unwritten := strings.Replace(bad, `"rows":2}`, `"rows":1}`, 1)
	for _, tt := range []struct {
		name, split, max string
		code             exit.Code
		says             string
	}{
		{"within", bad, `,"max_bad":1`, 0, ""},
		{"no limit", bad, "", 0, ""},
		{"beyond", bad, `,"max_bad":0.9`, 6, `2 of 200 rows are bad (1%), and max_bad is 0.9%; the first is f: row 7, column "x": it is null`},
		{"lost", lost, "", 1, "rows are unaccounted for: split 1 (): 100 rows read, but 97 predicted, 0 skipped and 2 quarantined"},
		{"not written", unwritten, "", 1, "rows are unaccounted for: split 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, name := range []string{"a.json", "b.json"} {
				stageText(t, root+"/in/"+name, `{"x": 1}`)
			}
			cfg := config(2*time.Second, reservetest.Worker(0), reservetest.Worker(1))
			cfg.Infer = &Inference{Input: infer.Input{Format: files.JSON, Path: root + "/in"}, Tasks: 1, Request: json.RawMessage(`{"kind":"splits","model":"m"` + tt.max + `}`)}
			cfg.Outputs = []Output{{Kind: "predictions", Staging: root + "/stage", Final: root + "/out"}}
			d := begin(t, cfg)
			members := []*reservetest.Member{d.Join(d.Ready.Address, 0, "A"), d.Join(d.Ready.Address, 1, "B")}
			for i, split := range []string{good, tt.split} {
				reservetest.Receive(t, members[i].Clusters, "cluster")
				stage(t, fmt.Sprintf("%s/stage/part-%05d.parquet", root, i))
				stage(t, fmt.Sprintf("%s/stage/_quarantine/part-%05d.parquet", root, i))
				var s infer.SplitResult
				if err := json.Unmarshal(fmt.Appendf(nil, split, i), &s); err != nil {
					t.Fatal(err)
				}
				result, err := json.Marshal(infer.Result{Account: s.Account, Splits: []infer.SplitResult{s}})
				if err != nil {
					t.Fatal(err)
				}
				members[i].ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Result: result})
			}
			v := d.AwaitVerdict(tt.code)
			if cause := v["cause"].(string); !strings.Contains(cause, tt.says) {
				t.Errorf("cause %q, want %q", cause, tt.says)
			}
			if sum := v["infer"].(map[string]any); sum["read"] != 200.0 || sum["quarantined"] != 2.0 {
				t.Errorf("infer %v", sum)
			}
			if there := exists(root + "/out/_quarantine/part-00001.parquet"); there != (tt.code == 0) || exists(root+"/out") != there || exists(root+"/stage") {
				t.Errorf("published: %v, staged: %v", exists(root+"/out"), exists(root+"/stage"))
			}
			d.HangUp()
		})
	}
}

// TestServeJudgesWhatSparkWrote: as it does parts; an attempt that was tried again
// is not among the rows.
func TestServeJudgesWhatSparkWrote(t *testing.T) {
	const early = `{"partition":1,"attempt":1,"read":100,"rows":90,"quarantined":10,"quarantine":{"output":"_quarantine/part-00001-1.parquet","rows":10}}`
	const good = `{"partition":0,"attempt":2,"read":100,"rows":100}`
	const bad = `{"partition":1,"attempt":3,"read":100,"rows":98,"quarantined":2,"graph_failed":1,
		"quarantine":{"output":"_quarantine/part-00001-3.parquet","rows":2},"first_bad":{"partition":1,"row":7,"column":"x","reason":"it is null"}}`
	for _, tt := range []struct {
		name, last, max string
		written         int
		code            exit.Code
		says            string
	}{
		{"within", bad, `,"max_bad":1`, 198, 0, ""},
		{"no limit", bad, "", 198, 0, ""},
		{"lost without bad rows", `{"partition":2,"attempt":4,"read":0,"rows":1},` + bad, "", 199, 1, "rows are unaccounted for: the job: 200 rows read, but 199 predicted"},
		{"beyond", bad, `,"max_bad":0.9`, 198, 6, `2 of 200 rows are bad (1%), and max_bad is 0.9%; the first is partition 1: row 7, column "x": it is null`},
		{"lost", strings.Replace(bad, `"rows":98`, `"rows":97`, 1), "", 197, 1, "rows are unaccounted for"},
		{"not written", strings.Replace(bad, `"rows":2}`, `"rows":1}`, 1), "", 198, 1, "rows are unaccounted for: partition 1: 2 quarantined, but"},
		{"bad rows given to Spark", bad, "", 200, 1, "Spark wrote 200 rows, but took 198 predictions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			cfg := config(2*time.Second, reservetest.Worker(0), reservetest.Worker(1))
			cfg.Feeds = []reserve.FeedConfig{{Name: "predict", Epochs: 1, Purpose: reserve.Predict}}
			for i := range cfg.Members {
				cfg.Members[i].Feeds = []string{"predict"}
			}
			cfg.Infer = &Inference{Request: json.RawMessage(`{"kind":"partitions","model":"m"` + tt.max + `}`)}
			cfg.Outputs = []Output{{Kind: "predictions", Staging: root + "/stage", Final: root + "/out", Aside: root + "/aside"}}
			d := begin(t, cfg)
			members := []*reservetest.Member{d.Join(d.Ready.Address, 0, "A"), d.Join(d.Ready.Address, 1, "B")}
			for _, m := range members {
				reservetest.Receive(t, m.Clusters, "cluster")
			}
			stage(t, root+"/stage/part-00001-x.parquet")
			stage(t, root+"/aside/_quarantine/part-00001-1.parquet")
			stage(t, root+"/aside/_quarantine/part-00001-3.parquet")
			d.Say(fmt.Sprintf(`{"cmd":"feed_end","feed":"predict","epoch":0,"rows":%d,"last":true}`, tt.written))
			for i, served := range []string{early + "," + good, tt.last} {
				reservetest.Receive(t, members[i].FeedEnds, "end of the feed")
				members[i].ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Result: []byte(`{"digest":"d","splits":[],"served":[` + served + `]}`)})
			}
			v := d.AwaitVerdict(tt.code)
			if cause := v["cause"].(string); !strings.Contains(cause, tt.says) {
				t.Errorf("cause %q, want %q", cause, tt.says)
			}
			if sum := v["infer"].(map[string]any); sum["read"] != 200.0 || sum["quarantined"] != 2.0 || len(sum["bad_partitions"].([]any)) != 1 {
				t.Errorf("infer %v", sum)
			}
			if there := exists(root + "/out/_quarantine/part-00001.parquet"); there != (tt.code == 0) || exists(root+"/out") != there || exists(root+"/stage") || exists(root+"/aside") {
				t.Errorf("published: %v, staged: %v, aside: %v", exists(root+"/out"), exists(root+"/stage"), exists(root+"/aside"))
			}
			d.HangUp()
		})
	}
}

// TestInputRows: with a limit members are told how many rows a parquet input
// has; of lines nobody knows.
func TestInputRows(t *testing.T) {
	root := t.TempDir()
	stageText(t, root+"/a.json", "{\"x\": 1}\n{\"x\": 2}\n")
	if _, err := files.Convert(t.Context(), files.Conversion{From: files.JSON, In: root + "/a.json", To: files.Parquet, Out: root + "/p", Staging: root + "/staging"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		format  files.Format
		path    string
		request string
		want    int64
	}{
		{files.Parquet, root + "/p", `{"kind":"splits","max_bad":1}`, 2},
		{files.Parquet, root + "/p", `{"kind":"splits"}`, 0},
		{files.JSON, root + "/a.json", `{"kind":"splits","max_bad":1}`, 0},
	} {
		cfg := config(time.Second, reservetest.Worker(0))
		cfg.Infer = &Inference{Input: infer.Input{Format: tt.format, Path: tt.path}, Tasks: 1, Request: json.RawMessage(tt.request)}
		shared, err := shareOut(t.Context(), cfg)
		var request infer.SplitsRequest
		if err != nil || json.Unmarshal(shared.work[reserve.Place{Job: "worker", Index: 0}], &request) != nil || request.InputRows != tt.want {
			t.Errorf("%s, %s: %d rows, %v", tt.format, tt.request, request.InputRows, err)
		}
	}
}
