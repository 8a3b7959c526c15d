package node

import (
	"cmp"
	"net"
	"slices"
	"strings"
)

// The variables that list hosts to connect to without a proxy. gRPC's C core, in
// TensorFlow and in Python's grpc, reads no_grpc_proxy, else no_proxy. It compares the
// end of a host's name with each entry, and does not strip spaces. Python's urllib and
// requests read no_proxy, else NO_PROXY.
const (
	noProxy     = "no_proxy"
	noProxyCaps = "NO_PROXY"
	noProxyGRPC = "no_grpc_proxy"
)

// everyHost as the whole value means "no proxy at all" to Python. Python does not know it
// within a list. gRPC's C core does not know it.
const everyHost = "*"

// bypassProxies adds hosts to those that programs connect to without a proxy.
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

// addHosts sets a variable to the list old, followed by the hosts that old lacks.
func (e env) addHosts(name, old string, hosts []string) {
	var list []string
	for _, host := range append(strings.Split(old, ","), hosts...) {
		if host = strings.TrimSpace(host); host != "" && !slices.Contains(list, host) {
			list = append(list, host)
		}
	}
	e.set(name, strings.Join(list, ","))
}

// clusterHosts returns the names and addresses of the run's machines: the members', the
// driver's and this machine's.
func clusterHosts(members []memberAddress, server, self string) []string {
	hosts := []string{"localhost", "127.0.0.1", self, hostOf(server)}
	for _, m := range members {
		hosts = append(hosts, hostOf(m.Address), m.Host)
	}
	return hosts
}

// hostOf returns the host of host:port, or address itself if it has no port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
