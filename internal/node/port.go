package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// heldPort keeps a TCP port of all interfaces for the child's server: bound
// with SO_REUSEADDR and not listening, so that no other process is given it
// and TensorFlow, which binds with SO_REUSEADDR too, can listen on it all the
// same. It is held as long as the child runs: an import of TensorFlow takes
// seconds, in which a released port would be anybody's.
type heldPort struct {
	fd   int
	port int
}

// holdPort holds a free port.
func holdPort() (*heldPort, error) {
	// A dual-stack socket like TensorFlow's, or IPv4 where the kernel has no IPv6.
	held, err := bindPort(unix.AF_INET6, &unix.SockaddrInet6{})
	if err != nil {
		held, err = bindPort(unix.AF_INET, &unix.SockaddrInet4{})
	}
	if err != nil {
		return nil, fmt.Errorf("node: hold a port: %w", err)
	}
	return held, nil
}

func bindPort(family int, all unix.Sockaddr) (*heldPort, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	held := &heldPort{fd: fd}
	if err := held.bind(family, all); err != nil {
		held.release()
		return nil, err
	}
	return held, nil
}

func (p *heldPort) bind(family int, all unix.Sockaddr) error {
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if err := unix.Bind(p.fd, all); err != nil {
		return err
	}
	name, err := unix.Getsockname(p.fd)
	if err != nil {
		return err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet6:
		p.port = a.Port
	case *unix.SockaddrInet4:
		p.port = a.Port
	}
	return nil
}

// release gives the port up.
func (p *heldPort) release() { _ = unix.Close(p.fd) }
