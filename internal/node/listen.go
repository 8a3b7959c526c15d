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

	"tfos/internal/reserve"
)

// acceptPause is how long a listener rests after an error that may pass.
const acceptPause = 100 * time.Millisecond

// listenUnix listens on a socket in the work folder, whose mode keeps other
// users out.
func listenUnix(work, name string) (net.Listener, error) {
	l, err := net.Listen("unix", filepath.Join(work, name))
	if err != nil {
		return nil, fmt.Errorf("node: listen: %w", err)
	}
	return l, nil
}

// listenTLS listens on a free port of all interfaces with the member's
// certificate. Who calls proves itself by the run's token.
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

// portOf is a listener's port as it is advertised under host.
func portOf(l net.Listener, host string) string {
	return net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// doors are a member's listeners and the connections that came through them.
type doors struct {
	listeners []net.Listener
	address   reserve.FeedAddress
	loops     sync.WaitGroup // accept
	tasks     crowd          // feed tasks' connections
	programs  crowd          // the program's
	log       *slog.Logger
}

// crowd counts connections being served. The zero value is empty.
type crowd struct {
	mu   sync.Mutex
	n    int
	gone chan struct{} // made by idle, closed when n falls to 0
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.gone != nil {
		close(c.gone)
		c.gone = nil
	}
}

// idle is closed as soon as nobody is in.
func (c *crowd) idle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		empty := make(chan struct{})
		close(empty)
		return empty
	}
	if c.gone == nil {
		c.gone = make(chan struct{})
	}
	return c.gone
}

// connServer serves one connection to its end; the caller closes it.
type connServer func(ctx context.Context, conn net.Conn) error

// openDoors listens in work for the program, and for feed or predict tasks where
// there are any: there, and on TCP.
func openDoors(ctx context.Context, work, host string, a Assignment, task, program connServer, logger *slog.Logger) (*doors, error) {
	d := &doors{log: logger}
	l, err := listenUnix(work, childSocket)
	if err != nil {
		return nil, err
	}
	d.accept(ctx, l, program, &d.programs)
	if len(a.feeds()) == 0 && !a.predicts() {
		return d, nil
	}
	boot, err := bootID()
	if err != nil {
		d.close()
		return nil, err
	}
	local, err := listenUnix(work, feedSocket)
	if err != nil {
		d.close()
		return nil, err
	}
	d.accept(ctx, local, task, &d.tasks)
	remote, err := listenTLS(a)
	if err != nil {
		d.close()
		return nil, err
	}
	d.accept(ctx, remote, task, &d.tasks)
	d.address = reserve.FeedAddress{BootID: boot, Unix: local.Addr().String(), TCP: portOf(remote, host)}
	return d, nil
}

// accept serves l's connections until l is closed, counting them in served.
func (d *doors) accept(ctx context.Context, l net.Listener, serve connServer, served *crowd) {
	d.listeners = append(d.listeners, l)
	d.loops.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if errors.Is(err, net.ErrClosed) {
					return
				}
				// Out of descriptors, or a caller that gave up: the next may do better.
				d.log.Error("node: accept", "on", l.Addr().String(), "error", err)
				time.Sleep(acceptPause)
				continue
			}
			served.enter()
			go func() {
				defer served.leave()
				defer func() { _ = conn.Close() }()
				hangUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer hangUp()
				if err := serve(ctx, conn); err != nil && ctx.Err() == nil {
					d.log.Warn("node: connection", "on", l.Addr().String(), "error", err)
				}
			}()
		}
	})
}

// close stops listening. Connections end with the context of openDoors.
func (d *doors) close() {
	for _, l := range d.listeners {
		_ = l.Close()
	}
}

// wait returns, after close, when every connection has ended.
func (d *doors) wait() {
	d.loops.Wait()
	<-d.tasks.idle()
	<-d.programs.idle()
}
