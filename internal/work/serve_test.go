package work

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// TestServeRun is a whole run: two members, a synchronous feed, a SavedModel.
func TestServeRun(t *testing.T) {
	root := t.TempDir()
	// A lease so long that only Renew brings the counts in time.
	cfg := config(10*reservetest.Patience, reservetest.Worker(0), reservetest.Worker(1))
	cfg.Feeds = []reserve.FeedConfig{{Name: "train", Synchronous: true}}
	cfg.Outputs = []Output{{Kind: "saved_model", Staging: root + "/stage", Final: root + "/final"}}
	d := begin(t, cfg)
	held := make(chan int64, 1)
	held <- 0
	counts := func() []reserve.FeedCount {
		n := <-held
		held <- n
		return []reserve.FeedCount{{Feed: "train", Received: n * 10, Trained: n * 10, StepsHeld: n}}
	}
	a := d.JoinAs(d.Client(d.Ready.Address), 0, "A", func() reserve.Renewal { return reserve.Renewal{Phase: "running", Feeds: counts()} })
	d.Await("waiting")
	b := d.JoinAs(d.Client(d.Ready.Address), 1, "B", func() reserve.Renewal { return reserve.Renewal{Phase: "running", Feeds: counts()} })
	formed := d.Await("formed")
	if n := len(formed["members"].([]any)); n != 2 {
		t.Errorf("formed with %d members", n)
	}
	c := reservetest.Receive(t, a.Clusters, "cluster")
	reservetest.Receive(t, b.Clusters, "cluster")
	if len(c.Members) != 2 || c.Members[1].Address != "127.0.0.1:4001" || c.Work != nil {
		t.Errorf("cluster %+v", c)
	}
	<-held
	held <- 3
	a.Renew()
	b.Renew()
	if mark := reservetest.Receive(t, a.Marks, "mark"); mark.Step != 3 || mark.Final {
		t.Errorf("mark %+v", mark)
	}
	d.Say(`{"cmd":"feed_end","feed":"train","epoch":0,"rows":60,"last":true}`)
	if end := reservetest.Receive(t, b.FeedEnds, "feed end"); end != (reserve.FeedEnd{Feed: "train", Epoch: 0, Last: true}) {
		t.Errorf("feed end %+v", end)
	}
	if mark := reservetest.Receive(t, a.Marks, "mark"); !mark.Final {
		t.Errorf("mark %+v", mark)
	}
	stage(t, root+"/stage/saved_model.pb")
	a.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Feeds: counts()})
	b.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Feeds: counts()})
	v := d.AwaitVerdict(0)
	if rows := v["rows"].(map[string]any); rows["read"] != 60.0 || rows["trained"] != 60.0 {
		t.Errorf("rows %v", rows)
	}
	if fmt.Sprint(v["artifacts"]) != fmt.Sprintf("[map[kind:saved_model path:%s/final]]", root) || !exists(root+"/final/saved_model.pb") || exists(root+"/stage") {
		t.Errorf("artifacts %v", v["artifacts"])
	}
	late := d.Join(d.Ready.Address, 0, "C")
	if err := reservetest.Receive(t, late.Joined, "rejection"); err == nil || !strings.Contains(err.Error(), "has ended already") && !strings.Contains(err.Error(), "the run is over") {
		t.Errorf("a late registration: %v", err)
	}
	d.HangUp()
}

