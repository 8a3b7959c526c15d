package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/exit"
	"tfos/internal/feed"
	"tfos/internal/mirror"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// TestMirrorMode: who uploads what.
func TestMirrorMode(t *testing.T) {
	cluster := func(jobs ...string) reserve.Cluster {
		var c reserve.Cluster
		for _, job := range jobs {
			c.Members = append(c.Members, reserve.Member{Place: reserve.Place{Job: job}})
		}
		return c
	}
	for _, test := range []struct {
		job         string
		index       int
		cluster     reserve.Cluster
		independent bool
		want        mirror.Mode
	}{
		{"chief", 0, cluster("ps", "chief", "worker"), false, mirror.Write},
		{"worker", 0, cluster("ps", "chief", "worker"), false, mirror.Events},
		{"worker", 0, cluster("worker", "worker"), false, mirror.Write},
		{"worker", 1, cluster("worker", "worker"), false, mirror.Events},
		{"worker", 1, cluster("worker", "worker"), true, mirror.Write},
		{"evaluator", 0, cluster("worker", "evaluator"), false, mirror.Follow},
		{"ps", 0, cluster("ps", "worker"), false, ""},
	} {
		got, ok := mirrorMode(reserve.Place{Job: test.job, Index: test.index}, test.cluster, test.independent)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%s:%d of %v: %q", test.job, test.index, test.cluster.Members, got)
		}
	}
}

// TestModelURL: which model_dir is mirrored.
func TestModelURL(t *testing.T) {
	for _, test := range []struct{ dir, base, want string }{
		{"/m", "", ""},
		{"/m", "file:///", ""},
		{"/m", "gs://bucket/", "gs://bucket/m"},
		{"/m", "viewfs://cluster", ""}, // no store of tfos: the program gets viewfs://cluster/m
		{"s3://b/m/", "file:///", "s3://b/m"},
		{"viewfs://c/m", "file:///", ""},
	} {
		m := &member{Assignment: Assignment{Config: Config{
			Model: &ModelConfig{Dir: test.dir}, Context: map[string]any{"default_fs": test.base},
		}}}
		if got := m.modelURL(); got != test.want {
			t.Errorf("%s on %q: %q", test.dir, test.base, got)
		}
	}
}

