package scripts

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	names := pythonFiles(t, ".")
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

// A new sub-package is in the archive without a change of embed.go: what Go
// would embed of a tree that has one.
func TestSubPackagesAreEmbedded(t *testing.T) {
	tree := t.TempDir()
	for _, name := range append(pythonFiles(t, "."), "embed.go", "../go.mod") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(tree, strings.TrimPrefix(name, "../")), data)
	}
	for _, name := range []string{"tfos/ml/__init__.py", "tfos/ml/_hidden.py", "tfos/ml/deeper/__init__.py", "tfos/ml/__pycache__/a.pyc"} {
		write(t, filepath.Join(tree, name), []byte("\n"))
	}
	list := exec.Command("go", "list", "-f", `{{join .EmbedFiles "\n"}}`, ".")
	list.Dir = tree
	list.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, out)
	}
	if got, want := strings.Fields(string(out)), pythonFiles(t, tree); !slices.Equal(got, want) {
		t.Errorf("embedded: %q\nin the tree: %q", got, want)
	}
}

// pythonFiles are the package's files below a folder, sorted, relative to it.
func pythonFiles(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(folder), "tfos", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".py") {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("the package's files: %v, %v", names, err)
	}
	slices.Sort(names)
	return names
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
