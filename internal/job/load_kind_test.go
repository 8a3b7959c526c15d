package job

import (
	"os"
	"path/filepath"
	"testing"
)

// Every command tells a job file's kind in the same way.
func TestKindOf(t *testing.T) {
	for text, want := range map[string]Kind{
		"app: {python: {file: a.py}}\ninput: {path: d}":  Train,
		"app: {python: {file: a.py}}":                    Train,
		"app: {graph: {path: g}}\ninput: {path: d}":      Train,
		"app: {graph: {path: g}}\nexport_dir: e":         Export,
		"app: {graph: {path: g}}\ninput:":                Export,
		"model_dir: m\nsignatures: [a]":                  Export,
		"model_dir: m\nexport_dir: e":                    Export,
		"model_dir: m\nexport_dir: e\noutput: {path: o}": Infer,
		"export_dir: e\ninput: {path: d}":                Infer,
		"":                                               Infer,
		"app: 3":                                         Train,
		"app: [":                                         Train,
	} {
		file := filepath.Join(t.TempDir(), "job.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := KindOf(file); got != want {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
	}
	if got := KindOf(t.TempDir() + "/none.yaml"); got != Train {
		t.Errorf("no file: %s", got)
	}
}
