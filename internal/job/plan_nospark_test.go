package job

import (
	"errors"
	"slices"
	"testing"

	"tfos/internal/node"
)

// Without Spark one member has the machine, unless the job says how much of it.
func TestNoSparkCores(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want int
	}{
		{[]string{"cluster_size=3"}, 4},
		{[]string{"resources.worker.cores=1"}, 1},
		{[]string{"resources.worker.cores=9"}, 9},
	} {
		p, err := MakePlan(spec(t, Infer, inferBase, append(c.sets, "local=true")...), testEnvironment)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Node.Roles["worker"]; got.Cores != c.want || len(p.Reserve.Members) != 1 || p.Reserve.Infer.Tasks != c.want {
			t.Errorf("%v: %d cores, %d members, %d tasks", c.sets, got.Cores, len(p.Reserve.Members), p.Reserve.Infer.Tasks)
		}
	}
}

// What only Spark reads is refused by the key that asks for it.
func TestNoSparkReads(t *testing.T) {
	const rule = ": needs Spark: it does not apply to local: true"
	for set, want := range map[string]string{
		"input={table: t}":      "input.table: t" + rule,
		"input={sql: select 1}": "input.sql: select 1" + rule,
		"read_by=spark":         "read_by: spark" + rule,
	} {
		faults := faultsOf(Infer, inferBase, "local=true", set)
		if !slices.ContainsFunc(faults, func(f Fault) bool { return plain(f) == want && !errors.Is(f, ErrUnsupported) }) {
			t.Errorf("%s: no %q in %v", set, want, faults)
		}
	}
	if faults := faultsOf(Infer, inferBase, "local=true", "read_by=executor"); len(faults) > 0 {
		t.Error(faults)
	}
}

// A job for a cluster runs here as it is: its keys for Spark are right, and
// left aside.
func TestNoSparkOfClusterJob(t *testing.T) {
	const cluster = inferBase + "local: true\nspark: {master: 'mesos://h:1', deploy_mode: cluster, home: /none, conf: {spark.pyspark.python: /none/python}}\n"
	s := spec(t, Infer, cluster)
	if err := s.Submittable(); err != nil {
		t.Error(err)
	}
	if s.Local = false; s.Submittable() == nil {
		t.Error("cluster mode can be submitted")
	}
	s.Local = true
	if len(s.Warnings()) > 0 {
		t.Error(s.Warnings())
	}
	p, err := MakePlan(s, testEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	want := node.ChildConfig{Kind: "engine", Interpreter: "/venv/bin/python", Engine: "tfos-engine"}
	if got := p.Node.Child; got.Kind != want.Kind || got.Interpreter != want.Interpreter || got.Engine != want.Engine {
		t.Errorf("child %+v", got)
	}
	env := testEnvironment
	env.Python = ""
	if p, err = MakePlan(s, env); err != nil || p.Node.Child.Interpreter != "python3" {
		t.Errorf("without a Python in use: %q, %v", p.Node.Child.Interpreter, err)
	}
	s = spec(t, Infer, inferBase, "local=true", "resources.worker.memory=4g")
	if w := s.Warnings(); len(w) != 1 || plain(w[0]) != "resources.worker.memory: is not enforced without Spark" {
		t.Error(w)
	}
}
