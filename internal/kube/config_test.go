package kube_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/kube"
)

// served is an API server that answers every request with an empty list, and says who asked. It
// takes credentials of nobody who creates something.
func served(t *testing.T) (server *httptest.Server, asked *http.Request) {
	return serve(t, (*httptest.Server).StartTLS)
}

func serve(t *testing.T, start func(*httptest.Server)) (server *httptest.Server, asked *http.Request) {
	asked = &http.Request{}
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		*asked = *r
		fmt.Fprint(w, `{"metadata": {}, "items": []}`)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	start(server)
	t.Cleanup(server.Close)
	return server, asked
}

// authority is the server's certificate, for a kubeconfig.
func authority(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// environment is a Getenv.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubeconfigOf is a kubeconfig with one context, whose user is given as YAML of one line.
func kubeconfigOf(t *testing.T, server *httptest.Server, user, cluster string) string {
	t.Helper()
	text := fmt.Sprintf(`
current-context: here
contexts: [{name: here, context: {cluster: c, user: u, namespace: ignored}}]
clusters: [{name: c, cluster: {server: "https://elsewhere:1", certificate-authority-data: %s%s}}]
users: [{name: u, user: %s}]
`, base64.StdEncoding.EncodeToString(authority(server)), cluster, user)
	return write(t, filepath.Join(t.TempDir(), "config"), text)
}

func TestWhoAsks(t *testing.T) {
	server, asked := served(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "token"), "of-a-file\n")
	plugin := write(t, filepath.Join(folder, "plugin"), "#!/bin/sh\n"+`echo x >> `+folder+`/runs
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "'$PREFIX'-of-a-plugin", "expirationTimestamp": "2999-01-01T00:00:00Z"}}'
`)
	exec := func(more string) string {
		return `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ` + plugin + `, env: [{name: PREFIX, value: token}]` + more + `}}`
	}
	for _, test := range []struct {
		name, user string
		conf       map[string]string
		want       string // the header Authorization
	}{
		{"token", `{token: abc}`, nil, "Bearer abc"},
		{"Spark reads no tokenFile", `{tokenFile: ` + folder + `/token, token: old}`, nil, "Bearer old"},
		{"a plugin beside a token", strings.TrimSuffix(exec(""), "}") + `, token: old}`, nil, "Bearer token-of-a-plugin"},
		{"plugin", exec(""), nil, "Bearer token-of-a-plugin"},
		{"basic", `{username: u, password: p}`, nil, "Basic dTpw"},
		{"nobody", `{}`, nil, ""},
		{"Spark's token", `{token: abc}`, map[string]string{"spark.kubernetes.authenticate.oauthToken": "spark"}, "Bearer spark"},
		{"Spark's token file", `{token: abc}`, map[string]string{"spark.kubernetes.authenticate.submission.oauthTokenFile": folder + "/token"}, "Bearer of-a-file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := kubeconfigOf(t, server, test.user, "")
			client, err := kube.Open(kube.Config{Master: "k8s://" + server.URL, Conf: test.conf, Getenv: environment(map[string]string{"KUBECONFIG": config})})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := client.List(t.Context(), "tfos-run=r"); err != nil {
					t.Fatal(err)
				}
			}
			if got := asked.Header.Get("Authorization"); got != test.want {
				t.Errorf("asked as %q, want %q", got, test.want)
			}
			if got := asked.URL.String(); got != "/api/v1/namespaces/default/pods?labelSelector=tfos-run%3Dr" {
				t.Errorf("asked for %s", got)
			}
		})
	}
	if runs, err := os.ReadFile(filepath.Join(folder, "runs")); err != nil || len(runs) != 2*2 {
		t.Errorf("the plugin ran %d times for two requests of each of two clients, want twice (%v)", len(runs)/2, err)
	}
}

func TestInsideAPod(t *testing.T) {
	server, asked := served(t)
	account := t.TempDir()
	write(t, filepath.Join(account, "token"), "first")
	write(t, filepath.Join(account, "ca.crt"), string(authority(server)))
	client, err := kube.Open(kube.Config{
		Master: "k8s://" + strings.TrimPrefix(server.URL, "https://"), // https is understood
		Conf:   map[string]string{"spark.kubernetes.namespace": "team"},
		Getenv: environment(map[string]string{"HOME": t.TempDir()}), Account: account})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"first", "second"} { // the kubelet renews it
		write(t, filepath.Join(account, "token"), token)
		if _, err := client.List(t.Context(), "a=b"); err != nil {
			t.Fatal(err)
		}
		if got := asked.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("asked as %q, want %s", got, token)
		}
	}
	if !strings.HasPrefix(asked.URL.Path, "/api/v1/namespaces/team/") {
		t.Errorf("asked for %s", asked.URL)
	}
}

func TestProxy(t *testing.T) {
	server, _ := served(t)
	var through string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	for name, test := range map[string]struct {
		cluster string
		env     map[string]string
		want    string
	}{
		"environment":      {"", map[string]string{"HTTPS_PROXY": proxy.URL}, "CONNECT api.example:443"},
		"not Spark's":      {", proxy-url: " + proxy.URL, map[string]string{"no_proxy": "api.example"}, ""},
		"not for this one": {"", map[string]string{"https_proxy": proxy.URL, "no_proxy": "api.example"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			through = ""
			env := map[string]string{"KUBECONFIG": kubeconfigOf(t, server, "{token: t}", test.cluster)}
			for key, value := range test.env {
				env[key] = value
			}
			client, err := kube.Open(kube.Config{Master: "k8s://https://api.example", Getenv: environment(env)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := client.List(ctx, "a"); err == nil {
				t.Error("an answer without a server")
			}
			if through != test.want {
				t.Errorf("the proxy was asked for %q, want %q", through, test.want)
			}
		})
	}
}

func TestRefusedConfigs(t *testing.T) {
	server, _ := served(t)
	exec := `{exec: {command: p, apiVersion: client.authentication.k8s.io/`
	for _, test := range []struct{ user, context, want string }{
		{`{auth-provider: {name: gcp}}`, "", "user u: auth-provider gcp has no access-token and no id-token"},
		{`{token: t, as: somebody}`, "", "impersonation"},
		{`{exec: {command: p}}`, "", "no apiVersion: must be client.authentication.k8s.io/v1"},
		{exec + `v1, interactiveMode: Always}}`, "", "terminal"},
		{`{client-certificate-data: "bm8= bm8="}`, "", "user u: client-certificate-data: illegal base64"},
		{`{client-certificate: none.crt}`, "", "none.crt"},
		{`{token: t}`, "missing", `no context "missing", but ["here"]`},
	} {
		env := map[string]string{"KUBECONFIG": kubeconfigOf(t, server, test.user, "")}
		_, err := kube.Open(kube.Config{Master: "k8s://" + server.URL, Getenv: environment(env),
			Conf: map[string]string{"spark.kubernetes.context": test.context}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("user %s: %v, want one with %q", test.user, err, test.want)
		}
	}
	for master, want := range map[string]string{"k8s://": "must be k8s://https://host:port", "k8s://ftp://h": "must be"} {
		if _, err := kube.Open(kube.Config{Master: master, Getenv: environment(nil)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", master, err)
		}
	}
	_, err := kube.Open(kube.Config{Master: "k8s://h", Getenv: environment(map[string]string{"KUBECONFIG": "/none/here"})})
	if err == nil || !strings.Contains(err.Error(), "/none/here") {
		t.Errorf("a kubeconfig that is not there: %v", err)
	}
}
