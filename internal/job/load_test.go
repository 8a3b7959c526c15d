package job

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
)

func TestLoadConfigs(t *testing.T) {
	dir, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load("../../configs/digits.yaml", Train, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "digits" || s.App.Python.File != filepath.Join(dir, "digits/train.py") || s.ClusterSize != 2 ||
		s.ExportDir != filepath.Join(filepath.Dir(dir), "demo/export") {
		t.Errorf("%+v", s)
	}
	if s, err = Load("../../configs/digits-infer.yaml", Infer, nil); err != nil {
		t.Fatal(err)
	}
	if s.SignatureDefKey != "serving_default" || !reflect.DeepEqual(s.Keep, []string{"id", "label"}) {
		t.Errorf("%+v", s)
	}
}

func TestDefaults(t *testing.T) {
	s := spec(t, Train, "app: {python: {file: a.py, function: f}}\ninput: {path: d}\nshuffle: {}\n")
	want := map[string][2]any{
		"name":        {s.Name, "digits"},
		"strategy":    {s.Strategy, independent},
		"reservation": {s.Timeouts.Reservation, Duration(600 * time.Second)},
		"lease":       {s.Timeouts.Lease, Duration(10 * time.Second)},
		"memory":      {s.Resources.Worker.Memory, Memory(2 << 30)},
		"batch_size":  {s.BatchSize, BatchSize(100)},
		"epochs":      {s.Epochs, 1},
		"shuffle":     {*s.Shuffle, Shuffle{Buffer: 10000, Seed: 1}},
		"deploy_mode": {s.Spark.DeployMode, "client"},
		"format":      {s.Input.Format, "parquet"},
		"path":        {s.Input.Path, "/jobs/d"},
		"master":      {s.Spark.Master, ""},
	}
	for name, v := range want {
		if v[0] != v[1] {
			t.Errorf("%s is %v, want %v", name, v[0], v[1])
		}
	}
	if s := spec(t, Train, trainBase, "strategy=", "num_ps=1"); s.Strategy != parameterServer {
		t.Errorf("strategy with num_ps is %q", s.Strategy)
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		"":                      "",
		"a/../b":                "/jobs/b",
		"../b/":                 "/b",
		"/x//y/":                "/x/y",
		"hdfs://nn:8020/a":      "hdfs://nn:8020/a",
		"hdfs:/a":               "hdfs:///a",
		"viewfs:/a":             "viewfs:/a",
		"s3a://bucket/a/../b":   "s3a://bucket/a/../b",
		"file:/a/b":             "/a/b",
		"file:///a/b":           "/a/b",
		"file://localhost/a":    "/a",
		"data/part-*.parquet":   "/jobs/data/part-*.parquet",
		"C:x":                   "/jobs/C:x",
		"with space/and:colon/": "/jobs/with space/and:colon",
	} {
		if got := absolute(path, "/jobs"); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
	s := spec(t, Train, trainBase, "app.python.interpreter=python3.11", "app.python.py_files=[a.py, /b/c.zip]")
	if s.App.Python.Interpreter != "python3.11" {
		t.Errorf("a command became %q", s.App.Python.Interpreter)
	}
	if !reflect.DeepEqual(s.App.Python.PyFiles, []string{"/jobs/a.py", "/b/c.zip"}) {
		t.Errorf("py_files %q", s.App.Python.PyFiles)
	}
	if s = spec(t, Train, trainBase, "app.python.interpreter=../venv/bin/python"); s.App.Python.Interpreter != "/venv/bin/python" {
		t.Errorf("interpreter %q", s.App.Python.Interpreter)
	}
}

func TestSets(t *testing.T) {
	s := spec(t, Train, trainBase+"spark: {conf: {spark.a: x}}\n",
		"spark.conf.spark.a.b=1", "spark.conf.spark.ui.enabled=true", "app.python.args.opt.lr=0.1", "app.python.args.opt.on=yes",
		"input_mapping.image.raw=x", "batch_size=7", "batch_size=8", "steps=", "resources.worker.env.A=b=c",
		"name='12'", "input.options={header: true}")
	if want := map[string]string{"spark.a": "x", "spark.a.b": "1", "spark.ui.enabled": "true"}; !reflect.DeepEqual(s.Spark.Conf, want) {
		t.Errorf("conf %v", s.Spark.Conf)
	}
	if want := map[string]any{"opt": map[string]any{"lr": 0.1, "on": "yes"}}; !reflect.DeepEqual(s.App.Python.Args.Values, want) {
		t.Errorf("args %#v", s.App.Python.Args.Values)
	}
	if !reflect.DeepEqual(s.InputMapping, Mapping{{"image.raw", "x"}}) {
		t.Errorf("mapping %v", s.InputMapping)
	}
	if s.BatchSize != 8 || s.Steps != 0 || s.Name != "12" || s.Resources.Worker.Env["A"] != "b=c" || s.Input.Options["header"] != "true" {
		t.Errorf("%+v", s)
	}
}

// A value set through an alias changes that place only.
func TestSetThroughAlias(t *testing.T) {
	s := spec(t, Train, "app: {python: {file: a.py, function: f}}\nspark: {conf: &c {spark.a: x}}\ninput: {path: d, options: *c}\n",
		"input.options.spark.a=y")
	if s.Spark.Conf["spark.a"] != "x" || s.Input.Options["spark.a"] != "y" {
		t.Errorf("conf %v, options %v", s.Spark.Conf, s.Input.Options)
	}
}

func TestYAMLForms(t *testing.T) {
	s := spec(t, Train, `
app:
  python: {file: train.py, function: main_fun, args: {when: 2020-01-01, big: 9007199254740993, hex: 0x10, none: ~}}
resources:
  worker: {cores: 2, env: {A: "1"}}
strategy: independent
input: {path: data}
input_mapping: {z: a, b: c, a: z}
spark:
  conf: {spark.x: 1, spark.y: true, spark.z: 1e3}
`)
	if want := (Mapping{{"z", "a"}, {"b", "c"}, {"a", "z"}}); !reflect.DeepEqual(s.InputMapping, want) {
		t.Errorf("mapping out of order: %v", s.InputMapping)
	}
	if want := map[string]string{"spark.x": "1", "spark.y": "true", "spark.z": "1e3"}; !reflect.DeepEqual(s.Spark.Conf, want) {
		t.Errorf("conf %v", s.Spark.Conf)
	}
	want := map[string]any{"when": "2020-01-01", "big": int64(9007199254740993), "hex": int64(16), "none": nil}
	if got := s.App.Python.Args.Values; !reflect.DeepEqual(got, want) {
		t.Errorf("args %#v", got)
	}
}

func TestMergeKeys(t *testing.T) {
	s := spec(t, Train, `
app: {python: {file: train.py, function: main_fun}}
strategy: parameter_server
cluster_size: 3
num_ps: 1
input: {path: data}
resources:
  worker: &w {cores: 2, memory: 1g, env: &e {A: b}}
  ps: {<<: *w, memory: 4g}
  all: {env: {<<: *e, C: d}}
`)
	if all := s.Resources.All.Env; len(all) != 2 || all["A"] != "b" || all["C"] != "d" {
		t.Errorf("all %+v", all)
	}
	if ps := s.Resources.PS; ps.Cores != 2 || ps.Memory != 4<<30 || ps.Env["A"] != "b" {
		t.Errorf("ps %+v", ps)
	}
}

func TestBadYAML(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "a: b\nc: [\n", "job.yaml:2: is no YAML: did not find"},
		{"two documents", "name: a\n---\nname: b\n", "must be one YAML document"},
		{"a list", "- a\n", "job.yaml:1: must be a mapping of keys to values"},
		{"double key", "name: a\nname: b\n", "job.yaml:2: name: name: given twice, first in line 1"},
		{"list as key", "? [a]\n: b\n", "a list: a key must be text"},
		{"self alias", "app: &a {python: *a}\n", "job.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := faultsOf(Train, c.text)
			if len(faults) == 0 || !strings.Contains(faults.Error(), c.want) {
				t.Errorf("%v", faults)
			}
		})
	}
}

