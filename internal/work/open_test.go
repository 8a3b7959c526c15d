package work

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// TestOpen: the configuration alone decides the kind of work.
func TestOpen(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "work.program",
		`{"run":"r1","outputs":[{"kind":"export"}]}`:                 "work.program",
		`{"work":{"request":{"kind":"splits","model":"m"}}}`:         "*work.splits",
		`{"work":{"request":{"kind":"partitions","model":"m"}}}`:     "*work.sparkRows",
		`{"work":{"request":{"kind":"splits","batch_size":"many"}}}`: "infer: read the inference request",
		`{"work":{"request":{"model":"m"}}}`:                         "infer: read the inference request",
		`{"outputs":7}`:                                              "work: read the configuration",
	} {
		w, err := Open([]byte(config))
		got := fmt.Sprintf("%T", w)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
	}
}

// TestConfigIsOneObject: reserve reads its part of what work reads.
func TestConfigIsOneObject(t *testing.T) {
	cfg := config(reservetest.Patience, reservetest.Worker(0))
	cfg.Outputs = []Output{{Kind: KindExport, Staging: "/s", Final: "/f"}}
	cfg.Infer = &Inference{Tasks: 2, Request: []byte(`{"kind":"splits"}`)}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var members reserve.Config
	var whole Config
	if err := json.Unmarshal(text, &members); err != nil || members.Run != "r1" || len(members.Members) != 1 {
		t.Errorf("%+v, %v", members, err)
	}
	if err := json.Unmarshal(text, &whole); err != nil || whole.Run != "r1" || whole.Infer.Tasks != 2 || whole.Outputs[0].Final != "/f" {
		t.Errorf("%+v, %v", whole, err)
	}
}

// TestMeasurementPublishesNothing, whatever the kind of work, and leaves nothing.
func TestMeasurementPublishesNothing(t *testing.T) {
	for _, tt := range []struct {
		name, kind string
		infer      *Inference
		file       string
		made       string // a member's result
	}{
		{"program", KindExport, nil, "/weights", ""},
		{"splits", "predictions", &Inference{Request: []byte(`{"kind":"splits","model":"m"}`), Tasks: 1}, "/part-00000.json", `{"splits":[{"id":0,"output":"part-00000.json"}]}`},
		{"Spark's rows", "predictions", &Inference{Request: []byte(`{"kind":"partitions","model":"m"}`)}, "/part-00000.json", `{"served":[]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, measure := range []int64{0, 1} {
				root := t.TempDir()
				cfg := config(reservetest.Patience, reservetest.Worker(0))
				cfg.MeasureMS = measure
				cfg.Outputs = []Output{{Kind: tt.kind, Staging: root + "/stage", Final: root + "/final"}}
				if tt.infer != nil {
					job := *tt.infer
					stageText(t, root+"/in.json", `{"x":1}`)
					job.Input = infer.Input{Format: files.JSON, Path: root + "/in.json"}
					cfg.Infer = &job
				}
				stage(t, root+"/stage"+tt.file)
				text, err := json.Marshal(cfg)
				if err != nil {
					t.Fatal(err)
				}
				w, err := Open(text)
				if err != nil {
					t.Fatal(err)
				}
				if _, start := w.ShareOut(t.Context()); start.End != nil {
					t.Fatalf("%+v", start)
				}
				made := reserve.Made{Written: map[string]int64{"train": 0}}
				if tt.made != "" {
					made.Results = [][]byte{[]byte(tt.made)}
				}
				v, err := w.Finish(t.Context(), reserve.Verdict{}, made)
				if err != nil || v.Code != exit.Done || (len(v.Artifacts) > 0) != (measure == 0) || len(v.Kept) > 0 || (v.Infer != nil) != (tt.infer != nil) {
					t.Errorf("measured %d ms: %+v, %v", measure, v, err)
				}
				if exists(root+"/final") != (measure == 0) || exists(root+"/stage") {
					t.Errorf("measured %d ms: published %v, left %v", measure, exists(root+"/final"), exists(root+"/stage"))
				}
			}
		})
	}
}
