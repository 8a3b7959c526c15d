package job

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeTree writes files below a folder, by their names there.
func writeTree(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// tree makes files, with their own path as content, below a folder.
func tree(t *testing.T, root string, files ...string) {
	t.Helper()
	contents := map[string]string{}
	for _, name := range files {
		contents[name] = name
	}
	writeTree(t, root, contents)
}

// loadBelow writes a job file below root and loads it.
func loadBelow(t *testing.T, root, file, text string) *Spec {
	t.Helper()
	path := filepath.Join(root, file)
	tree(t, root, file, "rows/a.parquet")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, Train, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func places(copies []Copy) []string {
	var out []string
	for _, c := range copies {
		out = append(out, c.To)
	}
	return out
}

const besideJob = "input: {path: rows}\napp:\n  python: "

func TestBundle(t *testing.T) {
	for _, c := range []struct {
		name, file, python string
		want               []string
	}{
		{"files, folders, patterns", "job.yaml", "{file: train.py, files: [config.json, pkg/, 'data/*.csv']}",
			[]string{"config.json", "data/a.csv", "data/b.csv", "pkg/__init__.py", "pkg/sub/x.py"}},
		{"every depth", "job.yaml", "{file: train.py, files: ['**/*.py']}", []string{"pkg/__init__.py", "pkg/sub/x.py", "src/helper.py", "src/main.py"}},
		{"every depth, without what is never shipped", "job.yaml", "{file: train.py, files: ['**/x*']}", []string{"pkg/sub/x.py"}},
		{"all that is not hidden", "data/job.yaml", "{file: ../train.py, files: ['**']}", []string{"data/a.csv", "data/b.csv", "data/c.txt", "data/job.yaml"}},
		{"as they lie beside the program", "job.yaml", "{file: src/main.py, files: [src/helper.py, config.json]}", []string{"config.json", "helper.py"}},
		{"from elsewhere by their own names", "jobs/job.yaml", "{file: ../src/main.py, files: [../pkg, ../src/helper.py, ../config.json], py_files: [../train.py]}",
			[]string{"config.json", "helper.py", "pkg/__init__.py", "pkg/sub/x.py"}},
		{"the whole folder, without what is shipped already", "src/job.yaml", "{file: main.py, files: [.], py_files: [helper.py]}", []string{"job.yaml", "rows/a.parquet"}},
		{"names in brackets, and hidden ones by name", "job.yaml", "{file: train.py, files: ['odd[1].csv', '.e*', '*/sub', 'd*/[ab].csv']}",
			[]string{".env", "data/a.csv", "data/b.csv", "odd[1].csv", "pkg/sub/x.py"}},
		{"twice", "job.yaml", "{file: train.py, files: [pkg, pkg/sub/x.py]}", []string{"pkg/__init__.py", "pkg/sub/x.py"}},
		{"a link is what it leads to", "job.yaml", "{file: train.py, files: [linked]}", []string{"linked/__init__.py", "linked/sub/x.py"}},
		{"the module's package", "job.yaml", "{module: pkg.sub.x}", []string{"pkg/__init__.py", "pkg/sub/x.py"}},
		{"the module's file, and more", "job.yaml", "{module: train, files: [config.json]}", []string{"config.json", "train.py"}},
		{"a module of the executors", "job.yaml", "{module: official.train}", nil},
		{"none", "job.yaml", "{file: train.py}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			tree(t, root, "train.py", "config.json", "pkg/__init__.py", "pkg/sub/x.py", "pkg/__pycache__/x.pyc", "pkg/.git/config",
				"data/a.csv", "data/b.csv", "data/c.txt", "src/main.py", "src/helper.py", "odd[1].csv", ".env")
			if err := os.Symlink(filepath.Join(root, "pkg"), filepath.Join(root, "linked")); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.python, "*/") { // the link's are the same files in other places
				_ = os.Remove(filepath.Join(root, "linked"))
			}
			text := besideJob + c.python + "\n"
			if strings.Contains(c.file, "/") {
				text = strings.Replace(text, "path: rows", "path: ../rows", 1)
			}
			if c.file == "src/job.yaml" {
				tree(t, root, "src/rows/a.parquet")
			}
			s := loadBelow(t, root, c.file, text)
			if err := Check(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			got, err := Bundle(s)
			if err != nil || !slices.Equal(places(got), c.want) {
				t.Errorf("%v (%v), want %v", places(got), err, c.want)
			}
			plan, err := MakePlan(s, testEnvironment)
			if err != nil {
				t.Fatal(err)
			}
			archive := strings.Contains(c.python, "files: [") && !strings.HasPrefix(c.python, "{file: train.py}") || strings.Contains(c.python, "module")
			if (plan.Bundle != "") != archive || slices.Contains(plan.Files, plan.Bundle) != archive || (plan.Node.Child.Archive != "") != archive {
				t.Errorf("archive %q, shipped %v, unpacked %q", plan.Bundle, plan.Files, plan.Node.Child.Archive)
			}
		})
	}
}

