package job

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The driver reads plans of the version that this package writes.
func TestPlanVersion(t *testing.T) {
	start, err := os.ReadFile("../../scripts/tfos/start.py")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("\nPLAN_VERSION = %d ", PlanVersion); !strings.Contains(string(start), want) {
		t.Errorf("start.py has no %q", want)
	}
}

// What Quote writes, a shell reads back.
// TestKeys: two runs of one id are two at the cluster manager, if their records are not the same.
func TestKeys(t *testing.T) {
	const cluster = "spark.deploy_mode=cluster"
	keys := map[string]string{}
	for _, c := range []struct{ name, host, record, sets, same string }{
		{"one", "h", "/r/x", "", ""},
		{"on another host", "i", "/r/x", "", ""},
		{"of another user", "h", "/s/x", "", ""},
		{"in the cluster", "h", "/r/x", cluster + " spark.record_dir=hdfs://n/r", ""},
		{"by another launcher", "i", "/s/x", cluster + " spark.record_dir=hdfs://n/r", "in the cluster"},
		{"of another job", "h", "/r/x", cluster + " spark.record_dir=hdfs://n/s", ""},
	} {
		for _, master := range []string{"yarn", "k8s://https://h:6443"} {
			env := testEnvironment
			env.Host, env.Record = c.host, c.record
			p, err := MakePlan(spec(t, Train, base(Train), append(strings.Fields(c.sets), "spark.master="+master, "model_dir=hdfs://n/m")...), env)
			if err != nil {
				t.Fatal(err)
			}
			key := p.Submission.Conf["spark.yarn.tags"] + p.Submission.Conf["spark.kubernetes.executor.label.tfos-run"]
			if other := keys[key]; other != c.same {
				t.Errorf("%s of %s: the key of %q", c.name, master, other)
			}
			if c.same == "" {
				keys[key] = c.name
			}
		}
	}
}

func TestQuoteRoundTrip(t *testing.T) {
	argv := []string{"plain", "", "two words", "it's", `back\slash`, "$HOME `x` \"y\"", "*?[a]~", "new\nline", "--conf", "a=b c", "ünïcode", "!x"}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+Quote(argv, false)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, argv) {
		t.Errorf("%q", got)
	}
}

func TestQuoteMasks(t *testing.T) {
	argv := []string{
		"--conf", "spark.my.password=p1", "--conf", "spark.SECRET=p2", "--conf", "spark.hadoop.fs.s3a.access.key=p3",
		"--conf", "spark.authToken=p4", "--conf", "spark.x.credentials=p5", "--conf", "spark.java=-Dx.password=p6",
		"--master", "mesos://u:p7@h:5050", "--conf", "spark.plain=v", "token=v",
	}
	got := Quote(argv, true)
	for i := range 7 {
		if strings.Contains(got, "p"+string(rune('1'+i))) {
			t.Errorf("p%d is shown: %s", i+1, got)
		}
	}
	for _, want := range []string{"spark.plain=v", "token=v", "'spark.my.password=***'", "mesos://u:***@h:5050"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if plain := Quote(argv, false); !strings.Contains(plain, "spark.my.password=p1") {
		t.Errorf("masked without being asked: %s", plain)
	}
}

func TestQuotaRows(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want map[string]int64
	}{
		{nil, nil},
		{[]string{"steps=7", "cluster_size=3", "batch_size=10"}, map[string]int64{"worker:0": 30, "worker:1": 20, "worker:2": 20}},
		{[]string{"steps=6", "cluster_size=3", "batch_size=10"}, map[string]int64{"worker:0": 20, "worker:1": 20, "worker:2": 20}},
		{[]string{"steps=7", "cluster_size=3", "batch_size=10", "strategy=all_reduce"}, map[string]int64{"worker:0": 70, "worker:1": 70, "worker:2": 70}},
		{[]string{"steps=7", "cluster_size=3", "batch_size=10", "strategy=all_reduce", "chief=true"}, map[string]int64{"chief:0": 70, "worker:0": 70, "worker:1": 70}},
		{[]string{"steps=7", "cluster_size=3", "batch_size=10", "strategy=parameter_server", "num_ps=1"}, map[string]int64{"worker:0": 40, "worker:1": 30}},
		// The chief schedules the steps of all workers.
		{[]string{"steps=7", "cluster_size=4", "batch_size=10", "strategy=parameter_server", "num_ps=1", "chief=true"}, map[string]int64{"chief:0": 70}},
	} {
		if got := spec(t, Train, trainBase, c.sets...).quota(); !maps.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.sets, got, c.want)
		}
	}
}

