package kube_test

import (
	"encoding/json"
	"testing"

	"tfos/internal/kube"
)

// TestPodsWithSidecars: pod templates and policies of others (service meshes, shippers of logs)
// add containers beside Spark's, which decides how the pod ends.
func TestPodsWithSidecars(t *testing.T) {
	const ended, killed, runs = `{"terminated": {"exitCode": 0, "reason": "Completed"}}`, `{"terminated": {"exitCode": 137, "reason": "OOMKilled"}}`, `{"running": {}}`
	const proxyEnded = `{"terminated": {"exitCode": 143, "reason": "Error"}}`
	for _, test := range []struct {
		name, phase, spark, proxy, native string
		outcome, death                    string
		code                              int
		memory                            bool
	}{
		{"both run", "Running", runs, runs, runs, "", "", 0, false},
		{"the proxy has died", "Running", runs, proxyEnded, runs, "", "", 0, false},
		{"Spark has ended well, and the proxy runs", "Running", ended, runs, runs, "Succeeded", "", 0, false},
		{"Spark has ended well, and the proxy was stopped", "Failed", ended, proxyEnded, runs, "Succeeded", "", 0, false},
		{"the native proxy was stopped", "Succeeded", ended, ended, proxyEnded, "Succeeded", "", 0, false},
		{"Spark was killed, and the proxy runs", "Running", killed, runs, runs, "Failed",
			"OOMKilled: a process of container spark used more than its memory limit of 1Gi (exit code 137)", 137, true},
		{"both were ended", "Failed", killed, proxyEnded, proxyEnded, "Failed",
			"OOMKilled: a process of container spark used more than its memory limit of 1Gi (exit code 137)", 137, true},
		{"Spark has not begun", "Failed", `{"waiting": {"reason": "PodInitializing"}}`, `{"waiting": {}}`, `{"terminated": {"exitCode": 1, "reason": "Error"}}`,
			"Failed", "container native ended with exit code 1", 1, false},
	} {
		text := `{"spec": {"containers": [
			{"name": "proxy", "env": [{"name": "PATH"}]},
			{"name": "spark", "env": [{"name": "SPARK_USER"}, {"name": "SPARK_APPLICATION_ID"}], "resources": {"limits": {"memory": "1Gi"}}}]},
			"status": {"phase": "` + test.phase + `", "initContainerStatuses": [{"name": "native", "state": ` + test.native + `}],
			"containerStatuses": [{"name": "proxy", "state": ` + test.proxy + `}, {"name": "spark", "state": ` + test.spark + `}]}}`
		var pod kube.Pod
		if err := json.Unmarshal([]byte(text), &pod); err != nil {
			t.Fatal(err)
		}
		if pod.Own() != "spark" || pod.Outcome() != test.outcome || pod.Death() != test.death || pod.ExitCode() != test.code || pod.OutOfMemory() != test.memory {
			t.Errorf("%s: %s, %q, %q, exit code %d, memory %t", test.name, pod.Own(), pod.Outcome(), pod.Death(), pod.ExitCode(), pod.OutOfMemory())
		}
		pod.Status.Phase, pod.Status.Reason, pod.Status.Message = "Failed", "Evicted", "the node was low on disk"
		if pod.Outcome() != "Failed" || pod.Death() != "Evicted: the node was low on disk" {
			t.Errorf("%s, evicted: %q, %q", test.name, pod.Outcome(), pod.Death())
		}
	}
}
