package node

import (
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// heldPort keeps a TCP port of all interfaces for the child's server.
//
// The kernel gives its number to no process by itself: the number lies outside of
// net.ipv4.ip_local_port_range, from which bind to port 0 and connect take theirs.
// Until the child starts, a bound socket keeps the number from processes that ask for
// it. handOver closes that socket, so that the child can bind with or without
// SO_REUSEADDR. An abstract unix socket keeps the number from other members on the
// host until release, whether or not the child has bound it.
//
// If no port lies outside of the range, the number is one of the range, and the bound
// socket stays. It has SO_REUSEADDR: a child that sets it too, as TensorFlow's servers
// do, can listen all the same.
type heldPort struct {
	port int
	fd   int // the bound socket; -1: handed over
	name int // the unix socket; -1: none
	// stays says that the bound socket is kept until release.
	stays bool
}

// portTries bounds how many numbers are tried before one of the kernel's range
// is taken.
const portTries = 1000

// portSpans are where ports may be, the better first. The first are dynamic
// ports (RFC 6335), which no service has; the second end before the node ports
// of Kubernetes (30000) and begin after most services'.
var portSpans = []span{{49152, 65535}, {20000, 29999}}

// span is a range of ports, both ends included.
type span struct{ low, high int }

// without is what is left of s outside of o.
func (s span) without(o span) []span {
	var left []span
	if below := (span{s.low, min(s.high, o.low-1)}); below.low <= below.high {
		left = append(left, below)
	}
	if above := (span{max(s.low, o.high+1), s.high}); above.low <= above.high {
		left = append(left, above)
	}
	return left
}

// kernelPorts is the range from which the kernel gives ports.
func kernelPorts() span {
	given := span{1024, 65535}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &given.low, &given.high)
	}
	return given
}

// holdPort holds a free port.
func holdPort() (*heldPort, error) { return holdPortOutside(kernelPorts()) }

func holdPortOutside(given span) (*heldPort, error) {
	for _, wanted := range portSpans {
		for _, s := range wanted.without(given) {
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

// holdPortIn holds a port of s; nil: none of those tried is free.
func holdPortIn(s span) *heldPort {
	size := s.high - s.low + 1
	first := rand.IntN(size)
	for i := range min(size, portTries) {
		p := &heldPort{port: s.low + (first+i)%size, fd: -1, name: -1}
		if p.claim() == nil && p.bind(p.port) == nil {
			return p
		}
		p.release()
	}
	return nil
}

// claim keeps the number from other members on this host.
func (p *heldPort) claim() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p.name = fd
	return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("@tfos-port-%d", p.port)})
}

// bind binds a socket to port, 0: any, of all interfaces: a dual-stack socket
// like TensorFlow's, or IPv4 where the kernel has no IPv6. It fails while
// anything is bound there, connections that wait for their end included.
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

// handOver leaves the port to the child that is about to start.
func (p *heldPort) handOver() {
	if !p.stays {
		closeSocket(&p.fd)
	}
}

// release gives the port up.
func (p *heldPort) release() {
	closeSocket(&p.fd)
	closeSocket(&p.name)
}

// closeSocket closes fd once; -1: it is closed.
func closeSocket(fd *int) {
	if *fd >= 0 {
		_ = unix.Close(*fd)
	}
	*fd = -1
}