// childSaves plays a program that goes on from the newest checkpoint in its model_dir, and
// saves one more. Its checkpoints are those of package mirror's tests.
func childSaves(mode string) int {
	conn, err := net.Dial("unix", os.Getenv("TFOS_SOCKET"))
	var given feed.ProgramContext
	if err == nil {
		err = errors.Join(feed.WriteJSON(conn, feed.TypeAttach, feed.AttachRequest{PID: os.Getpid(), Version: feed.Version}),
			feed.ReadJSON(conn, feed.TypeContext, &given))
	}
	var settings struct {
		Parameters struct {
			ModelDir string `json:"model_dir"`
			ModelURL string `json:"model_url"`
		}
	}
	if err == nil {
		err = json.Unmarshal(given.Context, &settings)
	}
	dir := settings.Parameters.ModelDir
	if err == nil && mode == "follows" {
		err = errors.Join(feed.WriteJSON(conn, feed.TypePhase, feed.PhaseReport{Phase: "evaluating"}), feed.ReadJSON(conn, feed.TypeTrainingEnded, &struct{}{}))
		text, errRead := os.ReadFile(dir + "/checkpoint")
		err = errors.Join(err, errRead, os.WriteFile(dir+"/evaluated.json", []byte(fmt.Sprintf("%q", text)), 0o600))
		return boolStatus(err == nil)
	}
	if strings.HasPrefix(mode, "saves-nowhere") { // the store refuses everything from now on
		at := strings.TrimPrefix(settings.Parameters.ModelURL, "file://")
		err = errors.Join(err, os.RemoveAll(at), os.WriteFile(at, nil, 0o600))
	}
	step := 1
	for exists(fmt.Sprintf("%s/ckpt-%d.index", dir, step)) {
		step++
	}
	name := fmt.Sprintf("%s/ckpt-%d", dir, step)
	for _, suffix := range []string{".data-00000-of-00001", ".index"} {
		content, errRead := os.ReadFile(os.Getenv("TFOS_TEST_DATA") + "/v1" + suffix)
		err = errors.Join(err, errRead, os.WriteFile(name+suffix, content, 0o600))
	}
	err = errors.Join(err,
		os.WriteFile(dir+"/checkpoint", []byte(fmt.Sprintf("model_checkpoint_path: \"ckpt-%d\"\n", step)), 0o600),
		os.WriteFile(dir+"/seen.json", []byte(fmt.Sprintf("%q", settings.Parameters.ModelURL)), 0o600),
		feed.WriteJSON(conn, feed.TypePhase, feed.PhaseReport{Phase: "running"}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if strings.HasSuffix(mode, "-sleeps") {
		time.Sleep(time.Hour)
	}
	return 0
}

// saver is an assignment of a child that saves in a model_dir at url.
func (s *scene) saver(i int, mode, url string) Assignment {
	a := s.assignment(i, mode)
	data, err := filepath.Abs("../mirror/testdata")
	if err != nil {
		s.t.Fatal(err)
	}
	a.Config.Roles["worker"].Env["TFOS_TEST_DATA"] = data
	a.Config.Model = &ModelConfig{Dir: url}
	a.Config.Context = map[string]any{"default_fs": "file:///", "parameters": map[string]any{"model_dir": url, "model_url": nil}}
	return a
}

// names returns the names of the files in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestModelOnAStore: a program sees a local folder. What it saves is at the store when the
// run has ended, and a second run on other executors goes on from there.
func TestModelOnAStore(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model")
	for _, want := range []string{"ckpt-1", "ckpt-2"} {
		s := newScene(t, 1, nil)
		a := s.saver(0, "saves", "file://"+at)
		p := s.act("run", a)
		v := s.verdict()
		if v.Code != exit.Done || len(v.Mirrored) != 1 {
			t.Fatalf("verdict %+v", v)
		}
		if m := v.Mirrored[0]; m.Checkpoint != want || m.Newest != want || m.URL != "file://"+at || m.Member != "worker:0" ||
			m.Files != 2 || m.Bytes == 0 || m.UploadedFiles < 3 || (m.ResumedFrom != "") != (want == "ckpt-2") {
			t.Errorf("%+v", m)
		}
		if !strings.Contains(names(t, at), want+".index") {
			t.Errorf("the store has %s", names(t, at))
		}
		if seen, err := os.ReadFile(at + "/seen.json"); err != nil || string(seen) != `"file://`+at+`"` {
			t.Errorf("model_url %s, %v", seen, err)
		}
		p.end()
		if left := names(t, a.Files); strings.Contains(left, "model") {
			t.Errorf("the local folder is left: %s", left)
		}
		nothingLeft(t, s.run, s.tmp)
	}
}

// TestModelOfAKilledMember: what was saved some seconds before a member and its program
// are killed is at the store, and the next run goes on from there.
func TestModelOfAKilledMember(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model")
	s := newScene(t, 1, nil)
	p := s.act("run", s.saver(0, "saves-sleeps", "file://"+at))
	s.awaitPhase(0, "running")
	awaitFile(t, at+"/checkpoint")
	p.kill()
	if v := s.verdict(); v.Code == exit.Done {
		t.Errorf("verdict %+v", v)
	}
	s = newScene(t, 1, nil)
	p = s.act("run", s.saver(0, "saves", "file://"+at))
	if v := s.verdict(); v.Code != exit.Done || len(v.Mirrored) != 1 || v.Mirrored[0].ResumedFrom != "ckpt-1" || v.Mirrored[0].Checkpoint != "ckpt-2" {
		t.Errorf("verdict %+v", v)
	}
	p.end()
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for late := time.After(patience); !exists(path); {
		select {
		case <-late:
			t.Fatalf("%s is not there within %s", path, patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestModelOfAStoppedMember: a member that is stopped or gets SIGTERM uploads what its
// program has saved before it ends.
func TestModelOfAStoppedMember(t *testing.T) {
	for _, stop := range []string{"command", "signal"} {
		t.Run(stop, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "model")
			s := newScene(t, 1, nil)
			p := s.act("run", s.saver(0, "saves-sleeps", "file://"+at))
			s.awaitPhase(0, "running")
			if exists(at + "/checkpoint") {
				t.Skip("the first pass was faster than this test")
			}
			if stop == "command" {
				s.command(map[string]any{"cmd": "stop", "reason": "interrupted"})
			} else {
				kill(t, p.cmd.Process.Pid, unix.SIGTERM)
			}
			v := s.verdict()
			if len(v.Mirrored) != 1 || v.Mirrored[0].Checkpoint != "ckpt-1" {
				t.Errorf("verdict %+v", v)
			}
			p.end()
			if !exists(at+"/ckpt-1.index") || !exists(at+"/checkpoint") {
				t.Errorf("the store has %s", names(t, at))
			}
		})
	}
}

// TestModelCannotBeUploaded: a run whose program has succeeded fails with 7, names the
// path and the remedy, and keeps the files.
func TestModelCannotBeUploaded(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model")
	s := newScene(t, 1, nil)
	p := s.act("run", s.saver(0, "saves-nowhere", "file://"+at))
	v := s.verdict()
	kept := filepath.Join(s.logs, "tfos-worker-0.model")
	if v.Code != exit.Output || v.Phase != reserve.PhaseUpload || !strings.Contains(v.Cause, at) ||
		!strings.Contains(v.Cause, "start the job again") || !strings.Contains(v.Cause, kept) {
		t.Errorf("verdict %+v", v)
	}
	if len(v.Mirrored) != 1 || v.Mirrored[0].Newest != "ckpt-1" || v.Mirrored[0].Checkpoint != "" || v.Mirrored[0].Error == "" {
		t.Errorf("%+v", v.Mirrored)
	}
	p.end()
	if got := names(t, kept); !strings.Contains(got, "ckpt-1.index") {
		t.Errorf("kept %s", got)
	}
}

// TestModelWarning: while nothing can go up, the user is warned once, and the run goes on.
func TestModelWarning(t *testing.T) {
	t.Setenv("TFOS_TEST_MIRROR_PATIENCE", "100ms")
	at := filepath.Join(t.TempDir(), "model")
	s := newScene(t, 1, nil)
	p := s.act("run", s.saver(0, "saves-nowhere-sleeps", "file://"+at))
	told := s.await("warning", func(e map[string]any) bool { return strings.Contains(fmt.Sprint(e["message"]), "model_dir: ") })
	if text := fmt.Sprint(told["message"]); !strings.Contains(text, "nothing has gone up for a minute") || !strings.Contains(text, at) {
		t.Errorf("%v", told)
	}
	p.kill()
	s.verdict()
}

// TestModelCannotBeWritten: no child is started, and the run fails with 7.
func TestModelCannotBeWritten(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model")
	if err := os.WriteFile(at, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, 1, nil)
	p := s.act("run", s.saver(0, "saves", "file://"+at+"/below"))
	if v := s.verdict(); v.Code != exit.Output || v.Phase != phaseOutput || !strings.Contains(v.Cause, at) {
		t.Errorf("verdict %+v", v)
	}
	p.end()
}

// TestEvaluatorFollows: when the evaluator's program learns that training has ended, it
// has the last checkpoint. What it writes itself goes up.
func TestEvaluatorFollows(t *testing.T) {
	at := filepath.Join(t.TempDir(), "model")
	s := newScene(t, 1, func(c *work.Config) {
		c.Members = append(c.Members, reserve.MemberConfig{Job: "evaluator", Index: 0})
	})
	trainer := s.saver(0, "saves", "file://"+at)
	follower := s.saver(0, "follows", "file://"+at)
	follower.Job = "evaluator"
	follower.Config.Roles["evaluator"] = follower.Config.Roles["worker"]
	actors := []*actor{s.act("run", trainer), s.act("run", follower)}
	if v := s.verdict(); v.Code != exit.Done {
		t.Errorf("verdict %+v", v)
	}
	for _, p := range actors {
		p.end()
	}
	if text, err := os.ReadFile(at + "/evaluated.json"); err != nil || !strings.Contains(string(text), "ckpt-1") {
		t.Errorf("the evaluator saw %s, %v", text, err)
	}
}
