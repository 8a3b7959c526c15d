package node

import (
	"cmp"
	"net"
	"slices"
	"strings"
)

// The variables that name hosts which are reached without a proxy. gRPC's C core
// (TensorFlow's, and Python's grpc) reads no_grpc_proxy, else no_proxy. It
// compares the end of a host's name with each entry, and strips no spaces.
// Python's urllib and requests read no_proxy, else NO_PROXY.
const (
	noProxy     = "no_proxy"
	noProxyCaps = "NO_PROXY"
	noProxyGRPC = "no_grpc_proxy"
)

// everyHost alone is "no proxy at all" for Python, which does not know it
// within a list. gRPC's C core does not know it.
const everyHost = "*"

// bypassProxies has programs reach hosts without the machine's proxies, beside
// the hosts that the environment has already.
func (e env) bypassProxies(hosts []string) {
	lower, upper := e[noProxy], e[noProxyCaps]
	e.addHosts(noProxyGRPC, cmp.Or(e[noProxyGRPC], lower, upper), hosts)
	for name, old := range map[string]string{noProxy: cmp.Or(lower, upper), noProxyCaps: cmp.Or(upper, lower)} {
		if strings.TrimSpace(old) == everyHost {
			e.set(name, everyHost)
			continue
		}
		e.addHosts(name, old, hosts)
	}
}

// addHosts sets a variable to the list old and those of hosts that it lacks.
func (e env) addHosts(name, old string, hosts []string) {
	var list []string
	for _, host := range append(strings.Split(old, ","), hosts...) {
		if host = strings.TrimSpace(host); host != "" && !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	e.set(name, strings.Join(list, ","))
}

// clusterHosts are the names and addresses of the run's own machines: of
// members, of the driver, and this machine's own.
func clusterHosts(members []memberAddress, server, self string) []string {
	hosts := []string{"localhost", "127.0.0.1", self, hostOf(server)}
	for _, m := range members {
		hosts = append(hosts, hostOf(m.Address), m.Host)
	}
	return hosts
}

// hostOf is the host of host:port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
