package node

import (
	"archive/tar"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The job's files are in the program's folder. Only files that the program writes count
// as written.
func TestFolder(t *testing.T) {
	files := t.TempDir()
	for _, name := range []string{"train.py", "shipped/data.csv", "stdout", "stderr", "tfos-worker-0.log", "tfos-ps-0/mine.txt"} {
		write(t, filepath.Join(files, name), "text")
	}
	archive := archiveOf(t, tar.Header{Name: "config.json", Typeflag: tar.TypeReg, Mode: 0o600}, tar.Header{Name: "pkg/m.py", Typeflag: tar.TypeReg, Mode: 0o600})
	f, err := openFolder(t.Context(), files, "worker-0", archive)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"config.json", "pkg", "shipped", "train.py"}; !slices.Equal(names, want) {
		t.Errorf("in the folder: %v, want %v", names, want)
	}
	if real, err := filepath.EvalSymlinks(filepath.Join(f.path, "train.py")); err != nil || filepath.Dir(real) != f.path {
		t.Errorf("the program is %s (%v): what lies beside it is not found", real, err)
	}
	if got, err := f.written(); err != nil || len(got) != 0 {
		t.Errorf("nothing was written: %v, %v", got, err)
	}
	write(t, filepath.Join(f.path, "logs/deep/events"), "12345")
	write(t, filepath.Join(f.path, "stdout"), "1")
	write(t, filepath.Join(f.path, "config.json"), "changed")
	write(t, filepath.Join(f.path, "pkg/__pycache__/m.pyc"), "compiled")
	write(t, filepath.Join(f.path, "shipped/cache"), "in a folder of the job's, behind a link")
	write(t, filepath.Join(files, "executor.tmp"), "Spark's")
	if err := os.Symlink("logs", filepath.Join(f.path, "latest")); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"logs/deep/events": 5, "stdout": 1, "config.json": 7}
	if got, err := f.written(); err != nil || !maps.Equal(got, want) {
		t.Errorf("written %v, %v; want %v", got, err, want)
	}
	// Another attempt in the same place: what the first has left is not its own.
	if f, err = openFolder(t.Context(), files, "worker-0", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := f.written(); err != nil || len(got) != 0 {
		t.Errorf("the second attempt has written nothing: %v, %v", got, err)
	}
}

// If the folder cannot be made, the program runs in the files folder. The test's file
// system refuses writes even by the superuser.
func TestAFolderThatCannotBeWritten(t *testing.T) {
	const kernels = "/sys/power"
	if f, err := openFolder(t.Context(), kernels, "worker-0", ""); err != nil || f.path != kernels {
		t.Errorf("%q, %v", f.path, err)
	}
}

// The files of members that succeed, that fail, and that are stopped for it are
// brought, and the verdict says so.
func TestFilesAreUploaded(t *testing.T) {
	for _, test := range []struct {
		modes []string
		code  exit.Code
	}{
		{[]string{"writes", "writes"}, 0},
		{[]string{"writes-sleeps", "writes-fails"}, 5},
	} {
		t.Run(strings.Join(test.modes, ","), func(t *testing.T) {
			to := t.TempDir()
			s := newScene(t, 2, func(c *work.Config) {
				c.Uploads = &reserve.UploadConfig{Folder: to, Patterns: []string{"logs", "*.none"}}
			})
			var actors []*actor
			files := t.TempDir() // which members share on local[n]
			for i, mode := range test.modes {
				a := s.assignment(i, mode)
				a.Files, a.Config.Child.Outputs = files, []string{"logs", "*.none"}
				actors = append(actors, s.act("run", a))
			}
			if test.code == 0 {
				s.await("warning", func(e map[string]any) bool {
					return strings.Contains(e["message"].(string), "app.python.outputs: *.none: no program has written")
				})
			}
			v := s.verdict()
			if v.Code != test.code || len(v.WorkingFiles) != 2 {
				t.Fatalf("verdict %+v", v)
			}
			for i, w := range v.WorkingFiles {
				folder := filepath.Join(to, "worker-"+string(rune('0'+i)))
				if w.Files != 2 || w.Bytes != 300_000+7 || w.UploadedFiles != 1 || w.UploadedBytes != 300_000 || w.UploadedTo != folder || w.Error != "" {
					t.Errorf("files %+v", w)
				}
				if text, err := os.ReadFile(filepath.Join(folder, "logs/deep/events")); err != nil || len(text) != 300_000 || text[0] != byte('0'+i) {
					t.Errorf("worker %d: %d bytes, %v", i, len(text), err)
				}
			}
			for _, p := range actors {
				p.end()
			}
			nothingLeft(t, s.run, s.tmp)
		})
	}
}
