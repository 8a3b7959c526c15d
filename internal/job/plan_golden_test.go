package job

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files and the key table of docs/job-file.md")

const digits = `
app:
  python:
    file: train.py
    function: main_fun
    export_function: export_fn
    args: {learning_rate: 0.003, layers: [128, 64], note: null}
    py_files: [lib.py, deps.zip]
strategy: independent
cluster_size: 2
input: {path: data/train}
input_mapping: {image: x, label: y}
batch_size: 32
epochs: 12
shuffle: {buffer: 2000, seed: 1}
model_dir: model
export_dir: out/export
`

const predict = `
export_dir: export
cluster_size: 2
input: {path: data/test}
input_mapping: {image: image}
output_mapping: {probabilities: p}
keep: [id, label]
batch_size: 256
output: {path: predictions, if_exists: replace}
`

const graph = `
app: {graph: {path: model}}
input: {path: data/train}
input_mapping: {image: x, label: y}
batch_size: 32
epochs: 12
shuffle: {buffer: 2000, seed: 1}
checkpoint: {every_steps: 100, keep: 3}
model_dir: ckpt
export_dir: out/export
spark: {conf: {spark.executor.memory: 2g}}
`

// plans are the golden cases. What is not supported yet is planned too.
var plans = []struct {
	name string
	kind Kind
	text string
	sets []string
	rows int64
}{
	{name: "train-default", kind: Train, text: digits, rows: 1347},
	{name: "train-two-cores", kind: Train, text: digits, sets: []string{"resources.worker={cores: 2, memory: 3g, env: {A: b}}"}},
	{name: "train-steps", kind: Train, text: digits, sets: []string{"steps=101", "output.path=results"}, rows: 100_000},
	{name: "train-argv", kind: Train, text: digits, sets: []string{"app.python.args=[--lr, '0.1']", "export_if_exists=replace", "export_format=saved_model"}},
	{name: "train-table", kind: Train, text: digits, sets: []string{"input={table: db.digits}", "input_mapping={}"}},
	{name: "train-local", kind: Train, text: digits, sets: []string{"spark.master=local[3]"}},
	{name: "train-local-cluster-2", kind: Train, text: digits, sets: []string{"spark.master=local-cluster[2,2,1024]"}},
	{name: "train-standalone", kind: Train, text: digits, sets: []string{"spark.master=spark://10.0.0.5:7077"}},
	{name: "train-standalone-here", kind: Train, text: digits, sets: []string{"spark.master=spark://127.0.0.1:7077"}},
	{name: "train-yarn-client", kind: Train, text: digits, sets: []string{
		"spark.master=yarn", "spark.conf.spark.hadoop.fs.s3a.secret.key=hunter2", "spark.conf.spark.ui.enabled=true",
		"spark.conf.spark.driver.extraJavaOptions=-Xss4m", "input.path=hdfs://nn/data/*.parquet"}},
	{name: "train-yarn-cluster", kind: Train, text: digits, sets: []string{"spark={master: yarn, deploy_mode: cluster}"}},
	{name: "train-gpus-local-cluster", kind: Train, text: digits, sets: []string{"resources.worker.gpus=2"}},
	{name: "train-gpus-standalone-ps", kind: Train, text: digits, sets: []string{"spark.master=spark://10.0.0.5:7077",
		"strategy=parameter_server", "cluster_size=4", "num_ps=1", "chief=true", "resources={worker: {gpus: 2}, chief: {gpus: 1}}"}},
	{name: "train-yarn-archives", kind: Train, text: digits, sets: []string{"spark.master=yarn", "environment.archive=hdfs:///envs/tf.tar.gz", "spark.conf.spark.yarn.dist.archives=hdfs:///a.zip"}},
	{name: "train-gpus-yarn", kind: Train, text: digits, sets: []string{"spark.master=yarn", "resources.worker.gpus=1"}},
	{name: "train-gpus-k8s", kind: Train, text: digits, sets: []string{"spark.master=k8s://https://10.0.0.1:6443", "resources.worker.gpus=1",
		"spark.conf.spark.executor.resource.gpu.discoveryScript=/own.sh"}},
	{name: "infer-gpus-no-spark", kind: Infer, text: predict, sets: []string{"local=true", "resources.worker.gpus=1"}},
	{name: "train-k8s-client", kind: Train, text: digits, sets: []string{"spark.master=k8s://https://10.0.0.1:6443"}},
	{name: "train-k8s-cluster", kind: Train, text: digits, sets: []string{"spark={master: 'k8s://https://10.0.0.1:6443', deploy_mode: cluster}"}},
	{name: "train-mesos-client", kind: Train, text: digits, sets: []string{"spark.master=mesos://10.0.0.1:5050"}},
	{name: "train-mesos-cluster", kind: Train, text: digits, sets: []string{"spark={master: 'mesos://10.0.0.1:7077', deploy_mode: cluster}"}},
	{name: "train-ps", kind: Train, text: digits, rows: 10_000, sets: []string{
		"strategy=parameter_server", "cluster_size=5", "num_ps=1", "chief=true", "evaluator=true", "resources.ps.memory=8g", "resources.chief.cores=2"}},
	{name: "train-all-reduce", kind: Train, text: digits, sets: []string{"strategy=all_reduce", "cluster_size=3", "steps=500"}},
	{name: "train-evaluator", kind: Train, text: digits, rows: 1347, sets: []string{
		"strategy=all_reduce", "cluster_size=3", "evaluator=true", "input={train: {path: data/train}, validation: {path: data/test}}"}},
	{name: "train-script", kind: Train, sets: []string{"spark.master=local[2]"}, text: "app: {python: {file: t.py, args: ['--dir={model_dir}']}}\n" +
		"strategy: all_reduce\ncluster_size: 2\ninput_mode: tensorflow\nmodel_dir: model\ntensorboard: true\n"},
	{name: "train-outputs", kind: Train, text: "app: {python: {file: t.py, outputs: [logs, '*.txt'], output_dir: kept}}\ninput_mode: tensorflow\nspark: {master: 'local[2]'}\n"},
	{name: "train-module", kind: Train, text: "app: {python: {module: pkg.train, function: main_fun, files: [config.json, 'data/*.csv'], py_files: [lib.zip]}}\n" +
		"input: {path: data}\nresources: {all: {env: {A: all, B: all}}, worker: {env: {B: worker}}}\nexport_dir: out\n"},
	{name: "train-graph", kind: Train, text: "app: {graph: {path: model}}\ninput: {path: data}\nexport_dir: out\ntensorflow: {lib_dir: /opt/tf}\n"},
	{name: "train-graph-ps", kind: Train, text: graph, rows: 1347, sets: []string{"strategy=parameter_server", "cluster_size=3", "num_ps=1",
		"app.graph.init_from=old", "tensorflow.op_libraries=[ops/mine.so, tensorflow_text]"}},
	{name: "train-graph-all-reduce", kind: Train, text: graph, sets: []string{"strategy=all_reduce", "cluster_size=2", "steps=500", "on_non_finite=skip"}},
	{name: "train-graph-evaluator", kind: Train, text: graph, sets: []string{"strategy=all_reduce", "cluster_size=3", "evaluator=true",
		"input={train: {path: data/train}, validation: {path: data/test}}", "early_stopping={metric: accuracy, mode: max}"}},
	{name: "train-graph-tensorflow", kind: Train, text: graph, rows: 1347, sets: []string{"strategy=all_reduce", "cluster_size=2", "input_mode=tensorflow", "readers=2",
		"input={train: {path: data/train}, validation: {path: data/test, format: csv, options: {header: 'true'}}}"}},
	{name: "train-graph-meta", kind: Train, text: graph, sets: []string{"app.graph.path=old/graph.meta", "app.graph.train_signature=step"}},
	{name: "train-graph-no-spark", kind: Train, text: graph, rows: 1347, sets: []string{"strategy=parameter_server", "cluster_size=3", "num_ps=1", "local=true"}},
	{name: "train-store", kind: Train, text: digits, sets: []string{"export_dir=s3://b/m/digits", "export_if_exists=replace", "output={path: 'hdfs:/rows', if_exists: replace}",
		"app.python.outputs=[logs]", "app.python.output_dir=gs://b/kept"}},
	{name: "export-store", kind: Export, text: "model_dir: ckpt\nexport_dir: s3://b/served/\nserving_layout: true\n"},
	{name: "infer-default", kind: Infer, text: predict, rows: 450},
	{name: "infer-quarantine", kind: Infer, text: predict, sets: []string{"on_bad_row=quarantine", "max_bad=0.1%"}},
	{name: "infer-op-libraries", kind: Infer, text: predict, sets: []string{"tensorflow.op_libraries=[ops/mine.so, 'local:/opt/ops/theirs.so', tensorflow_text]"}},
	{name: "infer-no-spark-op-libraries", kind: Infer, text: predict + "local: true\n", sets: []string{"tensorflow.op_libraries=[ops/mine.so, 'local:/opt/ops/theirs.so', tensorflow_text]"}},
	{name: "infer-local", kind: Infer, text: predict, sets: []string{"spark.master=local[2]"}},
	{name: "infer-no-spark", kind: Infer, text: predict + "local: true\nspark: {master: yarn, deploy_mode: cluster, conf: {spark.executor.memory: 2g}}\n", rows: 450},
	{name: "infer-standalone", kind: Infer, text: predict, sets: []string{"spark.master=spark://h:7077", "resources.worker.cores=4"}},
	{name: "infer-table", kind: Infer, text: predict, sets: []string{"input={table: db.digits}", "output.partition_by=[label]"}},
	{name: "infer-table-quarantine", kind: Infer, text: predict, sets: []string{"input={table: db.digits}", "on_bad_row=quarantine", "max_bad=0.1%"}},
	{name: "infer-spark-resume", kind: Infer, text: predict, sets: []string{"input={sql: SELECT * FROM db.digits}", "output.if_exists=resume", "output.partition_by=[label]"}},
	{name: "infer-spark-resume-quarantine", kind: Infer, text: predict, sets: []string{"read_by=spark", "output.if_exists=resume", "on_bad_row=quarantine", "max_bad=1%"}},
	{name: "infer-orc", kind: Infer, text: predict, sets: []string{"input.format=orc", "input.options={mergeSchema: 'true'}", "output.format=json", "spark.master=local[3]"}},
	{name: "export", kind: Export, text: "app: {graph: {path: model}}\nmodel_dir: ckpt\nexport_dir: out\nsignatures: [serving_default]\n"},
	{name: "export-versions", kind: Export, text: "model_dir: ckpt\nexport_dir: out\nserving_layout: true\nsignatures: {serve: {inputs: {x: 'x:0'}, outputs: {y: 'y:0'}}}\n"},
}

