package datanode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is a connection to a data node. A request to read a block makes it the stream of that
// block, from its file or over the network. Anything else passes as it is.
//
// One goroutine uses it at a time.
type conn struct {
	dialer           *Dialer
	network, address string // of the data node
	// Of a data node of this host that may give descriptors: its address, and the path of
	// its Unix socket.
	ip     net.IP
	socket string

	asked  bool      // a request was seen
	remote net.Conn  // nil: not connected
	block  *replica  // that is read; or nil
	answer io.Reader // to a request to read; or nil
	closed bool
}

var errNoRequest = errors.New("nothing was asked of the data node")

// connect makes the connection to the data node.
func (c *conn) connect(ctx context.Context) (err error) {
	if c.remote == nil {
		c.remote, err = c.dialer.Dial(ctx, c.network, c.address)
	}
	return err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if c.answer != nil {
		return len(p), nil // the status after the last byte; the data node does not wait for it
	}
	asked, read := readRequest{}, false
	if !c.asked && isRequest(p) {
		c.asked = true
		asked, read = parseRead(p)
	}
	if read && c.socket != "" && c.open(asked) {
		return len(p), nil
	}
	if err := c.connect(context.Background()); err != nil {
		return 0, err
	}
	n, err := c.remote.Write(p)
	if read && err == nil {
		c.answer = &packets{from: c.remote}
	}
	return n, err
}

// open gets the files of a block. It is false if the data node has to answer.
func (c *conn) open(asked readRequest) bool {
	block, err := c.dialer.blocks.get(asked.key, func() (*replica, error) {
		return openReplica(c.socket, asked, c.dialer)
	})
	if err != nil {
		c.dialer.Remote.Add(1)
		if c.dialer.Refused != nil {
			c.dialer.Refused(err)
		}
		return false
	}
	c.dialer.Local.Add(1)
	c.block, c.answer = block, newLocal(block, asked)
	return true
}

// Read implements net.Conn. The first error ends the connection.
func (c *conn) Read(p []byte) (int, error) {
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case len(p) == 0:
		return 0, nil
	case c.answer == nil && c.remote == nil:
		return 0, errNoRequest
	case c.answer == nil:
		return c.remote.Read(p)
	}
	n, err := c.answer.Read(p)
	if err != nil {
		if c.block != nil {
			c.dialer.blocks.fail(c.block)
			err = fmt.Errorf("block %s, read short-circuit: %w", c.block.key, err)
		}
		_ = c.Close() // it has failed already
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() (err error) {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.block != nil {
		err = c.dialer.blocks.release(c.block, c.dialer.Idle)
	}
	if c.remote != nil {
		err = errors.Join(err, c.remote.Close())
	}
	return err
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr {
	if c.remote != nil {
		return c.remote.LocalAddr()
	}
	return &net.TCPAddr{IP: c.ip}
}

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote.RemoteAddr()
	}
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
