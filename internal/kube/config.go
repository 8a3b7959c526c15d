package kube

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
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
	server, err := c.server()
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
		TLSClientConfig: &tls.Config{RootCAs: who.roots, ServerName: who.serverName, InsecureSkipVerify: who.insecure,
			GetClientCertificate: who.certificate},
		Proxy:               c.proxy(who.proxy),
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

// server is the URL of a master: https where it does not say.
func (c Config) server() (*url.URL, error) {
	text := strings.TrimPrefix(c.Master, "k8s://")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("kube: %s: must be k8s://https://host:port", c.Master)
	}
	return u, nil
}

// identity is that of the kubeconfig; without one, of the pod's service account; else none.
func (c Config) identity() (identity, error) {
	path, named := c.kubeconfig()
	who, err := readKubeconfig(path, c.Conf["spark.kubernetes.context"], c.Getenv)
	if !errors.Is(err, fs.ErrNotExist) || named {
		return who, err
	}
	account := c.Account
	if account == "" {
		account = serviceAccount
	}
	token := filepath.Join(account, "token")
	if _, err := os.Stat(token); err != nil {
		return identity{name: "nobody: there is no kubeconfig, and no service account"}, nil
	}
	who = identity{name: "the service account of this pod", token: tokenFile(token)}
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
		who.certificate = certificateFiles(path, setting("clientKeyFile"))
	}
	if token := setting("oauthToken"); token != "" {
		who.token = fixedToken(token)
	}
	if path := setting("oauthTokenFile"); path != "" {
		who.token = tokenFile(path)
	}
	if c.Conf["spark.kubernetes.trust.certificates"] == "true" {
		who.insecure = true
	}
	return nil
}

// proxy is the kubeconfig's, or the environment's.
func (c Config) proxy(named *url.URL) func(*http.Request) (*url.URL, error) {
	if named != nil {
		return http.ProxyURL(named)
	}
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
