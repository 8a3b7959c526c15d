package yarn

import (
	"errors"
	"net"
	"strings"
)

// Properties returns a property of Hadoop's configuration; "" where it is not set.
type Properties func(name string) string

// ErrNotConfigured says that no property names a ResourceManager.
var ErrNotConfigured = errors.New("yarn-site.xml names no ResourceManager: set HADOOP_CONF_DIR to the folder of the cluster's configuration")

const (
	prefix       = "yarn.resourcemanager."
	rpcPort      = "8032"
	webPort      = "8088"
	webPortHTTPS = "8090"
)

// webAddresses returns the base URLs of the web services of all ResourceManagers.
func webAddresses(p Properties) ([]string, error) {
	if p("yarn.http.policy") == "HTTPS_ONLY" {
		hosts, err := addresses(p, "webapp.https.address", webPortHTTPS)
		return withScheme("https://", hosts), err
	}
	hosts, err := addresses(p, "webapp.address", webPort)
	return withScheme("http://", hosts), err
}

// RPCAddresses returns HOST:PORT of each ResourceManager, to which Spark submits.
func RPCAddresses(p Properties) ([]string, error) { return addresses(p, "address", rpcPort) }

// addresses returns the address of this property of each ResourceManager: the property's own
// value, else the ResourceManager's host with the usual port.
func addresses(p Properties, property, port string) ([]string, error) {
	suffixes := []string{""}
	if strings.EqualFold(strings.TrimSpace(p(prefix+"ha.enabled")), "true") {
		suffixes = nil
		for _, id := range strings.Split(p(prefix+"ha.rm-ids"), ",") {
			if id = strings.TrimSpace(id); id != "" {
				suffixes = append(suffixes, "."+id)
			}
		}
	}
	var found []string
	for _, suffix := range suffixes {
		address := strings.TrimSpace(p(prefix + property + suffix))
		if address == "" {
			address = strings.TrimSpace(p(prefix + "hostname" + suffix))
		}
		if address == "" || address == "0.0.0.0" {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, port)
		}
		found = append(found, address)
	}
	if len(found) == 0 {
		return nil, ErrNotConfigured
	}
	return found, nil
}

func withScheme(scheme string, hosts []string) []string {
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = scheme + host
	}
	return urls
}
