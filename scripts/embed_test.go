package scripts

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The archive holds every file of the package as it lies in the tree, and is
// the same each time.
func TestZip(t *testing.T) {
	first, err := Zip()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Zip(); err != nil || !bytes.Equal(first, second) {
		t.Errorf("two archives differ (%v)", err)
	}
	r, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(data)
	}
	var names []string
	for _, pattern := range []string{"tfos/*.py", "tfos/*/*.py", "tfos/*/*/*.py"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 && pattern != "tfos/*/*.py" {
			t.Fatalf("the package's files %s: %v, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	if len(got) != len(names)-1 {
		t.Errorf("%d files in the archive, %d beside app.py in the tree", len(got), len(names)-1)
	}
	for _, name := range names {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == appFile {
			if app, err := App(); err != nil || !bytes.Equal(app, want) {
				t.Errorf("app.py differs (%v)", err)
			}
			continue
		}
		if got[name] != string(want) {
			t.Errorf("%s differs", name)
		}
	}
}
