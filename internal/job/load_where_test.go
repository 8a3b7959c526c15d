package job

import (
	"encoding/json"
	"testing"
)

// Every master of Spark's and the run without Spark stand for a place of the
// table, and plan.json says of each whether members run on the driver's machine.
func TestWhere(t *testing.T) {
	seen := map[Where]bool{}
	for _, c := range []struct {
		set         string
		want        Where
		local       string // in plan.json
		thisMachine bool
	}{
		{"local=true", ThisMachine, "true", true},
		{"spark.master='local[4]'", SparkLocal, "true", true},
		{"read_by=executor", LocalCluster, "false", true},
		{"spark.master='local-cluster[1,3,1024]'", LocalCluster, "false", true},
		{"spark.master=spark://127.0.0.1:7077", Standalone, "false", false},
		{"spark.master=yarn", YARN, "false", false},
		{"spark.master=k8s://https://h:1", Kubernetes, "false", false},
		{"spark.master=mesos://h:1", Mesos, "false", false},
	} {
		s := spec(t, Infer, inferBase, c.set)
		text, err := json.Marshal(s.Where())
		if got := s.Where(); got != c.want || string(text) != c.local || got.ThisMachine() != c.thisMachine || err != nil {
			t.Errorf("%s: %s, local %s, this machine %t, %v", c.set, got, text, got.ThisMachine(), err)
		}
		if s.Where().Spark() != (c.want != ThisMachine) || s.InCluster() {
			t.Errorf("%s: Spark %t, in cluster %t", c.set, s.Where().Spark(), s.InCluster())
		}
		seen[s.Where()] = true
	}
	for where := range placeOf {
		if !seen[where] {
			t.Errorf("no master stands for %s", where)
		}
	}
}