var testEnvironment = Environment{
	RunID: "digits-1", Scratch: "/tmp/tfos-digits-1", Record: "/home/u/.tfos/runs/digits-1",
	Host: "h", Python: "/venv/bin/python", Cores: 4,
}

// spec decodes, completes and validates, as Load does with a file of that name,
// but leaves out what is not supported yet.
func spec(t *testing.T, kind Kind, text string, sets ...string) *Spec {
	t.Helper()
	s, faults := parse([]byte(text), "digits.yaml", kind, nil, sets)
	if s != nil {
		s.canonicalize("/jobs")
		faults = append(faults, s.validate()...)
	}
	if err := faults.err(); err != nil {
		t.Fatal(err)
	}
	return s
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "plan", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -run %s -update writes it)", err, t.Name())
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the plan:\n%s", path, firstDifference(string(want), string(got)))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %q\ngot  %q", i+1, strings.Join(w[min(i, len(w)):min(i+2, len(w))], "\n"),
				strings.Join(g[min(i, len(g)):min(i+2, len(g))], "\n"))
		}
	}
	return ""
}

func TestGoldenPlans(t *testing.T) {
	for _, c := range plans {
		t.Run(c.name, func(t *testing.T) {
			s := spec(t, c.kind, c.text, c.sets...)
			env := testEnvironment
			env.Rows = c.rows
			p, err := MakePlan(s, env)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, w := range s.Warnings() {
				fmt.Fprintf(&out, "warning: %v\n", w)
			}
			if err := p.Explain(&out); err != nil {
				t.Fatal(err)
			}
			command := strings.ReplaceAll(Quote(p.Command("/spark/bin/spark-submit"), true), " --", " \\\n  --")
			data, err := p.JSON()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "\n%s\n\n%s", command, data)
			golden(t, c.name, out.Bytes())
		})
	}
}

func TestGoldenFilesHaveCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range plans {
		names[c.name+".golden"] = true
	}
	files, err := os.ReadDir(filepath.Join("testdata", "plan"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !names[f.Name()] {
			t.Errorf("testdata/plan/%s belongs to no case", f.Name())
		}
	}
}

// A plan is a function of its arguments: made again it is the same, and making
// it changes neither the Spec nor an earlier Plan.
func TestPlanIsPure(t *testing.T) {
	for _, c := range plans {
		first, second := spec(t, c.kind, c.text, c.sets...), spec(t, c.kind, c.text, c.sets...)
		p1, err1 := MakePlan(first, testEnvironment)
		p2, err2 := MakePlan(second, testEnvironment)
		other := testEnvironment
		other.RunID, other.Python = "other", "/other"
		_, err3 := MakePlan(second, other)
		p4, err4 := MakePlan(second, testEnvironment)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatal(err1, err2, err3, err4)
		}
		if !reflect.DeepEqual(p1, p2) || !reflect.DeepEqual(p2, p4) {
			t.Errorf("%s: plans of equal jobs differ", c.name)
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: MakePlan changed its Spec", c.name)
		}
	}
}

func TestPlanRefusesBadEnvironment(t *testing.T) {
	s := spec(t, Train, digits)
	for name, change := range map[string]func(*Environment){
		"no run id":        func(e *Environment) { e.RunID = "" },
		"run id with path": func(e *Environment) { e.RunID = "../x" },
		"scratch":          func(e *Environment) { e.Scratch = "tmp" },
		"record":           func(e *Environment) { e.Record = "" },
	} {
		env := testEnvironment
		change(&env)
		if _, err := MakePlan(s, env); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