// TestServeInfer shares files out and commits predictions.
func TestServeInfer(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"b.json", "a.json", "sub/c.json"} {
		stageText(t, root+"/in/"+name, `{"x": 1}`)
	}
	stage(t, root+"/in/_SUCCESS")
	cfg := config(2*time.Second, reservetest.Worker(0), reservetest.Worker(1))
	cfg.Infer = &Inference{Input: infer.Input{Format: files.JSON, Path: root + "/in"}, Tasks: 1, Request: json.RawMessage(`{"kind":"splits","model":"m","batch_size":7}`)}
	cfg.Outputs = []Output{{Kind: "predictions", Staging: root + "/stage", Final: root + "/out"}}
	d := begin(t, cfg)
	for i := range 2 {
		d.Join(d.Ready.Address, i, fmt.Sprint(i))
	}
	_ = d.Await("formed")
	d.Say(`{"cmd":"stop","reason":"enough"}`)
	d.AwaitVerdict(130)
	d.HangUp()

	d = begin(t, cfg)
	var members []*reservetest.Member
	for i := range 2 {
		members = append(members, d.Join(d.Ready.Address, i, fmt.Sprint(i)))
	}
	for _, m := range members {
		var work struct {
			Model  string
			Splits []struct {
				ID   int
				Path string
			}
		}
		if err := json.Unmarshal(reservetest.Receive(t, m.Clusters, "cluster").Work, &work); err != nil || work.Model != "m" {
			t.Fatalf("work %+v: %v", work, err)
		}
		var results []string
		for _, s := range work.Splits {
			name := fmt.Sprintf("part-%05d.parquet", s.ID)
			stage(t, root+"/stage/"+name)
			results = append(results, fmt.Sprintf(`{"id":%d,"input":%q,"output":%q,"read":6,"rows":5,"skipped":1}`, s.ID, s.Path, name))
		}
		result := fmt.Sprintf(`{"read":%d,"rows":%d,"skipped":%d,"splits":[%s],"load_seconds":0.5}`, 6*len(results), 5*len(results), len(results), strings.Join(results, ","))
		m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Result: []byte(result)})
	}
	v := d.AwaitVerdict(0)
	if sum := v["infer"].(map[string]any); sum["rows"] != 15.0 || sum["read"] != 18.0 || sum["skipped"] != 3.0 || sum["load_seconds"] != 1.0 {
		t.Errorf("infer %v", sum)
	}
	text, err := os.ReadFile(root + "/out/_manifest.json")
	var m manifest
	if err != nil || json.Unmarshal(text, &m) != nil || m.Rows != 15 || m.Read != 18 || len(m.Parts) != 3 || m.Parts[1].Info().Skipped != 1 || m.Parts[2].(infer.SplitResult).Input != root+"/in/sub/c.json" {
		t.Errorf("manifest %s: %v", text, err)
	}
	if !exists(root+"/out/_SUCCESS") || !exists(root+"/out/part-00002.parquet") {
		t.Error("the output is not complete")
	}
	d.HangUp()
}

