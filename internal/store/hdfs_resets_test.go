package store

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// resets is a dialer through TCP proxies that reset connections.
type resets struct {
	to    func(address string) bool // which connections are affected
	after int64                     // bytes, of both directions, until a reset
	skip  atomic.Int64              // how many connections are not affected
	left  atomic.Int64              // how many resets are still to come
	// unanswered is a method of the name node whose answer is never forwarded, or "".
	unanswered string
	done       atomic.Int64 // how many there were
}

func (r *resets) dial(ctx context.Context, network, address string) (net.Conn, error) {
	direct := &net.Dialer{}
	if !r.to(address) || r.skip.Add(-1) >= 0 {
		return direct.DialContext(ctx, network, address)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		defer listener.Close()
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := direct.Dial(network, address)
		if err != nil {
			client.Close()
			return
		}
		r.forward(client.(*net.TCPConn), server.(*net.TCPConn))
	}()
	return direct.DialContext(ctx, network, listener.Addr().String())
}

// forward copies both ways, until one side ends, or until the reset.
func (r *resets) forward(client, server *net.TCPConn) {
	var passed atomic.Int64
	var once sync.Once
	end := func(reset bool) {
		once.Do(func() {
			if reset {
				r.done.Add(1)
				_ = client.SetLinger(0)
				_ = server.SetLinger(0)
			}
			client.Close()
			server.Close()
		})
	}
	// Both directions may pass the limit at the same moment: it is one reset.
	due := sync.OnceValue(func() bool { return r.left.Add(-1) >= 0 })
	var asked atomic.Bool
	pump := func(to, from net.Conn) {
		buffer := make([]byte, 16<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				lost := r.unanswered != "" && from == net.Conn(server) && asked.Load()
				if r.unanswered != "" && from == net.Conn(client) && bytes.Contains(buffer[:n], []byte(r.unanswered)) {
					asked.Store(true)
				}
				if (lost || passed.Add(int64(n)) > r.after) && due() {
					end(true)
					return
				}
				if _, err := to.Write(buffer[:n]); err != nil {
					end(false)
					return
				}
			}
			if err != nil {
				end(false)
				return
			}
		}
	}
	go pump(server, client)
	pump(client, server)
}
