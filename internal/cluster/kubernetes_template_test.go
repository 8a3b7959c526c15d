package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// TestPodTemplates: what others give Spark as a template, and what Spark's client (fabric8 6.7) made
// of each.
func TestPodTemplates(t *testing.T) {
	const head = "apiVersion: v1\nkind: Pod\n"
	for _, test := range []struct{ name, text, want string }{
		{"Spark's documentation", head + "metadata:\n  labels:\n    template-label-key: value\nspec:\n  containers:\n  - name: test-driver-container\n    image: will-be-overwritten\n", ""},
		{"EMR on EKS", head + "metadata: {name: taxi, namespace: team}\nspec:\n  volumes: [{name: spark-local-dir-1, hostPath: {path: /local1, type: Directory}}]\n" +
			"  containers:\n  - name: spark-kubernetes-executor # do not change\n    volumeMounts: [{name: spark-local-dir-1, mountPath: /data1, readOnly: false}]\n", ""},
		{"no kind, no containers", "spec:\n  nodeSelector: {pool: expensive}\n  initContainers:\n  - {name: permission-init, image: 'alpine:3.16.0', command: [sh, -c, chmod 777 /data]}\n", ""},
		{"JSON", `{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "main"}]}}`, ""},
		{"a comment before the document", "# by the platform team\n\n---\n" + head + "spec: {containers: []}\n---\n", ""},
		{"a Deployment", "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 1}\n", "kind is Deployment: must be Pod"},
		{"a PodTemplate", "apiVersion: v1\nkind: PodTemplate\ntemplate: {spec: {containers: [{name: a}]}}\n", "kind is PodTemplate: must be Pod"},
		{"two pods", head + "---\n" + head, "2 documents: must be one pod"},
		{"nothing", "", "0 documents: must be one pod"},
		{"tabs", head + "spec:\n\tcontainers: []\n", "yaml: line"},
		{"no list", head + "spec: {containers: {name: a}}\n", "cannot unmarshal"},
	} {
		path := filepath.Join(t.TempDir(), "template.yaml")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, "file://" + path, "file:" + path} {
			err := checkTemplates(map[string]string{"spark.kubernetes.executor.podTemplateFile": name})
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.name, err, test.want)
			}
		}
	}
	if err := checkTemplates(map[string]string{"spark.kubernetes.driver.podTemplateFile": "s3a://bucket/none.yaml"}); err != nil {
		t.Errorf("a template on a store: %v", err)
	}
	_, k := serveAPI(t)
	k.conf["spark.kubernetes.driver.podTemplateFile"] = "/none/driver.yaml"
	err := k.Reach(t.Context())
	if want := "spark.kubernetes.driver.podTemplateFile: open /none/driver.yaml: no such file"; err == nil || !strings.Contains(err.Error(), want) || exit.CodeOf(err, exit.Internal) != exit.NoSpark {
		t.Errorf("no template: %v, want exit 3 with %s", err, want)
	}
}
