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

	"tfos/internal/exit"
	"tfos/internal/feed"
	"tfos/internal/reserve"
)

// childExports plays a program that writes a model, a file beside it, and rows. It then
// fails, sleeps, or makes the store refuse everything.
func childExports(mode string) int {
	conn, err := net.Dial("unix", os.Getenv("TFOS_SOCKET"))
	var given feed.ProgramContext
	if err == nil {
		err = errors.Join(feed.WriteJSON(conn, feed.TypeAttach, feed.AttachRequest{PID: os.Getpid(), Version: feed.Version}),
			feed.ReadJSON(conn, feed.TypeContext, &given))
	}
	var settings struct {
		Output     string
		Parameters struct {
			ExportDir string `json:"export_dir"`
			Store     string
		}
	}
	if err == nil {
		err = json.Unmarshal(given.Context, &settings)
	}
	write := func(path string) {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(path), 0o600))
	}
	if to := settings.Parameters.ExportDir; !strings.Contains(to, "://") { // the chief
		write(to + "/variables/v")
		write(to + "/saved_model.pb")
		write(to + ".keras")
		write(to + "_folder/x")
		write(filepath.Dir(to) + "/other")
	}
	write(settings.Output + "/part-" + fmt.Sprint(given.TaskIndex))
	if mode == "exports-nowhere" {
		at := settings.Parameters.Store
		err = errors.Join(err, os.RemoveAll(at), os.WriteFile(at, nil, 0o600))
	}
	err = errors.Join(err, feed.WriteJSON(conn, feed.TypePhase, feed.PhaseReport{Phase: "running"}))
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	case mode == "exports-fails":
		return 3
	case mode == "exports-sleeps":
		time.Sleep(time.Hour)
	}
	return 0
}

// exporter is an assignment of a child that writes outputs that are at a store.
func (s *scene) exporter(i int, mode, at string) Assignment {
	a := s.assignment(i, mode)
	url := "file://" + at
	a.Config.Outputs = []StoredOutput{
		{Kind: StoredExport, URL: url + "/e/r/m", Mark: "_mark"},
		{Kind: StoredResults, URL: url + "/o/r/rows"},
	}
	a.Config.Context = map[string]any{"output": url + "/o/r/rows", "parameters": map[string]any{"export_dir": url + "/e/r/m", "store": at}}
	return a
}

// filesBelow returns the names of the files below a folder.
func filesBelow(dir string) string {
	var found []string
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir+"/"))
		}
		return nil
	})
	return strings.Join(found, " ")
}

const (
	storedModel = "e/r/m/saved_model.pb e/r/m/variables/v e/r/m.keras e/r/m_folder/_mark e/r/m_folder/x"
	storedRows  = "o/r/rows/part-0 o/r/rows/part-1"
)

// TestOutputsOnAStore: programs write to local paths; the model of the chief, what is
// beside it and the rows of all are at the store when the run ends. After a failure and a
// stop the model is there, but not the rows.
func TestOutputsOnAStore(t *testing.T) {
	for mode, want := range map[string]string{"exports": storedModel + " " + storedRows, "exports-fails": storedModel, "exports-sleeps": storedModel} {
		t.Run(mode, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "store")
			s := newScene(t, 2, nil)
			a, another := s.exporter(0, mode, at), s.exporter(1, mode, at)
			if mode == "exports-fails" { // the chief alone, after it has written
				another = s.exporter(1, "exports-sleeps", at)
			}
			p, other := s.act("run", a), s.act("run", another)
			if mode == "exports-sleeps" {
				s.awaitPhase(0, "running")
				s.awaitPhase(1, "running")
				s.command(map[string]any{"cmd": "stop", "reason": "interrupted"})
			}
			if v := s.verdict(); (v.Code == exit.Done) != (mode == "exports") {
				t.Errorf("verdict %+v", v)
			}
			p.end()
			other.end()
			if got := filesBelow(at); got != want {
				t.Errorf("the store has %s, want %s", got, want)
			}
			if text, err := os.ReadFile(at + "/e/r/m/saved_model.pb"); err != nil || !strings.Contains(string(text), "worker-0") {
				t.Errorf("the model is %s's, %v", text, err)
			}
			if left := names(t, a.Files); strings.Contains(left, "export") || strings.Contains(left, "results") {
				t.Errorf("a local folder is left: %s", left)
			}
			nothingLeft(t, s.run, s.tmp)
		})
	}
}

// TestOutputCannotBeUploaded: a run whose program has succeeded fails with 7, names the
// output, and keeps the files.
func TestOutputCannotBeUploaded(t *testing.T) {
	at := filepath.Join(t.TempDir(), "store")
	s := newScene(t, 1, nil)
	p := s.act("run", s.exporter(0, "exports-nowhere", at))
	v := s.verdict()
	kept := filepath.Join(s.logs, "tfos-worker-0.export")
	if v.Code != exit.Output || v.Phase != reserve.PhaseUpload || !strings.HasPrefix(v.Cause, "export_dir: ") || !strings.Contains(v.Cause, kept) {
		t.Errorf("verdict %+v", v)
	}
	p.end()
	if !exists(kept + "/m/saved_model.pb") {
		t.Errorf("kept %s", filesBelow(kept))
	}
}

// TestOutputCannotBeWritten: no child is started, and the run fails with 7.
func TestOutputCannotBeWritten(t *testing.T) {
	at := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, 1, nil)
	p := s.act("run", s.exporter(0, "exports", at))
	if v := s.verdict(); v.Code != exit.Output || v.Phase != phaseOutput || !strings.HasPrefix(v.Cause, "export_dir: ") {
		t.Errorf("verdict %+v", v)
	}
	p.end()
}
