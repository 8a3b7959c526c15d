package kube

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// serviceAccount is where a pod finds its credentials.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Config says which API server is asked, and as whom. Spark looks in the same places: its own
// settings, then a kubeconfig, then the service account of the pod it runs in.
type Config struct {
	Master string            // a spark.master, k8s://…
	Conf   map[string]string // Spark's settings; those of spark.kubernetes are read
	Getenv func(string) string
	// Account is the folder of a pod's service account; "": the usual one.
	Account string
}

// Open finds the server and the credentials. It reads files only, and sends nothing.
func Open(c Config) (*Client, error) {
	server, err := parseMaster(c.Master)
	if err != nil {
		return nil, err
	}
	who, err := c.identity()
	if err != nil {
		return nil, err
	}
	if err := c.override(&who); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: who.roots, InsecureSkipVerify: who.insecure,
			GetClientCertificate: who.certificate},
		Proxy:               c.proxy(),
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     time.Minute,
	}
	return &Client{server: server, namespace: c.Namespace(), who: who, http: &http.Client{Transport: transport}}, nil
}

// Namespace is where the run's pods are. Spark does not take it from a kubeconfig.
func (c Config) Namespace() string {
	if name := c.Conf["spark.kubernetes.namespace"]; name != "" {
		return name
	}
	return "default"
}

// HostPort returns the address of the API server that a spark.master (k8s://…) names.
func HostPort(master string) (string, error) {
	u, err := parseMaster(master)
	if err != nil {
		return "", err
	}
	return hostPort(u), nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// parseMaster returns the URL of a master: https where it does not say.
func parseMaster(master string) (*url.URL, error) {
	text := strings.TrimPrefix(master, "k8s://")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("kube: %s: must be k8s://https://host:port", master)
	}
	return u, nil
}

// identity is that of the kubeconfig; without one, or without a context that it names as the
// current one, of the pod's service account; else none.
func (c Config) identity() (identity, error) {
	path, named := c.kubeconfig()
	why := "there is no kubeconfig"
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		who, err := readKubeconfig(path, text, c.Conf["spark.kubernetes.context"])
		if !errors.Is(err, errNoContext) {
			return who, err
		}
		why = "kubeconfig " + path + " has no current-context: choose one by spark.kubernetes.context, or kubectl config use-context"
	case named || !errors.Is(err, fs.ErrNotExist):
		return identity{}, fmt.Errorf("kube: kubeconfig: %w", err)
	}
	account := c.Account
	if account == "" {
		account = serviceAccount
	}
	token := filepath.Join(account, "token")
	if _, err := os.Stat(token); err != nil {
		return identity{name: "nobody", hint: why}, nil
	}
	who := identity{name: "the service account of this pod", token: tokenFile(token)}
	who.roots, err = readRoots(filepath.Join(account, "ca.crt"))
	return who, err
}

// kubeconfig is the file that Spark reads: the first of KUBECONFIG. named: it must be there.
func (c Config) kubeconfig() (path string, named bool) {
	if list := filepath.SplitList(c.Getenv("KUBECONFIG")); len(list) > 0 && list[0] != "" {
		return list[0], true
	}
	return filepath.Join(c.Getenv("HOME"), ".kube", "config"), false
}

// override applies Spark's own settings of credentials, which it reads in client mode; those
// of its submission in cluster mode have a name of their own.
func (c Config) override(who *identity) error {
	setting := func(name string) string {
		if value := c.Conf["spark.kubernetes.authenticate.submission."+name]; value != "" {
			return value
		}
		return c.Conf["spark.kubernetes.authenticate."+name]
	}
	var err error
	if path := setting("caCertFile"); path != "" {
		if who.roots, err = readRoots(path); err != nil {
			return err
		}
	}
	if path := setting("clientCertFile"); path != "" {
		who.name = "spark.kubernetes.authenticate"
		who.certificate = certificateFiles(path, setting("clientKeyFile"))
	}
	if token := setting("oauthToken"); token != "" {
		who.name = "spark.kubernetes.authenticate"
		who.token = fixedToken(token)
	}
	if path := setting("oauthTokenFile"); path != "" {
		who.name = "spark.kubernetes.authenticate"
		who.token = tokenFile(path)
	}
	if c.Conf["spark.kubernetes.trust.certificates"] == "true" {
		who.insecure = true
	}
	return nil
}

// proxy is the environment's.
func (c Config) proxy() func(*http.Request) (*url.URL, error) {
	either := func(name string) string {
		if value := c.Getenv(name); value != "" {
			return value
		}
		return c.Getenv(strings.ToLower(name))
	}
	env := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	choose := env.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}

func readRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("kube: certificate of the API server's authority: %w", err)
	}
	return parseRoots(text, path)
}

func parseRoots(text []byte, where string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("kube: %s: no certificate in it (PEM)", where)
	}
	return pool, nil
}