// TestServeFails has one run for each way in which it ends without success.
func TestServeFails(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/existing/x")
	stage(t, root+"/empty/_notes")
	output := func(final string) []Output {
		return []Output{{Kind: "saved_model", Staging: root + "/stage", Final: final}}
	}
	succeed := func(t *testing.T, d *reservetest.Driver) {
		m := d.Join(d.Ready.Address, 0, "A")
		reservetest.Receive(t, m.Clusters, "cluster")
		m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	}
	tests := []struct {
		name  string
		cfg   func(*Config)
		run   func(*testing.T, *reservetest.Driver)
		code  exit.Code
		cause string
		// writes says that the program has written to export_dir.
		writes bool
	}{
		{"no input", func(c *Config) {
			c.Infer = &Inference{Input: infer.Input{Format: files.JSON, Path: root + "/empty"}, Request: []byte(`{"kind":"splits"}`)}
		}, nil, 2, root + "/empty: no data files", false},
		{"missing input", func(c *Config) {
			c.Infer = &Inference{Input: infer.Input{Format: files.JSON, Path: root + "/none"}, Request: []byte(`{"kind":"splits"}`)}
		}, nil, 2, root + "/none", false},
		{"damaged input", func(c *Config) {
			c.Infer = &Inference{Input: infer.Input{Format: files.Parquet, Path: root + "/existing"}, Request: []byte(`{"kind":"splits"}`)}
		}, nil, 6, root + "/existing/x: not a readable parquet file", false},
		{"no checkpoint", func(c *Config) {
			c.Infer = &Inference{Request: []byte(`{"kind":"splits","checkpoint":"` + root + `/none"}`)}
		}, nil, 2, "there is no such checkpoint", false},
		{"no model written", func(c *Config) { c.Outputs = output(root + "/new") }, func(t *testing.T, d *reservetest.Driver) {
			stage(t, root+"/stage/variables/x")
			succeed(t, d)
		}, 7, "it must save a SavedModel", true},
		{"output exists", func(c *Config) { c.Outputs = output(root + "/existing") }, func(t *testing.T, d *reservetest.Driver) {
			stage(t, root+"/stage/saved_model.pb")
			succeed(t, d)
		}, 7, "exists already", true},
		{"program fails", func(c *Config) { c.Outputs = output(root + "/new") }, func(t *testing.T, d *reservetest.Driver) {
			m := d.Join(d.Ready.Address, 0, "A")
			reservetest.Receive(t, m.Clusters, "cluster")
			stage(t, root+"/stage/saved_model.pb")
			m.ReportEnd(t, reserve.Outcome{Kind: reserve.Failed, ExitCode: 1, Cause: "ValueError: no", Stderr: []string{"Traceback"}})
		}, 5, "ValueError: no", true},
		{"driver's word, of a node", nil, func(t *testing.T, d *reservetest.Driver) {
			d.Say(`{"cmd":"fail","code":5,"phase":"members","cause":"it is gone","retryable":true}`)
		}, 5, "it is gone", false},
		{"driver's word", nil, func(t *testing.T, d *reservetest.Driver) {
			d.Say(`{"cmd":"fail","code":6,"phase":"feed","cause":"bad row"}`)
		}, 6, "bad row", false},
		{"garbled command", nil, func(t *testing.T, d *reservetest.Driver) { d.Say(`{"cmd":"feed_edn"}`) }, 1, `unknown cmd "feed_edn"`, false},
		{"not formed", func(c *Config) { c.ReservationMS = 50 }, nil, 4, "missing worker:0", false},
		{"signal after the model was written", func(c *Config) { c.Outputs = output(root + "/new") }, func(t *testing.T, d *reservetest.Driver) {
			stage(t, root+"/stage/saved_model.pb")
			d.Cancel()
		}, 130, "interrupted", true},
		{"signal", nil, func(t *testing.T, d *reservetest.Driver) { d.Cancel() }, 130, "interrupted", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := config(2*time.Second, reservetest.Worker(0))
			if test.cfg != nil {
				test.cfg(&cfg)
			}
			d := begin(t, cfg)
			if test.run != nil {
				test.run(t, d)
			}
			v := d.AwaitVerdict(test.code)
			if !strings.Contains(v["cause"].(string), test.cause) {
				t.Errorf("cause %q, want %q in it", v["cause"], test.cause)
			}
			d.HangUp()
			kept, _ := v["kept"].([]any)
			if exists(root+"/stage") != slices.Contains(kept, any(root+"/stage")) || exists(root+"/stage") != test.writes {
				t.Errorf("what was written is there: %v; %v", exists(root+"/stage"), v)
			}
			if err := os.RemoveAll(root + "/stage"); err != nil {
				t.Fatal(err)
			}
			if exists(root+"/new") || !exists(root+"/existing/x") {
				t.Error("outputs of a failed run are left, or the user's are gone")
			}
		})
	}
}

// TestServeDriverGone ends the driver's input in mid-run.
func TestServeDriverGone(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/stage/saved_model.pb")
	cfg := config(2*time.Second, reservetest.Worker(0))
	cfg.Outputs = []Output{{Kind: "saved_model", Staging: root + "/stage", Final: root + "/final"}}
	d := begin(t, cfg)
	m := d.Join(d.Ready.Address, 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	d.CloseInput()
	if reason := reservetest.Receive(t, m.Stops, "stop"); !strings.Contains(reason, "driver is gone") {
		t.Errorf("stopped because %q", reason)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Stopped})
	d.HangUp()
	if !exists(root+"/stage/saved_model.pb") || exists(root+"/final") {
		t.Error("what the program has written is gone, or has its name")
	}
	for e := range d.Events {
		if e["event"] == "verdict" {
			t.Errorf("a verdict for nobody: %v", e)
		}
	}
}
