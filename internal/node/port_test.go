package node

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// bindPlainly binds without options, as Python's socket.bind(("", port)) does.
func bindPlainly(family, port int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var all unix.Sockaddr = &unix.SockaddrInet4{Port: port}
	if family == unix.AF_INET6 {
		all = &unix.SockaddrInet6{Port: port}
	}
	if err := unix.Bind(fd, all); err != nil {
		return err
	}
	return unix.Listen(fd, 1)
}

// takePorts uses up every port that the kernel would choose for bind or connect, until the
// test ends. Many processes on a host can do that.
func takePorts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var takers sync.WaitGroup
	t.Cleanup(func() { stop(); _ = l.Close(); takers.Wait() })
	takers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	})
	for range 4 {
		takers.Go(func() {
			for ctx.Err() == nil {
				if c, err := net.Dial("tcp4", l.Addr().String()); err == nil {
					_ = c.Close()
				}
				if other, err := net.Listen("tcp", ":0"); err == nil {
					_ = other.Close()
				}
			}
		})
	}
}

// A child may bind its port with or without options, while other processes get ports from
// the kernel. No other member on the host gets the port.
func TestAPortIsTheChildsAlone(t *testing.T) {
	takePorts(t)
	const members = 200
	var ports []int
	for range members {
		p, err := holdPort()
		if err != nil {
			t.Fatal(err)
		}
		defer p.release()
		if p.stays {
			t.Fatalf("the kernel's ports (%+v) leave none", kernelPorts())
		}
		if err := bindPlainly(unix.AF_INET, p.port); err != unix.EADDRINUSE {
			t.Errorf("port %d before the child starts: %v", p.port, err)
		}
		p.handOver()
		ports = append(ports, p.port)
	}
	for range 20 { // as long as an import of TensorFlow takes, in small
		for _, port := range ports {
			for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
				if err := bindPlainly(family, port); err != nil && err != unix.EAFNOSUPPORT {
					t.Fatalf("port %d: %v", port, err)
				}
			}
		}
	}
	slices.Sort(ports)
	if distinct := len(slices.Compact(ports)); distinct != members {
		t.Errorf("%d ports for %d members", distinct, members)
	}
}

// If the kernel's range has all ports, the port stays bound. Children that set
// SO_REUSEADDR can listen on it.
func TestAPortOfTheKernelsRangeStaysBound(t *testing.T) {
	p, err := holdPortOutside(span{1024, 65535})
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	p.handOver()
	if err := bindPlainly(unix.AF_INET, p.port); err != unix.EADDRINUSE {
		t.Errorf("without SO_REUSEADDR: %v", err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", p.port)) // sets it
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestPortsOutsideOfARange(t *testing.T) {
	for _, c := range []struct {
		of, given span
		want      []span
	}{
		{span{49152, 65535}, span{32768, 60999}, []span{{61000, 65535}}},
		{span{49152, 65535}, span{50000, 60000}, []span{{49152, 49999}, {60001, 65535}}},
		{span{49152, 65535}, span{1024, 65535}, nil},
		{span{20000, 29999}, span{32768, 60999}, []span{{20000, 29999}}},
		{span{20000, 29999}, span{10000, 25000}, []span{{25001, 29999}}},
	} {
		if got := c.of.subtract(c.given); !slices.Equal(got, c.want) {
			t.Errorf("%v without %v: %v, not %v", c.of, c.given, got, c.want)
		}
	}
}

func TestAChildBindsItsPort(t *testing.T) {
	s := newScene(t, 2, nil)
	takePorts(t)
	one, two := s.act("run", s.assignment(0, "binds")), s.act("run", s.assignment(1, "binds"))
	if v := s.verdict(); v.Code != 0 {
		t.Errorf("verdict %+v", v)
	}
	one.end()
	two.end()
	nothingLeft(t, s.run, s.tmp)
}
