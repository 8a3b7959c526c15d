package kube

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is the file of kubectl's settings: what of it a connection needs
// (k8s.io/client-go/tools/clientcmd/api/v1).
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
	AuthProvider    *struct{ Name string } `yaml:"auth-provider"`
}

// readKubeconfig returns who a context of the file is; "": its current one. The server is not
// taken from it: spark.master names it. No such file is fs.ErrNotExist.
func readKubeconfig(path, context string, getenv func(string) string) (identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return identity{}, fmt.Errorf("kube: kubeconfig: %w", err)
	}
	var file kubeconfig
	if err := yaml.Unmarshal(text, &file); err != nil {
		return identity{}, fmt.Errorf("kube: kubeconfig %s: %w", path, err)
	}
	who, err := file.identity(context, filepath.Dir(path), getenv)
	if err != nil {
		return identity{}, fmt.Errorf("kube: kubeconfig %s: %w", path, err)
	}
	return who, nil
}

func (k kubeconfig) identity(name, folder string, getenv func(string) string) (identity, error) {
	if name == "" {
		name = k.Current
	}
	if name == "" {
		return identity{}, fmt.Errorf("no current-context: choose one by spark.kubernetes.context, or kubectl config use-context")
	}
	for _, entry := range k.Contexts {
		if entry.Name != name {
			continue
		}
		who := identity{name: "context " + name}
		if err := k.addCluster(&who, entry.Context.Cluster, folder); err != nil {
			return identity{}, err
		}
		return who, k.addUser(&who, entry.Context.User, folder, getenv)
	}
	return identity{}, fmt.Errorf("no context %q", name)
}

func (k kubeconfig) addCluster(who *identity, name, folder string) (err error) {
	for _, entry := range k.Clusters {
		if entry.Name != name {
			continue
		}
		c := entry.Cluster
		who.serverName, who.insecure = c.ServerName, c.Insecure
		if c.Proxy != "" {
			if who.proxy, err = url.Parse(c.Proxy); err != nil {
				return fmt.Errorf("proxy-url: %w", err)
			}
		}
		authority, err := content(c.AuthorityData, c.Authority, folder)
		if err != nil || authority == nil {
			return err
		}
		who.roots, err = parseRoots(authority, "certificate-authority of cluster "+name)
		return err
	}
	return fmt.Errorf("no cluster %q", name)
}

func (k kubeconfig) addUser(who *identity, name, folder string, getenv func(string) string) error {
	for _, entry := range k.Users {
		if entry.Name == name {
			return entry.User.add(who, name, folder, getenv)
		}
	}
	return fmt.Errorf("no user %q", name)
}

func (u userEntry) add(who *identity, name, folder string, getenv func(string) string) error {
	switch {
	case u.AuthProvider != nil:
		return fmt.Errorf("user %s: auth-provider %s is gone since Kubernetes 1.26: use a credential plugin (exec)", name, u.AuthProvider.Name)
	case u.Impersonate != "":
		return fmt.Errorf("user %s: impersonation (as: %s) is not supported, and Spark has none: use that user's own credentials", name, u.Impersonate)
	}
	certificate, err := content(u.CertificateData, u.Certificate, folder)
	if err != nil {
		return err
	}
	key, err := content(u.KeyData, u.Key, folder)
	if err != nil {
		return err
	}
	if certificate != nil {
		if who.certificate, err = certificatePair(certificate, key); err != nil {
			return err
		}
	}
	switch {
	case u.TokenFile != "":
		who.token = tokenFile(within(folder, u.TokenFile))
	case u.Token != "":
		who.token = fixedToken(u.Token)
	case u.Exec != nil:
		if err := u.Exec.check(); err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
		session := &pluginSession{plugin: *u.Exec, folder: folder, getenv: getenv}
		who.token = session.token
		if certificate == nil {
			who.certificate = session.certificate
		}
	case u.Username != "":
		who.user, who.word = u.Username, u.Password
	}
	return nil
}

// content is an entry's data, or what its file has; nil: it has neither.
func content(data, path, folder string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case path != "":
		return os.ReadFile(within(folder, path))
	}
	return nil, nil
}

// within resolves a path of a kubeconfig, which is relative to its folder.
func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
