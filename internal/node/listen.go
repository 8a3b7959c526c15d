package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"tfos/internal/proc"
	"tfos/internal/reserve"
)

// acceptPause is the pause after a failed accept.
const acceptPause = 100 * time.Millisecond

// listenUnix listens on a socket in the work folder. The folder's mode keeps other users
// out.
func listenUnix(work, name string) (net.Listener, error) {
	l, err := net.Listen("unix", filepath.Join(work, name))
	if err != nil {
		return nil, fmt.Errorf("node: listen: %w", err)
	}
	return l, nil
}

// listenTLS listens on a free port of all interfaces, with the member's certificate.
// Callers authenticate with the run's token.
func listenTLS(a Assignment) (net.Listener, error) {
	pair, err := tls.X509KeyPair([]byte(a.Cert), []byte(a.Key))
	if err != nil {
		return nil, fmt.Errorf("node: read the member's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(a.CA)) {
		return nil, errors.New("node: read the run's authority: no certificate in it")
	}
	l, err := tls.Listen("tcp", ":0", &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven,
	})
	if err != nil {
		return nil, fmt.Errorf("node: listen for feed tasks: %w", err)
	}
	return l, nil
}

// advertisedAddress returns host with the listener's port.
func advertisedAddress(l net.Listener, host string) string {
	return net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// listeners holds a member's open sockets and counts the connections that they
// accepted.
type listeners struct {
	sockets      []net.Listener
	address      reserve.FeedAddress
	acceptLoops  sync.WaitGroup
	taskConns    connTracker // feed tasks' connections
	programConns connTracker // the program's
	log          *slog.Logger
}

// connTracker counts connections being served. The zero value is empty.
type connTracker struct {
	mu    sync.Mutex
	open  int
	empty chan struct{} // made by idle, closed when open falls to 0
}

func (c *connTracker) addConn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
}

func (c *connTracker) removeConn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.open == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// idle returns a channel that is closed when no connection is open.
func (c *connTracker) idle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == 0 {
		empty := make(chan struct{})
		close(empty)
		return empty
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	return c.empty
}

// connServer serves one connection to its end. The caller closes the connection.
type connServer func(ctx context.Context, conn net.Conn) error

// openListeners opens a Unix socket in work for the program. If the member has
// feed or predict tasks, it also opens a Unix socket and a TCP port for them.
func openListeners(ctx context.Context, work, host string, a Assignment, task, program connServer, logger *slog.Logger) (*listeners, error) {
	ls := &listeners{log: logger}
	l, err := listenUnix(work, childSocket)
	if err != nil {
		return nil, err
	}
	ls.accept(ctx, l, program, &ls.programConns)
	if len(a.feeds()) == 0 && !a.predicts() {
		return ls, nil
	}
	boot, err := proc.BootID()
	if err != nil {
		ls.close()
		return nil, err
	}
	local, err := listenUnix(work, feedSocket)
	if err != nil {
		ls.close()
		return nil, err
	}
	ls.accept(ctx, local, task, &ls.taskConns)
	remote, err := listenTLS(a)
	if err != nil {
		ls.close()
		return nil, err
	}
	ls.accept(ctx, remote, task, &ls.taskConns)
	ls.address = reserve.FeedAddress{BootID: boot, Unix: local.Addr().String(), TCP: advertisedAddress(remote, host)}
	return ls, nil
}

// accept serves l's connections until l is closed, counting them in served.
func (ls *listeners) accept(ctx context.Context, l net.Listener, serve connServer, served *connTracker) {
	ls.sockets = append(ls.sockets, l)
	ls.acceptLoops.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if errors.Is(err, net.ErrClosed) {
					return
				}
				// There are no free descriptors, or the caller has hung up. The next
				// accept may succeed.
				ls.log.Error("node: accept", "on", l.Addr().String(), "error", err)
				time.Sleep(acceptPause)
				continue
			}
			served.addConn()
			go func() {
				defer served.removeConn()
				defer func() { _ = conn.Close() }()
				hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer hangUp()
				if err := serve(ctx, conn); err != nil && ctx.Err() == nil {
					ls.log.Warn("node: connection", "on", l.Addr().String(), "error", err)
				}
			}()
		}
	})
}

// close stops listening. Connections end with the context of openListeners.
func (ls *listeners) close() {
	for _, l := range ls.sockets {
		_ = l.Close()
	}
}

// wait returns, after close, when every connection has ended.
func (ls *listeners) wait() {
	ls.acceptLoops.Wait()
	<-ls.taskConns.idle()
	<-ls.programConns.idle()
}
