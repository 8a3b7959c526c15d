package reserve

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"
)

// behindProxy names the environment variable of the test's own child process:
// Go reads the proxies of its environment once a process.
const behindProxy = "TFOS_TEST_BEHIND_PROXY"

// A member asks no proxy for the way to the server.
func TestClientUsesNoProxy(t *testing.T) {
	if os.Getenv(behindProxy) != "" {
		dialUnknownHost(t)
		return
	}
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	cmd := exec.Command(os.Args[0], "-test.run=^TestClientUsesNoProxy$")
	cmd.Env = append(os.Environ(), behindProxy+"=1", "HTTPS_PROXY=http://"+proxy.Addr().String(), "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	_ = proxy.Close()
	<-ended
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

// dialUnknownHost looks for a server whose name no resolver knows (RFC 2606).
func dialUnknownHost(t *testing.T) {
	auth, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), Credentials{Server: "tfos.invalid:1", CA: auth.ca, Cert: auth.cert, Key: auth.key, Token: auth.token})
	if err != nil {
		t.Fatal(err)
	}
	c.patience = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = c.Join(ctx, Registration{}, Handler{Renewal: func() Renewal { return Renewal{} }})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("Join: %v", err)
	}
}
