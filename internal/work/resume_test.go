package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// savedModel stands for a model that gives y = x.
const savedModel = `meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def { node { name: "x" op: "Placeholder" } node { name: "y" op: "Identity" input: "x" } }
  signature_def {
    key: "serving_default"
    value {
      inputs { key: "x" value { name: "x:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
      outputs { key: "y" value { name: "y:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
    }
  }
}
`

// echo computes it.
type echo struct{}

func (echo) Predict(_ context.Context, _ memory.Allocator, bind *model.Binding, batch arrow.Record) ([]arrow.Array, error) {
	x := batch.Column(batch.Schema().FieldIndices(bind.Inputs[0].Column)[0])
	x.Retain()
	return []arrow.Array{x}, nil
}

func (echo) Close() error { return nil }

// site is a folder with a model, input files and an output that is resumed.
type site struct {
	t       *testing.T
	root    string
	request infer.SplitsRequest
}

func newSite(t *testing.T, inputs ...string) *site {
	s := &site{t: t, root: t.TempDir()}
	stageText(t, s.root+"/model/saved_model.pbtxt", savedModel)
	s.request = infer.SplitsRequest{Computation: infer.Computation{Source: model.Source{Model: s.root + "/model"}, Signature: "serving_default", BatchSize: 10}, Format: files.JSON}
	for _, name := range inputs {
		s.input(name, 3)
	}
	return s
}

// input writes an input file of so many rows.
func (s *site) input(name string, rows int) {
	stageText(s.t, s.root+"/in/"+name, strings.Repeat(`{"x": 1}`+"\n", rows))
}

func (s *site) config(run string) Config {
	s.t.Helper()
	cfg := config(300*time.Millisecond, reservetest.Worker(0), reservetest.Worker(1))
	root := s.root + "/.out.tfos.resume"
	cfg.Run = run
	cfg.Outputs = []Output{{Kind: "predictions", Staging: ResumeStaging(root, run), Final: s.root + "/out", Resume: root}}
	request := s.request
	request.Output = cfg.Outputs[0].Staging
	text, err := json.Marshal(request)
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Infer = &Inference{Input: infer.Input{Format: files.JSON, Path: s.root + "/in"}, Tasks: 1, Request: text}
	return cfg
}

// attempt is one run, of which the members compute at most so many splits.
type attempt struct {
	*shared
	cfg    Config
	result *total
	summed error // of result: it is of a part of the splits only, perhaps
}

func (s *site) attempt(run string, most int) *attempt {
	s.t.Helper()
	a := &attempt{cfg: s.config(run)}
	var err error
	if a.shared, err = shareOut(s.t.Context(), a.cfg); err != nil {
		s.t.Fatal(err)
	}
	var results [][]byte
	for _, place := range []reserve.Place{{Job: "worker", Index: 0}, {Job: "worker", Index: 1}} {
		var req infer.SplitsRequest
		if err := json.Unmarshal(a.work[place], &req); err != nil {
			s.t.Fatal(err)
		}
		req.Splits = req.Splits[:min(most, len(req.Splits))]
		most -= len(req.Splits)
		result, err := infer.Run(s.t.Context(), &req, func(context.Context) (infer.Model, error) { return echo{}, nil }, nil)
		text, err2 := json.Marshal(result)
		if err := errors.Join(err, err2); err != nil {
			s.t.Fatal(err)
		}
		results = append(results, text)
	}
	a.result, a.summed = sumResults(a.splits, results)
	return a
}

