package store

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHDFSReadHasRoom: the socket to a data node holds receiveRoom, and wakes its reader for
// any byte.
func TestHDFSReadHasRoom(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	path := newFolder(direct, root)(t) + "/a"
	write(t, direct, path, string(randomBytes(1000)))
	opened, err := openHDFS(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(HDFS)
	var mu sync.Mutex
	var last *net.TCPConn
	dial := s.dial
	s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		last, _ = conn.(*net.TCPConn)
		return conn, err
	}
	r, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := io.ReadFull(r, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	if got := option(t, last, unix.SO_RCVBUF); got < receiveRoom {
		t.Errorf("the socket holds %d bytes", got)
	}
	if got := option(t, last, unix.SO_RCVLOWAT); got != 1 {
		t.Errorf("the socket wakes its reader for %d bytes", got)
	}
}

func option(t *testing.T, conn *net.TCPConn, name int) (value int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	controlErr := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name) })
	if controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return value
}
