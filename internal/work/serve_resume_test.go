package work

import (
	"fmt"
	"strings"
	"testing"

	"tfos/internal/reserve"
)

// TestServeResumes: a driver that is gone leaves the finished parts; a run that
// finds all of them publishes without members, and the next has nothing to do.
func TestServeResumes(t *testing.T) {
	s := newSite(t, "a.json", "b.json", "c.json")
	s.killed("r1", 1)
	d := begin(t, s.config("r2"))
	if e := d.Await("resumed"); e["splits"] != 1.0 || e["rows"] != 3.0 || e["missing"] != 2.0 {
		t.Errorf("resumed %v", e)
	}
	d.HangUp() // the driver died
	if exists(s.root+"/out") || !exists(s.root+"/.out.tfos.resume/r2/parts/part-00000.json") {
		t.Error("a dead driver's run has published, or deleted what was done")
	}
	s.killed("r3", 2)
	cfg := s.config("r4")
	d = begin(t, cfg)
	if e := d.Await("resumed"); e["splits"] != 3.0 || e["missing"] != 0.0 {
		t.Errorf("resumed %v", e)
	}
	v := d.AwaitVerdict(0)
	sum := v["infer"].(map[string]any)
	if fmt.Sprint(sum["carried"]) != "map[quarantined:0 read:9 rows:9 skipped:0 splits:3]" || sum["rows"] != 0.0 || sum["model"] != s.root+"/model" || v["phase"] != "" {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
	s.want(s.published(), "0=a/r1 1=b/r3 2=c/r3")

	d = begin(t, s.config("r5"))
	v = d.AwaitVerdict(0)
	if v["phase"] != PhaseSkipped || fmt.Sprint(v["artifacts"]) != fmt.Sprintf("[map[kind:predictions path:%s/out]]", s.root) {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
	if exists(s.root + "/.out.tfos.resume") {
		t.Error("the folder of earlier runs is left")
	}
	s.want(s.published(), "0=a/r1 1=b/r3 2=c/r3")
}

// TestServeResumeFails: exit 7 where another run has the output, which goes on;
// and a run that fails says how much is done.
func TestServeResumeFails(t *testing.T) {
	s := newSite(t, "a.json", "b.json")
	running := s.attempt("r1", 1)
	d := begin(t, s.config("r2"))
	if v := d.AwaitVerdict(7); !strings.Contains(v["cause"].(string), "is being written by another run") || v["phase"] != "output" {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
	if !exists(s.root + "/.out.tfos.resume/r1/parts/part-00000.json") {
		t.Error("a refused run has deleted another's parts")
	}
	if err := running.resume.lock.Close(); err != nil {
		t.Fatal(err)
	}
	d = begin(t, s.config("r3"))
	d.Say(`{"cmd":"fail","code":6,"phase":"x","cause":"bad row"}`)
	if v := d.AwaitVerdict(6); v["infer"].(map[string]any)["kept_splits"] != 1.0 {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
	s.want(s.run("r4"), "carried 1, computed 00001=b")
}

// TestServeProgress says how much there is to compute in all.
func TestServeProgress(t *testing.T) {
	s := newSite(t, "a.json", "b.json", "c.json")
	s.killed("r1", 1)
	d := begin(t, s.config("r2"))
	renewal := func() reserve.Renewal {
		return reserve.Renewal{Phase: "running", Splits: 1, SplitRows: 4, SplitBytes: 20}
	}
	for i := range 2 {
		d.JoinAs(d.Client(d.Ready.Address), i, fmt.Sprint(i), renewal)
	}
	e := d.Await("progress")
	for e["splits"] != 2.0 {
		e = d.Await("progress")
	}
	bytes := 2 * 3 * len(`{"x": 1}`+"\n")
	if e["rows"] != 8.0 || e["bytes"] != 40.0 || e["all_splits"] != 2.0 || e["all_bytes"] != float64(bytes) {
		t.Errorf("progress %v", e)
	}
	d.HangUp()
}
