package kube_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/kube"
)

// reading is what a kubeconfig of testdata/kubeconfigs says of its current context. read.json has
// that of each. test_kubernetes_files.py compares it with what Spark's client reads.
type reading struct {
	Authority   bool     // of the API server's certificate
	Certificate bool     // of the client
	Insecure    bool     // no authority is needed
	Token       string   // "": none
	Hint        []string // of a refusal: what the file has and Spark does not read
}

// TestKubeconfigsOfOthers: files as kind, minikube, clouds, OpenShift and Rancher write them.
func TestKubeconfigsOfOthers(t *testing.T) {
	text, err := os.ReadFile("testdata/kubeconfigs/read.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]reading
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/kubeconfigs/*.yaml")
	if err != nil || len(files) != len(all) {
		t.Fatalf("%d files, and read.json has %d (%v)", len(files), len(all), err)
	}
	pluginsOnPath(t, "aws", "aws-iam-authenticator", "gke-gcloud-auth-plugin", "kubelogin", "doctl", "rancher", "tsh")
	t.Setenv("AWS_PROFILE", "")
	for name, want := range all {
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) { checkReading(t, name, want) })
	}
}

func pluginsOnPath(t *testing.T, names ...string) {
	t.Helper()
	plugin, err := filepath.Abs("testdata/kubeconfigs/plugin")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(plugin, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func checkReading(t *testing.T, name string, want reading) {
	start := (*httptest.Server).StartTLS
	if !want.Authority && !want.Insecure {
		start = (*httptest.Server).Start
	}
	server, asked := serve(t, start)
	client, err := kube.Open(kube.Config{Master: "k8s://" + server.URL, Account: t.TempDir(),
		Getenv: environment(map[string]string{"KUBECONFIG": filled(t, name, server)})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(t.Context(), "a=b"); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(asked.Header.Get("Authorization"), "Bearer ")
	if token != want.Token {
		t.Errorf("asked as %q, want %q", token, want.Token)
	}
	if asked.TLS != nil && (len(asked.TLS.PeerCertificates) > 0) != want.Certificate {
		t.Errorf("asked with %d certificates", len(asked.TLS.PeerCertificates))
	}
	err = client.TryCreate(t.Context(), nil)
	for _, hint := range want.Hint {
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("a refusal does not say %q: %v", hint, err)
		}
	}
	if len(want.Hint) == 0 && (err == nil || strings.Contains(err.Error(), "Spark")) {
		t.Errorf("refused: %v", err)
	}
}

// filled is a file of testdata/kubeconfigs with the server's certificate as its authority and its
// client certificate.
func filled(t *testing.T, name string, server *httptest.Server) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	var certificate, key []byte
	if server.Certificate() != nil {
		pair := server.TLS.Certificates[0]
		certificate = authority(server)
		der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	folder := t.TempDir()
	for name, text := range map[string][]byte{"authority.crt": certificate, "client.crt": certificate, "client.key": key} {
		write(t, filepath.Join(folder, name), string(text))
	}
	data := base64.StdEncoding.EncodeToString
	fill := strings.NewReplacer("AUTHORITY", data(certificate), "CERTIFICATE", data(certificate), "KEY", data(key))
	return write(t, filepath.Join(folder, "config"), fill.Replace(string(text)))
}

// opened is a client with the credentials of a plugin, which is a shell script.
func opened(t *testing.T, script string) *kube.Client {
	t.Helper()
	server, _ := served(t)
	plugin := write(t, filepath.Join(t.TempDir(), "plugin"), "#!/bin/sh\n"+script)
	config := kubeconfigOf(t, server, `{exec: {apiVersion: client.authentication.k8s.io/v1, installHint: "ask the\n team", command: `+plugin+`}}`, "")
	client, err := kube.Open(kube.Config{Master: "k8s://" + server.URL, Getenv: environment(map[string]string{"KUBECONFIG": config})})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const answerOfPlugin = `echo '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "secret"}}'` + "\n"

func TestPluginsThatFail(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"an end with an error", "echo sign in first >&2; exit 3", "exit status 3: sign in first ask the team"},
		{"an older version", strings.Replace(answerOfPlugin, "v1", "v1beta1", 1), `answers with apiVersion "client.authentication.k8s.io/v1beta1", and the kubeconfig has "client.authentication.k8s.io/v1"`},
		{"a warning before the answer", "echo python is old >&2\n" + answerOfPlugin, "no ExecCredential (Spark reads standard output and standard error together)"},
		{"no credential", strings.Replace(answerOfPlugin, "token", "kind", 1), "no token and no certificate"},
	} {
		err := opened(t, test.script).Login(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want one with %q", test.name, err, test.want)
		}
	}
	if err := opened(t, answerOfPlugin+"echo python is old >&2").Login(t.Context()); err != nil {
		t.Errorf("a warning after the answer: %v", err)
	}
}

// TestSlowPlugin: a plugin may take longer than a request waits, and is not run anew for each.
func TestSlowPlugin(t *testing.T) {
	folder := t.TempDir()
	client := opened(t, "echo x >> "+folder+"/runs\nwhile [ ! -e "+folder+"/go ]; do sleep 0.01; done\n"+answerOfPlugin)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := client.List(ctx, "a=b"); err == nil || !strings.Contains(err.Error(), "has not answered yet") {
			t.Errorf("a request whose plugin has not answered: %v", err)
		}
		cancel()
	}
	write(t, filepath.Join(folder, "go"), "")
	if _, err := client.List(t.Context(), "a=b"); err != nil {
		t.Error(err)
	}
	if runs, err := os.ReadFile(filepath.Join(folder, "runs")); err != nil || string(runs) != "x\n" {
		t.Errorf("the plugin ran %q, want once (%v)", runs, err)
	}
}

// TestOneFileIsMissing: a kubeconfig that names a file that is not there is not one that is not
// there itself.
func TestOneFileIsMissing(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/kubeconfigs/minikube.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".kube", "config"), string(text))
	_, err = kube.Open(kube.Config{Master: "k8s://h", Getenv: environment(map[string]string{"HOME": home})})
	if err == nil || !strings.Contains(err.Error(), "certificate-authority: open "+home) {
		t.Errorf("a kubeconfig whose authority is not there: %v", err)
	}
}

func TestHostPort(t *testing.T) {
	for master, want := range map[string]string{
		"k8s://https://api.example:6443": "api.example:6443", "k8s://https://rancher.example/k8s/clusters/c-m-a": "rancher.example:443",
		"k8s://[fd00::1]:6443": "[fd00::1]:6443", "k8s://api.example": "api.example:443", "k8s://http://localhost:8001": "localhost:8001", "k8s://http://proxy": "proxy:80",
	} {
		if got, err := kube.HostPort(master); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %s", master, got, err, want)
		}
	}
	if got, err := kube.HostPort("k8s://"); err == nil {
		t.Errorf("a master without a host: %q", got)
	}
}
