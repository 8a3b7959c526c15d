package reserve

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc/test/bufconn"
)

// network is how the server and the members of a test reach each other.
type network struct {
	listen listenFunc
	dial   dialFunc
	// inMemory: clients need dial, because gRPC's own reaches nobody.
	inMemory bool
}

func tcpNetwork() network {
	return network{new(net.ListenConfig).Listen, dialTCP, false}
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// memoryNetwork has its connections in memory: a test in a bubble of testing/synctest
// can wait for them, and needs no time.
func memoryNetwork() network {
	m := &memoryHosts{listeners: map[string]*memoryListener{}}
	return network{m.listen, m.dial, true}
}

type memoryHosts struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener // by address
}

// memoryListener is a bufconn.Listener with an address of TCP.
type memoryListener struct {
	*bufconn.Listener
	address net.TCPAddr
}

func (l *memoryListener) Addr() net.Addr { return &l.address }

func (m *memoryHosts) listen(context.Context, string, string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &memoryListener{bufconn.Listen(64 << 10), net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: len(m.listeners) + 1}}
	m.listeners[l.address.String()] = l
	return l, nil
}

func (m *memoryHosts) dial(ctx context.Context, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: nobody listens", address)
	}
	return l.DialContext(ctx)
}