func TestInterpreter(t *testing.T) {
	for _, c := range []struct {
		name      string
		sets      []string
		pyspark   string
		program   string
		sparkConf string
	}{
		{"here", nil, "", "/venv/bin/python", "/venv/bin/python"},
		{"PYSPARK_PYTHON", nil, "/env/python", "/env/python", "/env/python"},
		{"remote", []string{"spark.master=yarn"}, "", "python3", ""},
		{"remote, PYSPARK_PYTHON", []string{"spark.master=yarn"}, "/env/python", "/env/python", "/env/python"},
		{"conf", []string{"spark.conf.spark.pyspark.python=/conf/python"}, "/env/python", "/conf/python", "/conf/python"},
		{"key", []string{"app.python.interpreter=/key/python", "spark.conf.spark.pyspark.python=/conf/python"}, "", "/key/python", "/conf/python"},
	} {
		env := testEnvironment
		env.PysparkPython = c.pyspark
		p, err := MakePlan(spec(t, Train, trainBase, c.sets...), env)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Node.Child.Interpreter; got != c.program {
			t.Errorf("%s: program runs with %q, want %q", c.name, got, c.program)
		}
		if got := p.Submission.Conf["spark.pyspark.python"]; got != c.sparkConf {
			t.Errorf("%s: spark.pyspark.python is %q, want %q", c.name, got, c.sparkConf)
		}
		if got := p.Submission.Conf["spark.pyspark.driver.python"]; got != "/venv/bin/python" {
			t.Errorf("%s: the driver runs with %q", c.name, got)
		}
	}
}

func TestChunkRows(t *testing.T) {
	for batch, want := range map[string]int{"batch_size=1": 32, "batch_size=32": 32, "batch_size=500": 500} {
		if got := spec(t, Train, trainBase, batch).feeds()[0].ChunkRows; got != want {
			t.Errorf("%s: %d rows a chunk, want %d", batch, got, want)
		}
	}
}

// How many members lie on an executor: never two, where tfos can help it.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		sets            []string
		cores, taskCPUs int
		heapMiB         int64
		slots           int
	}{
		{nil, 3, 2, 1024, 2},
		{[]string{"resources.worker.cores=2"}, 3, 2, 1024, 2},
		{[]string{"input_mode=tensorflow"}, 1, 1, 1024, 2},
		{[]string{"spark.master=local-cluster[2,2,1024]"}, 2, 1, 1024, 2},
		{[]string{"spark.master=local-cluster[2,3,1024]"}, 3, 2, 1024, 2},
		{[]string{"spark.master=local-cluster[2,6,2048]"}, 3, 2, 1024, 4},
		{[]string{"spark.master=local-cluster[2,6,2047]"}, 3, 2, 1024, 2},
		{[]string{"spark.master=local-cluster[2,6,2048]", "spark.conf.spark.executor.memory=2048"}, 3, 2, 2048, 2},
		{[]string{"spark.conf.spark.executor.memory=1500k"}, 3, 2, 2, 2},
		{[]string{"spark.conf.spark.executor.memory=2g"}, 3, 2, 2048, 2},
		{[]string{"spark.master=local[3]"}, 0, 1, 1024, 2},
		{[]string{"spark.master=local[2]", "input_mode=tensorflow"}, 0, 1, 1024, 2},
		{[]string{"spark.master=local[*]"}, 0, 1, 1024, -1},
		{[]string{"spark.master=spark://h:7077"}, 2, 1, 1024, -1},
	} {
		l := spec(t, Train, trainBase, c.sets...).layout()
		if l.executorCores != c.cores || l.taskCPUs != c.taskCPUs || l.heapMiB != c.heapMiB || l.slots != c.slots {
			t.Errorf("%v: %+v", c.sets, l)
		}
	}
}