func TestBundleFaults(t *testing.T) {
	for _, c := range []struct{ python, want string }{
		{"{file: train.py, files: [config.jsn]}", "app.python.files[0]: ROOT/config.jsn: does not exist"},
		{"{file: train.py, files: ['*.none']}", "app.python.files[0]: ROOT/*.none: matches nothing: look at its spelling, and what it is relative to (the job file's folder)"},
		{"{file: train.py, files: [../other/one.txt, ../another/one.txt]}", "app.python.files[1]: TOP/another/one.txt: lands on one.txt beside the program, and so does TOP/other/one.txt: rename one"},
		{"{file: train.py, files: [../other/train.py]}", "app.python.files[0]: TOP/other/train.py: lands on train.py beside the program, and so does ROOT/train.py: rename one"},
		{"{file: train.py, files: [tfos/x.py]}", "app.python.files[0]: ROOT/tfos/x.py: lands on tfos beside the program, which is tfos's: rename it"},
		{"{file: train.py, files: [a, ../files/a]}", "app.python.files: ROOT/a/one.txt: lands in the folder a beside the program, where the file TOP/files/a lands: rename one"},
		{"{file: train.py, files: [ring]}", "app.python.files[0]: ROOT/ring/again: is a link to a folder that it lies in: remove it, or name the files beside it"},
		{"{file: train.py, files: [huge.bin]}", "app.python.files: 1025 MiB: must be 1024 MiB or less: every executor fetches them all. Put data where executors read it, and name what the program needs"},
		{"{file: train.py, files: ['[x']}", "app.python.files[0]: ROOT/[x: is no pattern: a bracket is not closed"},
	} {
		t.Run(c.python, func(t *testing.T) {
			top := t.TempDir()
			root := filepath.Join(top, "project")
			tree(t, root, "train.py", "a/one.txt", "b/one.txt", "tfos/x.py", "ring/x")
			tree(t, top, "other/one.txt", "another/one.txt", "other/train.py", "files/a")
			if err := os.Symlink("..", filepath.Join(root, "ring", "again")); err != nil {
				t.Fatal(err)
			}
			huge, err := os.Create(filepath.Join(root, "huge.bin"))
			if err == nil {
				err = huge.Truncate(1025 << 20) // no block is written
			}
			if err != nil || huge.Close() != nil {
				t.Fatal(err)
			}
			fill := strings.NewReplacer("ROOT", root, "TOP", top)
			s := loadBelow(t, root, "job.yaml", besideJob+fill.Replace(c.python)+"\n")
			err = Check(t.Context(), s)
			want := fill.Replace(c.want)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
			if _, again := Bundle(s); again == nil {
				t.Error("Bundle finds no fault")
			}
		})
	}
}

// What lies beside a program and does not travel is known, and warned of where
// a line imports it.
func TestBeside(t *testing.T) {
	root := t.TempDir()
	tree(t, root, "train.py", "helpers.py", "unused.py", "config.json", "shipped.py", "pkg/net.py", "docs/x.md", ".env", "__pycache__/x.pyc")
	program := "import os, helpers as h\nfrom pkg.net import Net\n  import docs\nfrom . import unused\n# import config\nimport shipped\nfrom config import x\n"
	if err := os.WriteFile(filepath.Join(root, "train.py"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	s := loadBelow(t, root, "job.yaml", besideJob+"{file: train.py, files: [shipped.py]}\n")
	bundle, err := Bundle(s)
	if err != nil {
		t.Fatal(err)
	}
	beside := Beside(s, bundle)
	if want := []string{"config.json", "docs", "helpers.py", "job.yaml", "pkg", "rows", "unused.py"}; !slices.Equal(beside, want) {
		t.Errorf("beside: %v, want %v", beside, want)
	}
	var warned []string
	for _, w := range NotShipped(s, bundle, beside) {
		warned = append(warned, w.Rule)
	}
	const rest = ", which lies beside the program and is not shipped: add it to app.python.files"
	if want := []string{"train.py imports helpers.py" + rest, "train.py imports pkg" + rest}; !slices.Equal(warned, want) {
		t.Errorf("warned: %q, want %q", warned, want)
	}
	env := testEnvironment
	env.Beside = beside
	plan, err := MakePlan(s, env)
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Node.Context["beside"]; !slices.Equal(got.([]string), beside) {
		t.Errorf("the program is told %v", got)
	}
}

// A module that a shipped file imports is missed too; one in a shipped archive is not.
func TestBesideOfShippedFiles(t *testing.T) {
	root := t.TempDir()
	tree(t, root, "train.py", "lib.py", "deep.py")
	for name, text := range map[string]string{"train.py": "import lib\n", "lib.py": "import deep\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), fs.FileMode(0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s := loadBelow(t, root, "job.yaml", besideJob+"{file: train.py, py_files: [lib.py]}\n")
	warnings := NotShipped(s, nil, Beside(s, nil))
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].Rule, "lib.py imports deep.py") {
		t.Errorf("%v", warnings)
	}
}
