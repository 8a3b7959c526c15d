package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tfos/internal/export"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/job"
	"tfos/internal/model"
	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// scene is a plan in a folder, with one file of rows, and an engine that does what.
func scene(t *testing.T, what string) (string, plan) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir) // where work folders come and go
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(dir, "rows.json")
	if err := os.WriteFile(rows, []byte(`{"x": 1}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	staging := filepath.Join(dir, ".out.tfos-r1")
	request, err := json.Marshal(infer.SplitsRequest{Output: staging})
	if err != nil {
		t.Fatal(err)
	}
	return dir, plan{
		Version: planVersion, Scratch: dir, NodeBinary: self,
		Reserve: work.Config{
			Config: reserve.Config{
				Run: "r1", ReservationMS: 20_000, LeaseMS: 1_000, StallMS: 20_000,
				Members: []reserve.MemberConfig{{Job: "worker", Required: true}},
			},
			Outputs: []work.Output{{Kind: "predictions", Staging: staging, Final: filepath.Join(dir, "out")}},
			Infer:   &work.Inference{Input: infer.Input{Format: files.JSON, Path: rows}, Tasks: 1, Request: request},
		},
		Node: node.Config{
			Run: "r1", Kind: "infer", Child: node.ChildConfig{Kind: "engine", Engine: self, LibDir: dir}, LogDir: filepath.Join(dir, "logs"),
			Roles: map[string]node.RoleConfig{"worker": {Cores: 1, Env: map[string]string{"FAKE": what}}},
		},
	}
}

// drive runs the plan, calls at for each event, and returns all of them.
func drive(t *testing.T, p plan, at func(event string, cancel func())) []map[string]any {
	t.Helper()
	path := filepath.Join(p.Scratch, "plan.json")
	data, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out := &lines{t: t, at: func(event string) { at(event, cancel) }}
	var log bytes.Buffer
	if err := Run(ctx, Options{Plan: path, Stdout: out, Stderr: &log, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	left, err := filepath.Glob(filepath.Join(p.Scratch, "tfos-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	return out.events
}

// lines receives the lines for the launcher.
type lines struct {
	t      *testing.T
	at     func(event string)
	events []map[string]any
}

func (l *lines) Write(b []byte) (int, error) {
	text, ok := strings.CutPrefix(string(b), "@tfos ")
	var event map[string]any
	if err := json.Unmarshal([]byte(text), &event); err != nil || !ok || strings.Count(text, "\n") != 1 {
		l.t.Errorf("no line of an event: %q %v", b, err)
	}
	l.events = append(l.events, event)
	l.at(event["event"].(string))
	return len(b), nil
}

func nothing(string, func()) {}

func verdict(t *testing.T, events []map[string]any) map[string]any {
	t.Helper()
	last := events[len(events)-1]
	if last["event"] != "verdict" {
		t.Fatalf("the last event is %v", last)
	}
	return last
}

func TestRun(t *testing.T) {
	dir, p := scene(t, "predict")
	events := drive(t, p, nothing)
	if first := events[0]; first["event"] != "driver" || first["pid"] != float64(os.Getpid()) {
		t.Errorf("first event %v", first)
	}
	host, _ := os.Hostname()
	formed := []any{map[string]any{"job": "worker", "index": 0.0, "host": host}}
	found := false
	for _, e := range events {
		found = found || e["event"] == "formed" && reflect.DeepEqual(e["members"], formed)
	}
	if !found {
		t.Errorf("no formed event with %v: %v", formed, events)
	}
	v := verdict(t, events)
	if v["code"] != 0.0 || v["infer"].(map[string]any)["rows"] != 1.0 {
		t.Errorf("verdict %v", v)
	}
	for _, name := range []string{"part-0", "_SUCCESS", "_manifest.json"} {
		if _, err := os.Stat(filepath.Join(dir, "out", name)); err != nil {
			t.Error(err)
		}
	}
}

// savedModel is a SavedModel without variables.
const savedModel = `meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def { node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } } }
  signature_def { key: "a" value { inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT } } outputs { key: "y" value { name: "x:0" dtype: DT_FLOAT } } } }
}`

// exportScene is scene for the export of a SavedModel.
func exportScene(t *testing.T, what string) (dir string, p plan) {
	t.Helper()
	dir, p = scene(t, what)
	source := filepath.Join(dir, "saved")
	if err := errors.Join(os.Mkdir(source, 0o700), os.WriteFile(source+"/saved_model.pbtxt", []byte(savedModel), 0o600)); err != nil {
		t.Fatal(err)
	}
	o := &p.Reserve.Outputs[0]
	o.Kind = work.KindSavedModel
	request, err := json.Marshal(export.Request{
		ExportSource: model.ExportSource{Graph: source}, Output: o.Staging, Written: filepath.Join(dir, "written.json"),
		Signatures: model.SignatureChoice{Keep: []string{"a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Reserve.Infer, p.Reserve.Export, p.Node.Kind = nil, request, "export"
	return dir, p
}

// TestExport: this process writes the export that the member proves.
func TestExport(t *testing.T) {
	dir, p := exportScene(t, "export")
	v := verdict(t, drive(t, p, nothing))
	result, _ := v["export"].(map[string]any)
	if v["code"] != 0.0 || result["files"] != 1.0 || !reflect.DeepEqual(result["signatures"], []any{map[string]any{"name": "a", "ran": true}}) {
		t.Errorf("verdict %v", v)
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "saved_model.pb")); err != nil {
		t.Error(err)
	}
}

// TestExportFails: what cannot be written ends the run, and so does a member that does not
// prove it. Nothing stays.
func TestExportFails(t *testing.T) {
	for name, c := range map[string]struct {
		what   string
		change func(*testing.T, string, *plan)
		code   float64
		cause  string
	}{
		"no source": {"export", func(t *testing.T, dir string, _ *plan) {
			if err := os.RemoveAll(dir + "/saved"); err != nil {
				t.Fatal(err)
			}
		}, 2, "does not exist"},
		"no place": {"export", func(t *testing.T, _ string, p *plan) {
			if err := os.WriteFile(p.Reserve.Outputs[0].Staging, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 7, "export: write "},
		"no proof": {"fail", func(*testing.T, string, *plan) {}, 6, "a bad row"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, p := exportScene(t, c.what)
			c.change(t, dir, &p)
			v := verdict(t, drive(t, p, nothing))
			if cause, _ := v["cause"].(string); v["code"] != c.code || !strings.Contains(cause, c.cause) {
				t.Errorf("verdict %v, want %v %q", v, c.code, c.cause)
			}
			for _, path := range []string{p.Reserve.Outputs[0].Staging, p.Reserve.Outputs[0].Final} {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s is left", path)
				}
			}
		})
	}
}

// Every way to fail ends within seconds. No timeout must pass but two: the lease of a
// killed supervisor, and the last report of a member after the verdict.
func TestFailures(t *testing.T) {
	const within = 15 * time.Second // reservation and stall take 20 s
	for _, c := range []struct {
		name   string
		what   string
		change func(*plan)
		code   float64
		cause  string
	}{
		{"program", "fail", nil, 6, "a bad row"},
		{"supervisor killed", "orphan", nil, 5, "tfos-node run ended: signal: killed"},
		{"no tfos-node", "", func(p *plan) { p.NodeBinary += "-none" }, 5, "local: start the member: "},
		{"member refuses its assignment", "", func(p *plan) { p.Node.Child.Kind = "perl" }, 5, "tfos-node run ended: exit status 0: node: check the assignment: "},
		{"no input", "", func(p *plan) { p.Reserve.Infer.Input.Path += "-none" }, 2, "no such file"},
		{"output exists", "predict", func(p *plan) { p.Reserve.Outputs[0].Final = p.Scratch }, 7, "exists already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p := scene(t, c.what)
			if c.change != nil {
				c.change(&p)
			}
			began := time.Now()
			v := verdict(t, drive(t, p, nothing))
			if v["code"] != c.code || !strings.Contains(v["cause"].(string), c.cause) {
				t.Errorf("verdict %v, want %v %q", v, c.code, c.cause)
			}
			if v["retryable"] != (c.code == 5) { // a node's failure, not the job's
				t.Errorf("verdict %v: retryable", v)
			}
			if took := time.Since(began); took > within {
				t.Errorf("took %v", took)
			}
			if _, err := os.Stat(p.Reserve.Outputs[0].Staging); err == nil {
				t.Error("staged output is left")
			}
		})
	}
}

// SIGTERM to the driver ends the member in order. The run still has a verdict.
func TestInterrupted(t *testing.T) {
	_, p := scene(t, "hang")
	began := time.Now()
	v := verdict(t, drive(t, p, func(event string, cancel func()) {
		if event == "formed" {
			cancel()
		}
	}))
	if v["code"] != 130.0 || v["cause"] != "interrupted" {
		t.Errorf("verdict %v", v)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestNoPlan(t *testing.T) {
	options := Options{Plan: filepath.Join(t.TempDir(), "plan.json"), Stdout: &lines{t: t, at: func(string) {}}, Log: slog.New(slog.DiscardHandler)}
	if err := Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), "local: read the plan: ") {
		t.Errorf("no plan: %v", err)
	}
	_, p := scene(t, "")
	if planVersion != job.PlanVersion {
		t.Errorf("reads version %d of the plan, tfos writes %d", planVersion, job.PlanVersion)
	}
	other := p
	other.Version++
	p.Reserve.Members = append(p.Reserve.Members, reserve.MemberConfig{Job: "worker", Index: 1})
	for want, p := range map[string]plan{
		"has 2 members, not one": p,
		"has version 3, and this tfos-node reads version 2: use tfos and tfos-node of one release": other,
	} {
		data, err := json.Marshal(p)
		if err == nil {
			err = os.WriteFile(options.Plan, data, fs.FileMode(0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q: %v", want, err)
		}
	}
}