// A few hundred bytes of aliases must not become gigabytes.
func TestAliasBomb(t *testing.T) {
	var text strings.Builder
	text.WriteString("app:\n  python:\n    args:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		ref := "*a" + string(rune('0'+i-1))
		text.WriteString("      a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(ref+", ", 9) + ref + "]\n")
	}
	start := time.Now()
	faults := faultsOf(Train, text.String())
	if !strings.Contains(faults.Error(), "too large or too deep") || time.Since(start) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(start), faults)
	}
}

// A file as deep as only machines write it is refused, and told so once.
func TestDeepFile(t *testing.T) {
	deep := func(depth int, open, close string) string {
		return "app: {python: {file: t.py, function: main, args: {a: " + strings.Repeat(open, depth) + "x" + strings.Repeat(close, depth) + "}}}\ninput: {path: rows}\n"
	}
	for _, pair := range [][2]string{{"[", "]"}, {"{a: ", "}"}} {
		if faults := faultsOf(Train, deep(60, pair[0], pair[1])).Error(); strings.Count(faults, "too large or too deep") != 1 {
			t.Errorf("%s: %s", pair[0], faults)
		}
		if faults := faultsOf(Train, deep(20, pair[0], pair[1])); len(faults) > 0 {
			t.Errorf("%s: %s", pair[0], faults)
		}
	}
	for _, args := range []string{"&a {b: *a}", "{c: &a [*a]}", "&a {<<: *a}"} { // a tree without end
		faults := faultsOf(Train, "app: {python: {file: t.py, function: main, args: "+args+"}}\ninput: {path: rows}\n").Error()
		if len(faults) > 10_000 || strings.Count(faults, "too large or too deep") != 1 {
			t.Errorf("%s: %d bytes: %.1000s", args, len(faults), faults)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		faults := faultsOf(Train, text)
		if got := faults.Error(); !strings.Contains(got, "job.yaml:1: app: absent") || !strings.Contains(got, "job.yaml:1: input.path: absent") {
			t.Errorf("%q: %v", text, faults)
		}
	}
}

func TestFromFlags(t *testing.T) {
	s, err := FromFlags(Infer, "/jobs", []Flag{
		{"--export-dir", "export_dir", "model"},
		{"--input", "input.path", "123"},
		{"--output", "output.path", "out: x"},
		{"--keep", "keep", []string{"id", "yes"}},
		{"--batch-size", "batch_size", 64},
		{"--input-mapping", "input_mapping", Mapping{{"b.c", "x"}, {"a", "1"}}},
		{"--tag-set", "tag_set", "serve,gpu"},
	}, []string{"cluster_size=3"})
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{Name: "infer", ExportDir: "/jobs/model", BatchSize: 64, ClusterSize: 3}
	if s.Name != want.Name || s.ExportDir != want.ExportDir || s.BatchSize != want.BatchSize || s.ClusterSize != want.ClusterSize ||
		s.Input.Path != "/jobs/123" || s.Output.Path != "/jobs/out: x" || s.File() != "" {
		t.Errorf("%+v", s)
	}
	if !reflect.DeepEqual(s.Keep, []string{"id", "yes"}) || !reflect.DeepEqual(s.TagSet, Tags{"serve", "gpu"}) ||
		!reflect.DeepEqual(s.InputMapping, Mapping{{"b.c", "x"}, {"a", "1"}}) {
		t.Errorf("keep %q, tags %q, mapping %q", s.Keep, s.TagSet, s.InputMapping)
	}
	_, err = FromFlags(Infer, "/jobs", []Flag{{"--batch-size", "batch_size", 0}}, nil)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	const message = `export_dir: absent: say which SavedModel is run (or, with model_dir, which checkpoint)
input.path: absent: say what is read: one of path, table, sql
output.path: absent: say where the predictions go
--batch-size: batch_size: 0: must be 1 or more`
	if faults.Error() != message {
		t.Errorf("got\n%v", faults)
	}
}

// A secret given by --set does not come back in a message.
func TestSetHidesSecrets(t *testing.T) {
	faults := faultsOf(Train, trainBase, "spark.conf.hadoop.password=hunter2", "spark.conf.spark.master.token=\"a\\nhunter2\"")
	if len(faults) == 0 || strings.Contains(faults.Error(), "hunter2") {
		t.Errorf("%v", faults)
	}
}

const maySave = ", and the program may save a model under this name: remove it, choose another export_dir, or say export_if_exists: replace"

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"train.py", "lib.py", "data/a.parquet", "m/saved_model.pb", "empty/x", "old/saved_model.pb", "old/_SUCCESS", "mine/thesis.tex", "file", "file.keras", "weights/w.h5", "weights/_exported_by_tfos", "dataset/_SUCCESS", "taken.keras", "saved.weights.h5", "named.out", "folder.keras/x", "other.txt", "other.2.keras", "pkg.py/x"} {
		write(name)
	}
	for name, to := range map[string]string{"link": "data", "val/to-mine": "../mine"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path)); err != nil {
			t.Fatal(err)
		}
	}
	// %: the folder.
	for _, c := range []struct {
		kind Kind
		sets []string
		want []string
		code exit.Code
	}{
		{Train, nil, nil, 0},
		{Train, []string{"export_dir=link/new"}, []string{"export_dir: %/link/new: overlaps input.path (%/data): " + readAsRows}, 2},
		{Train, []string{"model_dir=link/new"}, []string{"model_dir: %/link/new: overlaps input.path (%/data): " + readAsRows}, 2},
		{Train, []string{"output.path=data/new", "input.path=link/*"}, []string{"output.path: %/data/new: overlaps input.path (%/link/*): " + readAsRows}, 2},
		{Train, []string{"model_dir=mine/ckpt", "input={train: {path: data}, validation: {path: val}}"}, []string{"model_dir: %/mine/ckpt: overlaps input.validation.path (%/val): " + readAsRows}, 2},
		{Infer, []string{"output.path=link/out"}, []string{"output.path: %/link/out: overlaps input.path (%/data): " + readAsRows}, 2},
		{Infer, []string{"output.path=link/out", "read_by=spark"}, []string{"output.path: %/link/out: overlaps input.path (%/data): " + readAsRows}, 2},
		{Infer, []string{"output.path=link/out", "local=true", "output.if_exists=resume"}, []string{"output.path: %/link/out: overlaps input.path (%/data): " + readAsRows}, 2},
		{Infer, []string{"output.path=link", "output.if_exists=replace", "input.path=data/a.parquet"}, []string{
			"output.path: %/link: holds other files and no _SUCCESS: it is not replaced",
			"output.path: %/link: overlaps input.path (%/data/a.parquet): the input lies in it: choose another folder"}, 2},
		{Infer, []string{"output.path=link/out", "input.path=data/*.parquet"}, nil, 0},
		{Train, []string{"app.python.py_files=[lib.py]", "input.path=data/*.parquet", "export_dir=new", "output.path=rows"}, nil, 0},
		{Train, []string{"app.python.file=no.py"}, []string{"app.python.file: %/no.py: does not exist"}, 2},
		{Train, []string{"app.python.py_files=[no.zip]"}, []string{"app.python.py_files[0]: %/no.zip: does not exist"}, 2},
		{Train, []string{"app.python.interpreter=./python"}, []string{"app.python.interpreter: %/python: does not exist"}, 2},
		{Infer, []string{"tensorflow.op_libraries=[./no.so, 'local:/no.so', no_package]"}, []string{"tensorflow.op_libraries[0]: %/no.so: does not exist"}, 2},
		{Train, []string{"spark.home=file"}, []string{"spark.home: %/file: must be a folder"}, 2},
		{Train, []string{"input.path=nodata"}, []string{"input.path: %/nodata: does not exist"}, 2},
		{Train, []string{"input.path=data/*.csv"}, []string{"input.path: %/data/*.csv: matches nothing"}, 2},
		{Train, []string{"input.path=data/*.{csv,parquet}"}, nil, 0},
		{Train, []string{"input.path=data/*.{csv,json}"}, []string{"input.path: %/data/*.{csv,json}: matches nothing"}, 2},
		{Train, []string{"input.path='**/*.parquet'"}, nil, 0},
		{Train, []string{"input.path=data/[a"}, []string{"input.path: %/data/[a: cannot be listed: store: list %/data/[a: not a pattern: a bracket is not closed, or is empty"}, 2},
		{Train, []string{"input={table: t}"}, nil, 0},
		{Train, []string{"input.path=nodata", "spark.master=yarn"}, nil, 0},
		{Train, []string{"input.path=nodata", "spark.master=spark://h:7077"}, []string{"input.path: %/nodata: does not exist"}, 2},
		{Train, []string{"input.path=viewfs://n/nodata"}, nil, 0},
		{Train, []string{"input.path=hdfs://n.invalid/nodata", "read_by=spark"}, nil, 0}, // Spark may know the host
		{Train, []string{"export_dir=old"}, []string{"export_dir: %/old: exists already: choose another, remove it, or say export_if_exists: replace"}, 7},
		{Train, []string{"export_dir=old", "export_if_exists=replace"}, nil, 0},
		{Train, []string{"export_dir=mine", "export_if_exists=replace"}, []string{"export_dir: %/mine: holds other files and no saved_model.pb and no _exported_by_tfos: it is not replaced"}, 7},
		{Train, []string{"export_dir=dataset", "export_if_exists=replace"}, []string{"export_dir: %/dataset: holds other files and no saved_model.pb and no _exported_by_tfos: it is not replaced"}, 7},
		{Train, []string{"export_dir=weights", "export_if_exists=replace"}, nil, 0},
		{Train, []string{"export_dir=file.keras", "export_if_exists=replace"}, nil, 0},
		{Train, []string{"export_dir=file.keras", "export_if_exists=replace", "export_format=saved_model"}, []string{"export_dir: %/file.keras: is no folder: it is not replaced"}, 7},
		{Train, []string{"export_dir=file", "export_if_exists=replace"}, []string{"export_dir: %/file: is no folder: it is not replaced"}, 7},
		{Train, []string{"app.python.file=no.py", "export_dir=old"}, []string{
			"app.python.file: %/no.py: does not exist",
			"export_dir: %/old: exists already: choose another, remove it, or say export_if_exists: replace"}, 2},
		{Train, []string{"export_dir=taken"}, []string{"export_dir: %/taken.keras: exists already" + maySave}, 7},
		{Train, []string{"export_dir=saved/"}, []string{"export_dir: %/saved.weights.h5: exists already" + maySave}, 7},
		{Train, []string{"export_dir=taken", "export_if_exists=replace"}, nil, 0},
		{Train, []string{"export_dir=folder", "export_if_exists=replace"}, []string{"export_dir: %/folder.keras: is a folder, which is not replaced, and the program may save a model under this name: remove it, or choose another export_dir"}, 7},
		{Train, []string{"export_dir=other"}, nil, 0},
		{Train, []string{"export_dir=named"}, nil, 0},
		{Train, []string{"export_dir=named", "app.python.function=''", "app.python.args=['--to={export_dir}.out']"}, []string{"export_dir: %/named.out: exists already" + maySave}, 7},
		{Train, []string{"export_dir=other", "app.python.function=''", "app.python.args=['--to={export_dir}/a.txt']"}, nil, 0},
		{Infer, nil, nil, 0},
		{Infer, []string{"export_dir=nomodel"}, []string{"export_dir: %/nomodel: does not exist on this machine (give a SavedModel's folder that every executor can read)"}, 2},
		{Infer, []string{"output.path=old"}, []string{"output.path: %/old: exists already: choose another, remove it, or say output.if_exists: replace"}, 7},
		{Infer, []string{"output.path=old", "output.if_exists=replace"}, nil, 0},
		{Infer, []string{"output.path=old", "output.if_exists=skip"}, nil, 0},
		{Infer, []string{"output.path=old", "output.if_exists=resume"}, nil, 0},
		{Infer, []string{"output.path=new", "output.if_exists=skip"}, nil, 0},
		{Infer, []string{"output.path=mine", "output.if_exists=skip"}, []string{"output.path: %/mine: exists already and is not complete, for it has no _SUCCESS: remove it"}, 7},
		{Infer, []string{"output.path=mine", "output.if_exists=resume"}, []string{"output.path: %/mine: exists already and is not complete, for it has no _SUCCESS: remove it"}, 7},
		{Infer, []string{"output.path=file/out"}, []string{"output.path: %/file/out: cannot be looked at: not a directory"}, 7},
		{Infer, []string{"output.path=link", "output.if_exists=replace", "input.path=mine/*.tex"}, []string{"output.path: %/link: holds other files and no _SUCCESS: it is not replaced"}, 7},
		{Infer, []string{"export_dir=''", "model_dir=nomodel"}, []string{"model_dir: %/nomodel: there is no such checkpoint on this machine (give a folder of checkpoints, or a checkpoint's path without .index)"}, 2},
		{Infer, []string{"export_dir=nomodel", "spark.master=yarn"}, nil, 0},
		{Train, []string{"app.python.file=pkg.py"}, []string{"app.python.file: %/pkg.py: must be a file, not a folder"}, 2},
		{Train, []string{"app.python.file=file/train.py"}, []string{"app.python.file: %/file/train.py: cannot be read: not a directory"}, 2},
		{Train, []string{"app.python.interpreter=./python", "spark.master=yarn"}, nil, 0},
		{Infer, []string{"output.path=mine", "output.if_exists=replace"}, []string{"output.path: %/mine: holds other files and no _SUCCESS: it is not replaced"}, 7},
	} {
		t.Run(string(c.kind)+" "+strings.Join(c.sets, " "), func(t *testing.T) {
			path := filepath.Join(dir, "job.yaml")
			if err := os.WriteFile(path, []byte(base(c.kind)), 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := Load(path, c.kind, c.sets)
			if err != nil {
				t.Fatal(err)
			}
			err = Check(t.Context(), s)
			var faults Faults
			if err != nil && !errors.As(err, &faults) {
				t.Fatal(err)
			}
			var got []string
			for _, f := range faults {
				got = append(got, strings.ReplaceAll(plain(f), dir, "%"))
			}
			if !reflect.DeepEqual(got, c.want) || faults.Code() != c.code {
				t.Errorf("code %d\n%s", faults.Code(), strings.Join(got, "\n"))
			}
			text := strings.Join(got, "\n")
			want := strings.Contains(text, "exists already") || strings.Contains(text, "not replaced") || strings.Contains(text, "cannot be looked at")
			if exists := errors.Is(err, ErrExists); exists != want {
				t.Errorf("errors.Is(ErrExists) is %v for %v", exists, err)
			}
		})
	}
}
