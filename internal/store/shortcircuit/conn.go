package shortcircuit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is a connection to a data node of this host. A request to read a block makes it the
// stream of that block's file; any other first write makes it the connection that Dial makes.
//
// One goroutine uses it at a time.
type conn struct {
	dialer           *Dialer
	network, address string // of the data node
	ip               net.IP
	socket           string // path of its Unix socket

	asked  bool     // a request was seen
	remote net.Conn // nil: not connected
	local  *stream  // nil: the data node answers
	closed bool
}

var errNoRequest = errors.New("nothing was asked of the data node")

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if !c.asked && isRequest(p) {
		c.asked = true
		if c.open(p) {
			return len(p), nil
		}
	}
	if c.local != nil {
		return len(p), nil // the status after the last byte; nobody waits for it
	}
	if c.remote == nil {
		remote, err := c.dialer.Dial(context.Background(), c.network, c.address)
		if err != nil {
			return 0, err
		}
		c.remote = remote
	}
	return c.remote.Write(p)
}

// open gets the files of the block that a request asks for. It is false if the data node has
// to answer.
func (c *conn) open(request []byte) bool {
	asked, ok := parseRead(request)
	if !ok {
		return false // another request
	}
	block, err := c.dialer.blocks.get(asked.key, func() (*replica, error) {
		return openReplica(c.socket, asked, c.dialer)
	})
	if err != nil {
		c.dialer.Remote.Add(1)
		return false
	}
	c.dialer.Local.Add(1)
	c.local = newStream(block, asked)
	return true
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.local != nil:
		n, err := c.local.Read(p)
		if err != nil && err != io.EOF {
			c.dialer.blocks.fail(c.local.block)
			_ = c.Close() // as of other connections to data nodes, the first error ends it
			err = fmt.Errorf("block %s, read short-circuit: %w", c.local.block.key, err)
		}
		return n, err
	case c.remote == nil:
		return 0, errNoRequest
	}
	return c.remote.Read(p)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	var err error
	if c.local != nil && !c.closed {
		err = c.dialer.blocks.release(c.local.block, c.dialer.Idle)
	}
	c.closed = true
	if c.remote != nil {
		err = errors.Join(err, c.remote.Close())
	}
	return err
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return &net.TCPAddr{IP: c.ip} }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr {
	_, text, _ := net.SplitHostPort(c.address)
	port, _ := strconv.Atoi(text) // 0: no port below 1024
	return &net.TCPAddr{IP: c.ip, Port: port}
}

// SetDeadline implements net.Conn. Reads of files need no deadline.
func (c *conn) SetDeadline(t time.Time) error {
	if c.remote == nil {
		return nil
	}
	return c.remote.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.remote == nil {
		return nil
	}
	return c.remote.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.remote == nil {
		return nil
	}
	return c.remote.SetWriteDeadline(t)
}
