package cluster

import (
	"net"
	"strings"
)

// managerSite is where a ResourceManager is.
type managerSite struct {
	submit string // HOST:PORT to which Spark submits
	web    string // http://HOST:PORT or https://HOST:PORT of its web services
}

// wildcard is the host of an address on which a server listens everywhere, and Hadoop's default
// for a ResourceManager's host.
const wildcard = "0.0.0.0"

// managerSites returns where a cluster's ResourceManagers are. Spark submits to the address that
// Hadoop's client finds. Web addresses are for servers and browsers, and nothing else fails if
// they name no host that clients can use: a wildcard stands for the ResourceManager's host.
func managerSites(property func(name string) string) ([]managerSite, error) {
	name, port, scheme := "webapp.address", "8088", "http"
	if httpsOnly(property) {
		name, port, scheme = "webapp.https.address", "8090", "https"
	}
	ids, err := managerIDs(property)
	if err != nil {
		return nil, err
	}
	var found []managerSite
	for _, id := range ids {
		get := func(name string) string { return strings.TrimSpace(property("yarn.resourcemanager." + name + id)) }
		host := strings.Trim(get("hostname"), "[]")
		if id != "" && host == "" && get("address") == "" {
			return nil, unreachable("yarn.resourcemanager.hostname%s is not set, which is one of yarn.resourcemanager.ha.rm-ids: correct yarn-site.xml in HADOOP_CONF_DIR", id)
		}
		submit := hostPort(get("address"), host, "8032")
		if host == "" || host == wildcard {
			host, _, _ = net.SplitHostPort(submit)
		}
		web := hostPort(get(name), host, port)
		if at, port, _ := net.SplitHostPort(web); at == "" || net.ParseIP(at).IsUnspecified() {
			web = net.JoinHostPort(host, port)
		}
		found = append(found, managerSite{submit, scheme + "://" + web})
	}
	return found, nil
}

// managerIDs returns what ends the names of the properties of each ResourceManager: "" of a
// single one, ".ID" of several.
func managerIDs(property func(name string) string) ([]string, error) {
	if !strings.EqualFold(strings.TrimSpace(property("yarn.resourcemanager.ha.enabled")), "true") {
		return []string{""}, nil
	}
	var ids []string
	for id := range strings.SplitSeq(property("yarn.resourcemanager.ha.rm-ids"), ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, "."+id)
		}
	}
	if ids == nil {
		return nil, unreachable("yarn.resourcemanager.ha.enabled is true, and yarn.resourcemanager.ha.rm-ids is empty: correct yarn-site.xml in HADOOP_CONF_DIR")
	}
	return ids, nil
}

// hostPort returns an address as HOST:PORT. As Hadoop's, the address may be a URL, and lack its
// port. If it is empty, host takes its place.
func hostPort(address, host, port string) string {
	if _, rest, isURL := strings.Cut(address, "://"); isURL {
		address, _, _ = strings.Cut(rest, "/")
	}
	if address == "" {
		address = host
	}
	if address == "" {
		address = wildcard
	}
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}

// httpsOnly says that YARN's servers have web pages by https alone.
func httpsOnly(property func(name string) string) bool {
	return strings.EqualFold(strings.TrimSpace(property("yarn.http.policy")), "HTTPS_ONLY")
}
