package reserve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc/test/bufconn"
)

// Network is a reservetest.Network whose listeners and connections tests can use too.
type Network struct {
	Listen      listenFunc
	DialAddress dialFunc
}

// TCPNetwork is the network of this machine.
func TCPNetwork() Network {
	return Network{new(net.ListenConfig).Listen, func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}
}

// MemoryNetwork has its connections in memory: a test in a bubble of testing/synctest
// can wait for them, and needs no time.
func MemoryNetwork() Network {
	m := &memoryHosts{listeners: map[string]*memoryListener{}}
	return Network{m.listen, m.dial}
}

// Serve is the function Serve on this network.
func (n Network) Serve(ctx context.Context, in io.Reader, out io.Writer, open Open, log *slog.Logger) error {
	return serveOn(ctx, n.Listen, in, out, open, log)
}

// Dial is the function Dial on this network.
func (n Network) Dial(ctx context.Context, credentials Credentials) (*Client, error) {
	c, err := Dial(ctx, credentials)
	if err == nil {
		c.dial = n.DialAddress
	}
	return c, err
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

// TestListenOn: who is reached by nobody else listens for nobody else.
func TestListenOn(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "10.0.0.1": "0.0.0.0", "driver.example": "0.0.0.0"} {
		if got := listenOn(host); got != want {
			t.Errorf("listenOn(%q) = %q, want %q", host, got, want)
		}
	}
}
