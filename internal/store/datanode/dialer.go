package datanode

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Dial connects to a data node.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer connects to data nodes. Its connections read blocks of this host's data nodes from
// their files, and compare all checksums.
type Dialer struct {
	// Dial makes the connections to data nodes.
	Dial Dial
	// Socket is the path of data nodes' Unix sockets (dfs.domain.socket.path). _PORT in it
	// stands for the data node's port. "" leaves all reads to the data nodes.
	Socket string
	// SkipChecksum leaves checksums out (dfs.client.read.shortcircuit.skip.checksum).
	SkipChecksum bool
	// Limit is the longest wait for descriptors.
	Limit time.Duration
	// Idle is how long the files of a block stay open after their last use. Those of a block
	// that was deleted take room on the data node's disk meanwhile.
	Idle time.Duration

	// Refused is called with why a block of a data node of this host is read over the network.
	// nil: nobody is told.
	Refused func(err error)

	// Local and Remote count the requests to read a block of a data node of this host: those
	// that were answered from the block's file, and those that the data node answered.
	Local, Remote atomic.Int64

	hosts  hosts
	blocks replicas
}

// DialContext connects to a data node. The connection to one that gives descriptors is made
// when it is needed.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c := &conn{dialer: d, network: network, address: address}
	host, port, err := net.SplitHostPort(address)
	if err == nil && d.Socket != "" {
		if c.ip = d.hosts.local(ctx, host); c.ip != nil {
			c.socket = strings.ReplaceAll(d.Socket, "_PORT", port)
			return c, nil
		}
	}
	return c, c.connect(ctx)
}

// hosts knows which names are of this host.
type hosts struct {
	mu    sync.Mutex
	known map[string]net.IP // nil: another host
}

// local returns the address of a name of this host, or nil.
func (h *hosts) local(ctx context.Context, host string) net.IP {
	h.mu.Lock()
	defer h.mu.Unlock()
	ip, found := h.known[host]
	if !found {
		if h.known == nil {
			h.known = map[string]net.IP{}
		}
		ip = localAddress(ctx, host)
		h.known[host] = ip
	}
	return ip
}

func localAddress(ctx context.Context, host string) net.IP {
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil || len(found) == 0 {
		return nil // connecting says why
	}
	ip := found[0].IP
	if ip.IsLoopback() {
		return ip
	}
	ours, _ := net.InterfaceAddrs() // without them no address is ours
	for _, address := range ours {
		if of, ok := address.(*net.IPNet); ok && of.IP.Equal(ip) {
			return ip
		}
	}
	return nil
}