// killed is a run that computes so many splits and is gone without a word.
func (s *site) killed(run string, most int) {
	s.t.Helper()
	if err := s.attempt(run, most).resume.lock.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// run is a run that ends well. It returns which parts it carried over and
// computed.
func (s *site) run(run string) string {
	s.t.Helper()
	a := s.attempt(run, 1000)
	err := errors.Join(a.summed, a.resume.add(a.result))
	if err == nil {
		_, err = publishOutputs(s.t.Context(), a.cfg, a.result, a.resume)
	}
	if err := errors.Join(err, a.resume.close(s.t.Context(), true)); err != nil {
		s.t.Fatal(err)
	}
	if entries, _ := filepath.Glob(s.root + "/.out*"); len(entries) > 0 {
		s.t.Errorf("left beside the output: %v", entries)
	}
	text := fmt.Sprintf("carried %d, computed", a.result.Carried.Splits)
	for _, p := range a.result.Parts {
		r := p.(infer.SplitResult)
		text += " " + strings.TrimPrefix(r.Output, "part-") + "=" + filepath.Base(r.Input)
	}
	if !a.resume.changed {
		text += " nothing"
	}
	return strings.ReplaceAll(text, ".json", "") + strings.Join(a.resume.warnings, "; ")
}

// published lists the output: number, input, run; and holds it against itself.
func (s *site) published() string {
	s.t.Helper()
	data, err := os.ReadFile(s.root + "/out/" + manifestName)
	var m manifest
	if err := errors.Join(err, json.Unmarshal(data, &m)); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	want := []string{manifestName, "_SUCCESS"}
	rows := int64(0)
	for _, p := range m.Parts {
		r := p.(infer.SplitResult)
		out = append(out, fmt.Sprintf("%d=%s/%s", r.ID, strings.TrimSuffix(filepath.Base(r.Input), ".json"), r.Run))
		want = append(want, r.Output)
		rows += r.Rows
		content, err := os.ReadFile(s.root + "/out/" + r.Output)
		if err != nil || int64(strings.Count(string(content), "\n")) != r.Rows || int64(len(content)) != r.Bytes {
			s.t.Errorf("%+v has %q: %v", r, content, err)
		}
	}
	entries, err := os.ReadDir(s.root + "/out")
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	slices.Sort(want)
	if err != nil || !slices.Equal(have, want) || rows != m.Rows {
		s.t.Errorf("files %v, want %v; %d rows, want %d: %v", have, want, m.Rows, rows, err)
	}
	return strings.Join(out, " ")
}

func (s *site) want(have, want string) {
	s.t.Helper()
	if have != want {
		s.t.Errorf("have %q\nwant %q", have, want)
	}
}

// TestResumeAfterKills kills two runs and ends the third.
func TestResumeAfterKills(t *testing.T) {
	s := newSite(t, "a.json", "b.json", "c.json", "d.json")
	s.killed("r1", 2)
	if exists(s.root + "/out") {
		t.Fatal("a killed run has published")
	}
	// What a killed process leaves: half a file, and a part without a record.
	root := s.root + "/.out.tfos.resume"
	stageText(t, root+"/r1/parts/.part-00003.json.tmp-1", "half")
	stageText(t, root+"/r1/parts/part-00003.json", "who knows what")
	before, err := os.Stat(root + "/r1/parts/part-00000.json")
	if err != nil {
		t.Fatal(err)
	}
	s.killed("r2", 1)
	if exists(root + "/r1") {
		t.Error("the folder of a run whose parts were taken over is left")
	}
	s.want(s.run("r3"), "carried 3, computed 00003=d")
	s.want(s.published(), "0=a/r1 1=b/r2 2=c/r1 3=d/r3")
	if after, err := os.Stat(s.root + "/out/part-00000.json"); err != nil || !os.SameFile(before, after) {
		t.Errorf("a part that was carried over is another file: %v", err)
	}
}

// TestResumeNothingDone: splits that killed runs have planned and not computed keep
// their numbers, whatever the order of their files.
func TestResumeNothingDone(t *testing.T) {
	s := newSite(t, "b.json", "d.json")
	s.killed("r1", 0)
	s.input("a.json", 3)
	s.killed("r2", 0)
	s.want(s.run("r3"), "carried 0, computed 00000=b 00001=d 00002=a")
	s.want(s.published(), "0=b/r3 1=d/r3 2=a/r3")
}

// TestResumeDoubts has finished parts that are not what their records say: they
// are computed again.
func TestResumeDoubts(t *testing.T) {
	s := newSite(t, "a.json", "b.json", "c.json", "d.json", "e.json")
	s.killed("r1", 9)
	folder := s.root + "/.out.tfos.resume/r1/"
	change := func(name, from, to string) {
		t.Helper()
		text, err := os.ReadFile(folder + name)
		if err == nil && !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %q", name, from)
		}
		if err == nil {
			err = os.WriteFile(folder+name, []byte(strings.Replace(string(text), from, to, 1)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change("parts/part-00000.json", "{", "")                 // cut short
	change("done/part-00001.json.json", `"keep"`, `"other"`) // no change: keep was empty
	change("done/part-00002.json.json", `"digest":"`, `"digest":"x`)
	change("done/part-00003.json.json", `"offset":0`, `"offset":1`)
	change("done/part-00004.json.json", "}", "") // no JSON
	s.want(s.run("r2"), "carried 1, computed 00000=a 00002=c 00003=d 00004=e")
	s.want(s.published(), "0=a/r2 1=b/r1 2=c/r2 3=d/r2 4=e/r2")
	// A plan that nobody can read is worth nothing.
	s.input("f.json", 2)
	s.killed("r3", 9)
	folder = s.root + "/.out.tfos.resume/r3/"
	change("plan.json", "{", "")
	if got := s.run("r4"); !strings.HasPrefix(got, "carried 5, computed 00005=fwhat an earlier run has left is not used: ") {
		t.Error(got)
	}
}

// TestResumePublished goes on from a complete output, again and again.
func TestResumePublished(t *testing.T) {
	s := newSite(t, "b.json", "d.json")
	s.want(s.run("r1"), "carried 0, computed 00000=b 00001=d")
	s.want(s.run("r2"), "carried 2, computed nothing")
	s.input("a.json", 5) // before the others by name
	s.input("c.json", 0)
	s.want(s.run("r3"), "carried 2, computed 00002=a 00003=c")
	s.want(s.published(), "0=b/r1 1=d/r1 2=a/r3 3=c/r3")
	s.input("d.json", 7) // has changed
	if err := os.Remove(s.root + "/in/b.json"); err != nil {
		t.Fatal(err)
	}
	s.want(s.run("r4"), "carried 2, computed 00004=d")
	s.want(s.published(), "2=a/r3 3=c/r3 4=d/r4")
	if err := os.Remove(s.root + "/in/a.json"); err != nil {
		t.Fatal(err)
	}
	s.want(s.run("r5"), "carried 2, computed") // one fewer is a change
	s.want(s.published(), "3=c/r3 4=d/r4")
	// The same size, touched: who can tell?
	if err := os.Chtimes(s.root+"/in/c.json", time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	s.killed("r6", 0)
	s.input("e.json", 1)
	s.killed("r7", 1)
	s.want(s.run("r8"), "carried 2, computed 00005=c")
	s.want(s.published(), "4=d/r4 5=c/r8 6=e/r7")
	s.killed("r9", 9) // nothing was missing
	s.want(s.run("r10"), "carried 3, computed nothing")
}

// TestUnchanged: only a job whose output is the one that it would make has nothing to
// do, and to ask changes nothing.
func TestUnchanged(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	ask := func(when string, cfg Config, want bool, refuses string) {
		t.Helper()
		before, _ := filepath.Glob(s.root + "/.out*/*/*")
		got, refused := Unchanged(t.Context(), cfg)
		if got != want || (refused != nil) != (refuses != "") || refused != nil && (refused.ExitCode() != exit.Output || !strings.Contains(refused.Reason(), refuses)) {
			t.Errorf("%s: %v, %v", when, got, refused)
		}
		if after, _ := filepath.Glob(s.root + "/.out*/*/*"); !slices.Equal(before, after) {
			t.Errorf("%s: there was %v, there is %v", when, before, after)
		}
	}
	ask("no output", s.config("r0"), false, "")
	s.killed("r1", 2)
	ask("all is finished, and not published", s.config("r2"), false, "")
	s.run("r2")
	ask("published", s.config("r3"), true, "")
	anew := s.config("r3")
	anew.Outputs[0].Resume = ""
	ask("made as a whole", anew, false, "")
	ask("Spark reads", s.bySpark("r3"), false, "")

	s.input("c.json", 1)
	ask("a file has come", s.config("r3"), false, "")
	s.killed("r3", 1)
	if err := os.Remove(s.root + "/in/c.json"); err != nil {
		t.Fatal(err)
	}
	ask("a killed run has left something", s.config("r4"), false, "")
	s.want(s.run("r4"), "carried 2, computed nothing")
	ask("nothing is left", s.config("r5"), true, "")
	s.request.OutputMapping = map[string]string{"y": "twice"}
	ask("made otherwise", s.config("r5"), false, "it was made with something else: output_mapping")
	s.request.OutputMapping = nil
	if err := os.RemoveAll(s.root + "/in"); err != nil {
		t.Fatal(err)
	}
	ask("no input", s.config("r5"), false, "") // the run says so
}

// TestResumePlainOutput goes on from an output that was made without resume.
func TestResumePlainOutput(t *testing.T) {
	s := newSite(t, "a.json")
	cfg := s.config("plain")
	cfg.Outputs[0].Resume, cfg.Outputs[0].Staging = "", s.root+"/stage"
	request := s.request
	request.Output = s.root + "/stage"
	cfg.Infer.Request, _ = json.Marshal(request)
	shared, err := shareOut(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var req infer.SplitsRequest
	if err := json.Unmarshal(shared.work[reserve.Place{Job: "worker", Index: 0}], &req); err != nil || req.Records != "" {
		t.Fatalf("%+v %v", req, err)
	}
	result, err := infer.Run(t.Context(), &req, func(context.Context) (infer.Model, error) { return echo{}, nil }, nil)
	if err == nil {
		_, err = publishOutputs(t.Context(), cfg, sumOf(t, result), anew{})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.input("b.json", 2)
	s.want(s.run("r2"), "carried 1, computed 00001=b")
	s.want(s.published(), "0=a/plain 1=b/r2")
}

// TestResumeOtherSettings: what was made otherwise is not used; an output is
// left alone, finished parts of a dead run are made anew.
func TestResumeOtherSettings(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	s.killed("r1", 1)
	s.request.OutputMapping = map[string]string{"y": "twice"}
	s.want(s.run("r2"), "carried 0, computed 00000=a 00001=b"+
		"1 finished parts of run r1 are not used, for they were made with something else: output_mapping")
	s.request.OutputMapping = nil
	stage(t, s.root+"/model/assets/words")
	_, err := shareOut(t.Context(), s.config("r3"))
	want := s.root + "/out cannot be resumed: it was made with something else: the model, output_mapping: say output.if_exists: replace, or choose another output"
	if infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("code %d: %v, want %q", infer.InputExitCode(err), err, want)
	}
	s.want(s.published(), "0=a/r2 1=b/r2")
}

// TestResumeRefuses has outputs that nobody can go on from.
func TestResumeRefuses(t *testing.T) {
	for says, spoil := range map[string]func(s *site) error{
		"nothing in it says what made it": func(s *site) error { return os.Remove(s.root + "/out/" + manifestName) },
		"it is not complete":              func(s *site) error { return os.Remove(s.root + "/out/_SUCCESS") },
		"did not note with which settings": func(s *site) error {
			return os.WriteFile(s.root+"/out/"+manifestName, []byte(`{"version":1,"digest":"x","splits":[]}`), 0o644)
		},
		"part-00000.json is not in it as it was written": func(s *site) error { return os.Truncate(s.root+"/out/part-00000.json", 4) },
		"part-00001.json is not in it as it was written": func(s *site) error { return os.Remove(s.root + "/out/part-00001.json") },
	} {
		s := newSite(t, "a.json")
		s.input("b.json", 0)
		s.run("r1")
		if err := spoil(s); err != nil {
			t.Fatal(err)
		}
		_, err := shareOut(t.Context(), s.config("r2"))
		if infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("code %d: %v, want %q", infer.InputExitCode(err), err, says)
		}
		if exists(s.root+"/.out.tfos.resume") || !exists(s.root+"/out") {
			t.Errorf("%s: something is left, or the output is gone", says)
		}
	}
}

// TestResumeTwice: of two runs at once the second is refused, and touches
// nothing; and one whose output another has replaced meanwhile publishes nothing.
func TestResumeTwice(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	first := s.attempt("r1", 1)
	_, err := shareOut(t.Context(), s.config("r2"))
	if infer.InputExitCode(err) != 7 || !strings.Contains(err.Error(), s.root+"/out is being written by another run") {
		t.Errorf("code %d: %v", infer.InputExitCode(err), err)
	}
	if err := first.resume.close(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.want(s.run("r3"), "carried 1, computed 00001=b")
	s.input("c.json", 1)
	late := s.attempt("r4", 9)
	data, err := os.ReadFile(s.root + "/out/" + manifestName)
	if err == nil {
		err = os.WriteFile(s.root+"/out/"+manifestName, []byte(strings.ReplaceAll(string(data), `"run": "r3"`, `"run": "other"`)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publishOutputs(t.Context(), late.cfg, late.result, late.resume); err == nil || !strings.Contains(err.Error(), "is not what it was") {
		t.Errorf("published over another output: %v", err)
	}
	if n := late.resume.kept(t.Context()); n != 3 {
		t.Errorf("%d splits kept, want 3", n)
	}
	if err := late.resume.close(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// Its parts went on from an output that is not there any more.
	s.want(s.run("r5"), "carried 2, computed 00002=c"+
		"1 finished parts of run r4 are not used, for "+s.root+"/out is not what it went on from")
}

// TestResumeModelChanges: members that find another model than the parts were
// made with do not publish.
func TestResumeModelChanges(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	s.killed("r1", 1)
	a := s.attempt("r2", 9)
	a.result.Made.Digest = "other"
	if err := a.resume.add(a.result); err == nil || !strings.Contains(err.Error(), "(the model): it has changed meanwhile") {
		t.Errorf("%v", err)
	}
	s = newSite(t, "a.json")
	a = s.attempt("r1", 9)
	a.result.Made.Digest = "other"
	if err := a.resume.add(a.result); err != nil {
		t.Errorf("there are no parts of earlier runs: %v", err)
	}
}

// TestResumeCannot has a store that does not do what is needed, and a run whose
// name has been used: exit code 7, and nothing is changed.
func TestResumeCannot(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	stage(t, s.root+"/.out.tfos.resume") // a file where a folder is needed
	_, err := shareOut(t.Context(), s.config("r1"))
	if infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), s.root+"/out cannot be gone on from: ") {
		t.Errorf("code %d: %v", infer.InputExitCode(err), err)
	}
	if err := os.Remove(s.root + "/.out.tfos.resume"); err != nil {
		t.Fatal(err)
	}
	s.killed("r1", 1)
	_, err = shareOut(t.Context(), s.config("r1"))
	if infer.InputExitCode(err) != 7 || !strings.Contains(fmt.Sprint(err), "start it with another --run-id") {
		t.Errorf("code %d: %v", infer.InputExitCode(err), err)
	}
	s.want(s.run("r2"), "carried 1, computed 00001=b")
}

// TestResumeLeavesNothing: a run without a finished part leaves no folder.
func TestResumeLeavesNothing(t *testing.T) {
	s := newSite(t, "a.json")
	a := s.attempt("r1", 0)
	if events := a.resume.start().Events; len(events) > 0 {
		t.Errorf("the first run resumes: %+v", events)
	}
	if err := a.resume.close(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if entries, _ := filepath.Glob(s.root + "/.out*"); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

// TestResumeOnBadRow: parts with bad rows are computed again when these are to be
// treated otherwise; the others are taken over. All parts' bad rows are judged.
func TestResumeOnBadRow(t *testing.T) {
	s := newSite(t, "a.json")
	stageText(t, s.root+"/in/b.json", "{\"x\": 1}\n{\"x\": \"much\"}\n")
	s.request.OnBadRow = infer.Skip
	s.want(s.run("r1"), "carried 0, computed 00000=a 00001=b")
	s.request.OnBadRow = infer.Quarantine
	s.want(s.run("r2"), "carried 1, computed 00001=b")
	if !exists(s.root + "/out/_quarantine/part-00001.parquet") {
		t.Error("the bad row is not in the quarantine")
	}
	s.input("c.json", 3)
	s.want(s.run("r3"), "carried 2, computed 00002=c")
	if !exists(s.root + "/out/_quarantine/part-00001.parquet") {
		t.Error("the quarantine was not taken over")
	}
	most := 10.0
	s.request.MaxBad = &most
	s.input("d.json", 1)
	a := s.attempt("r4", 1000)
	var v reserve.Verdict
	err := a.judge(a.result, a.resume)
	if err != nil {
		refuse(&v, err)
	}
	if v.Code != 6 || err == nil || !strings.Contains(err.Error(), "1 of 9 rows are bad") {
		t.Errorf("code %d, %v", v.Code, err)
	}
	if err := a.resume.close(t.Context(), false); err != nil {
		t.Error(err)
	}
}

// sumOf is the total of one member's result.
func sumOf(t *testing.T, result infer.Result) *total {
	t.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := sumResults(nil, [][]byte{text}) // which parts there must be is not asked
	return sum
}
