package node

import (
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// heldPort reserves a TCP port of all interfaces for the child's server.
//
// The port is outside of net.ipv4.ip_local_port_range, from which the kernel chooses
// ports for connect and for bind to port 0. The kernel therefore gives it to no other
// process by itself. Until the child starts, a bound socket keeps the port from
// processes that ask for it. handOver closes that socket, so that the child can bind with
// or without SO_REUSEADDR. An abstract unix socket keeps the port from other members on
// the host until release, whether or not the child has bound it.
//
// If no free port is found outside of the range, the port is one of the range, and the
// bound socket stays open. It has SO_REUSEADDR. A child that sets SO_REUSEADDR too, as
// TensorFlow's servers do, can listen nevertheless.
type heldPort struct {
	port int
	fd   int // the bound socket; -1: closed
	name int // the unix socket; -1: none
	// stays says that the bound socket stays open until release.
	stays bool
}

// portTries is how many ports of a range are tried.
const portTries = 1000

// portSpans are the ranges of ports to try, in this order. The first has dynamic ports
// (RFC 6335), which no service has. The second begins after the ports of most services
// and ends before the node ports of Kubernetes (30000).
var portSpans = []span{{49152, 65535}, {20000, 29999}}

// span is a range of ports, both ends included.
type span struct{ low, high int }

// subtract returns the parts of s that are outside of o.
func (s span) subtract(o span) []span {
	var left []span
	if below := (span{s.low, min(s.high, o.low-1)}); below.low <= below.high {
		left = append(left, below)
	}
	if above := (span{max(s.low, o.high+1), s.high}); above.low <= above.high {
		left = append(left, above)
	}
	return left
}

// kernelPorts returns the range from which the kernel chooses ports.
func kernelPorts() span {
	given := span{1024, 65535}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &given.low, &given.high)
	}
	return given
}

// holdPort reserves a free port. The caller calls release.
func holdPort() (*heldPort, error) { return holdPortOutside(kernelPorts()) }

func holdPortOutside(given span) (*heldPort, error) {
	for _, wanted := range portSpans {
		for _, s := range wanted.subtract(given) {
			if p := holdPortIn(s); p != nil {
				return p, nil
			}
		}
	}
	p := &heldPort{fd: -1, name: -1, stays: true}
	if err := p.bind(0); err != nil {
		return nil, fmt.Errorf("node: hold a port: %w", err)
	}
	return p, nil
}

// holdPortIn reserves a port of s. It returns nil if none of portTries ports is free.
func holdPortIn(s span) *heldPort {
	size := s.high - s.low + 1
	first := rand.IntN(size)
	for i := range min(size, portTries) {
		p := &heldPort{port: s.low + (first+i)%size, fd: -1, name: -1}
		if p.claimName() == nil && p.bind(p.port) == nil {
			return p
		}
		p.release()
	}
	return nil
}

// claimName binds the abstract unix socket that keeps the port from other members on
// this host.
func (p *heldPort) claimName() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p.name = fd
	return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@tfos-port-%d", p.port)})
}

// bind binds a socket to port on all interfaces. 0: any port. The socket is dual-stack,
// like TensorFlow's, or IPv4 if the kernel has no IPv6. bind fails if anything is bound
// to the port, including connections in TIME_WAIT.
func (p *heldPort) bind(port int) error {
	err := p.bindFamily(unix.AF_INET6, &unix.SockaddrInet6{Port: port})
	if err == unix.EAFNOSUPPORT || err == unix.EADDRNOTAVAIL {
		err = p.bindFamily(unix.AF_INET, &unix.SockaddrInet4{Port: port})
	}
	return err
}

func (p *heldPort) bindFamily(family int, all unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := p.bindSocket(fd, family, all); err != nil {
		_ = unix.Close(fd)
		return err
	}
	p.fd = fd
	return nil
}

func (p *heldPort) bindSocket(fd, family int, all unix.Sockaddr) error {
	if p.stays {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, all); err != nil {
		return err
	}
	name, err := unix.Getsockname(fd)
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

// handOver frees the port for the child, which is about to start.
func (p *heldPort) handOver() {
	if !p.stays {
		closeSocket(&p.fd)
	}
}

// release ends the reservation.
func (p *heldPort) release() {
	closeSocket(&p.fd)
	closeSocket(&p.name)
}

// closeSocket closes *fd and sets it to -1. It does nothing for -1.
func closeSocket(fd *int) {
	if *fd >= 0 {
		_ = unix.Close(*fd)
	}
	*fd = -1
}
