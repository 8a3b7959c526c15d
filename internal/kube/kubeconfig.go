package kube

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the file of kubectl's settings: what of it a connection needs
// (k8s.io/client-go/tools/clientcmd/api/v1). It is read as Spark's client does (fabric8's Config,
// 6.7 of Spark 3.5 and 7.1 of Spark 4.0): what Spark does not read would fail in Spark.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster clusterEntry
	}
	Users []struct {
		Name string
		User userEntry
	}
}

type clusterEntry struct {
	Authority     string `yaml:"certificate-authority"`
	AuthorityData string `yaml:"certificate-authority-data"`
	ServerName    string `yaml:"tls-server-name"`
	Insecure      bool   `yaml:"insecure-skip-tls-verify"`
	Proxy         string `yaml:"proxy-url"`
}

type userEntry struct {
	Certificate     string `yaml:"client-certificate"`
	CertificateData string `yaml:"client-certificate-data"`
	Key             string `yaml:"client-key"`
	KeyData         string `yaml:"client-key-data"`
	Token           string
	TokenFile       string `yaml:"tokenFile"`
	Username        string
	Password        string
	Impersonate     string `yaml:"as"`
	Exec            *plugin
	AuthProvider    *struct {
		Name   string
		Config map[string]string
	} `yaml:"auth-provider"`
}

// errNoContext says that a kubeconfig names no current context.
var errNoContext = errors.New("no current-context")

// readKubeconfig returns who a context of the file is; "": its current one, which may be missing
// (errNoContext). The server is not taken from it: spark.master names it.
func readKubeconfig(path string, text []byte, context string) (identity, error) {
	var file kubeconfig
	if err := yaml.Unmarshal(text, &file); err != nil {
		return identity{}, fmt.Errorf("kube: kubeconfig %s: %w", path, err)
	}
	who, err := file.identity(context, filepath.Dir(path))
	if err != nil {
		return identity{}, fmt.Errorf("kube: kubeconfig %s: %w", path, err)
	}
	return who, nil
}

func (k kubeconfig) identity(name, folder string) (identity, error) {
	if name == "" {
		name = k.Current
	}
	if name == "" {
		return identity{}, errNoContext
	}
	var names []string
	for _, entry := range k.Contexts {
		if entry.Name != name {
			names = append(names, entry.Name)
			continue
		}
		who := identity{name: "context " + name}
		if err := k.addCluster(&who, entry.Context.Cluster, folder); err != nil {
			return identity{}, err
		}
		err := k.addUser(&who, entry.Context.User, folder)
		return who, err
	}
	return identity{}, fmt.Errorf("no context %q, but %q: choose one by spark.kubernetes.context, or kubectl config use-context. Spark reads the first file of KUBECONFIG only", name, names)
}

func (k kubeconfig) addCluster(who *identity, name, folder string) (err error) {
	for _, entry := range k.Clusters {
		if entry.Name != name {
			continue
		}
		c := entry.Cluster
		who.insecure = c.Insecure
		if c.Proxy != "" {
			who.unread("proxy-url", "set HTTPS_PROXY")
		}
		if c.ServerName != "" {
			who.unread("tls-server-name", "name the API server in spark.master by a name of its certificate")
		}
		authority, err := content("certificate-authority", c.AuthorityData, c.Authority, folder)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		if authority == nil {
			return nil
		}
		who.roots, err = parseRoots(authority, "certificate-authority of cluster "+name)
		return err
	}
	return fmt.Errorf("no cluster %q", name)
}

// addUser adds a user's credentials. A context may have none: kubectl proxy asks for none.
func (k kubeconfig) addUser(who *identity, name, folder string) error {
	if name == "" {
		return nil
	}
	for _, entry := range k.Users {
		if entry.Name == name {
			if err := entry.User.add(who, folder); err != nil {
				return fmt.Errorf("user %s: %w", name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("no user %q", name)
}

func (u userEntry) add(who *identity, folder string) error {
	if u.Impersonate != "" {
		return fmt.Errorf("impersonation (as: %s) is not supported, and Spark has none: use that user's own credentials", u.Impersonate)
	}
	certificate, err := content("client-certificate", u.CertificateData, u.Certificate, folder)
	if err != nil {
		return err
	}
	key, err := content("client-key", u.KeyData, u.Key, folder)
	if err != nil {
		return err
	}
	if certificate != nil {
		if who.certificate, err = certificatePair(certificate, key); err != nil {
			return err
		}
	}
	if u.TokenFile != "" {
		who.unread("tokenFile", "set spark.kubernetes.authenticate.oauthTokenFile, in cluster mode spark.kubernetes.authenticate.submission.oauthTokenFile")
	}
	switch {
	case u.Token == "" && u.AuthProvider != nil:
		token := cmp.Or(u.AuthProvider.Config["access-token"], u.AuthProvider.Config["id-token"])
		if token == "" {
			return fmt.Errorf("auth-provider %s has no access-token and no id-token: sign in again, or use a credential plugin (exec)", u.AuthProvider.Name)
		}
		who.token = fixedToken(token)
	case u.Exec != nil:
		if err := u.Exec.check(); err != nil {
			return err
		}
		session := &pluginSession{plugin: *u.Exec, folder: folder}
		who.token = session.token
		if certificate == nil {
			who.certificate = session.certificate
		}
	case u.Token != "":
		who.token = fixedToken(u.Token)
	case u.Username != "":
		who.user, who.word = u.Username, u.Password
	}
	return nil
}

// content is what a key's data, or its file, has; nil: there is neither.
func content(key, data, path, folder string) (text []byte, err error) {
	switch {
	case data != "":
		key += "-data"
		text, err = base64.StdEncoding.DecodeString(data)
	case path != "":
		text, err = os.ReadFile(within(folder, path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return text, nil
}

// within resolves a path of a kubeconfig, which is relative to its folder.
func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
