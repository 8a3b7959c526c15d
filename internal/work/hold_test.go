package work

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

// heldConfig is a run of a program whose export is held.
func heldConfig(t *testing.T, root, run string, replace bool) (Config, []byte) {
	t.Helper()
	o := Output{Kind: KindExport, Final: root + "/m", Replace: replace, Hold: HoldFolder(root + "/m")}
	o.Staging = HoldStaging(o.Hold, run, o.Final)
	cfg := Config{Config: reserve.Config{Run: run}, Outputs: []Output{o}}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, text
}

func openHeld(t *testing.T, text []byte) reserve.Work {
	t.Helper()
	w, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func failure(s reserve.Start) string {
	if f, failed := s.End.(reserve.Fail); failed {
		return f.Cause
	}
	return ""
}

// below are the files and empty folders of a folder.
func below(t *testing.T, root string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if entries, _ := os.ReadDir(path); err == nil && (!d.IsDir() || len(entries) == 0) {
			names = append(names, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestHold: one run writes to an output at a time. It deletes what dead runs have left of
// it but whole exports, and leaves nothing itself.
func TestHold(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/.m.tfos.staging/dead/m/half")
	stage(t, root+"/.m.tfos.staging/dead/.probe-worker-0")
	stage(t, root+"/.m.tfos.staging/failed/m/saved_model.pb")
	stage(t, root+"/.m.tfos.staging/failed/m_x/half")
	stage(t, root+"/.other.tfos.staging/r/m/half")
	cfg, text := heldConfig(t, root, "r1", false)
	first := openHeld(t, text)
	if _, start := first.ShareOut(t.Context()); start.End != nil {
		t.Fatal(failure(start))
	}
	const others = ".m.tfos.staging/failed/m/saved_model.pb .other.tfos.staging/r/m/half"
	if got := below(t, root); got != ".m.tfos.lock "+others {
		t.Errorf("at the start: %s", got)
	}
	_, text2 := heldConfig(t, root, "r2", true)
	second := openHeld(t, text2)
	if _, start := second.ShareOut(t.Context()); !strings.Contains(failure(start), root+"/m is being written by another run") {
		t.Errorf("two runs at once: %q", failure(start))
	}
	if err := second.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	stage(t, cfg.Outputs[0].Staging+"/deep/x")
	v, err := first.Finish(t.Context(), reserve.Verdict{}, reserve.Made{})
	if err != nil || v.Code != exit.Done || len(v.Artifacts) != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	const published = "m/_exported_by_tfos m/deep/x"
	if got := below(t, root); got != others+" "+published {
		t.Errorf("at the end: %s", got)
	}

	for _, c := range []struct {
		run     string
		replace bool
		says    string
	}{
		{"r3", false, "exists already and is unchanged"},
		{"failed", true, "a run of this name has left " + root + "/.m.tfos.staging/failed/m"},
	} {
		_, text := heldConfig(t, root, c.run, c.replace)
		w := openHeld(t, text)
		_, start := w.ShareOut(t.Context())
		if end, _ := start.End.(reserve.Fail); end.Code != exit.Output || !strings.Contains(end.Cause, c.says) {
			t.Errorf("%s: %+v", c.run, start.End)
		}
		if _, err := w.Finish(t.Context(), reserve.Verdict{Code: exit.Output}, reserve.Made{}); err != nil {
			t.Error(err)
		}
	}
	if got := below(t, root); !strings.HasSuffix(got, published) || strings.Contains(got, "lock") {
		t.Errorf("after refusals: %s", got)
	}
}

// TestHoldOfAFailedRun: of a run that fails, what is whole stays, and half an upload goes.
func TestHoldOfAFailedRun(t *testing.T) {
	for name, c := range map[string]struct{ staged, kept string }{
		"half an upload": {"m/a", ""},
		"whole":          {"m/" + ExportMark, "m"},
		"a model":        {"m/saved_model.pb", "m"},
		"a file":         {"m.keras", "m.keras"},
		"nothing":        {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			cfg, text := heldConfig(t, root, "r1", false)
			w := openHeld(t, text)
			if _, start := w.ShareOut(t.Context()); start.End != nil {
				t.Fatal(failure(start))
			}
			run := filepath.Dir(cfg.Outputs[0].Staging)
			if c.staged != "" {
				stage(t, run+"/"+c.staged)
			}
			v, err := w.Finish(t.Context(), reserve.Verdict{Code: exit.Failed}, reserve.Made{})
			if err != nil {
				t.Fatal(err)
			}
			if kept := strings.Join(v.Kept, " "); kept != strings.TrimSuffix(run+"/"+c.kept, "/") && (c.kept != "" || kept != "") {
				t.Errorf("kept %q", kept)
			}
			if got := below(t, root); c.kept == "" && got != "" && got != root || strings.Contains(got, "lock") {
				t.Errorf("left: %s", got)
			}
		})
	}
}
