package launch

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"tfos/internal/exit"
)

// dialTimeout bounds the connection to one master. A reachable master answers
// within a round trip.
const dialTimeout = 3 * time.Second

// Preflight checks that a standalone master answers. It takes seconds, where
// spark-submit needs a minute. If several masters are given
// (spark://a:7077,b:7077), one is enough. Other kinds of masters are not
// checked.
func Preflight(ctx context.Context, master string) error {
	list, ok := strings.CutPrefix(master, "spark://")
	if !ok {
		return nil
	}
	var reasons []string
	for _, address := range strings.Split(list, ",") {
		err := dial(ctx, address)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		reasons = append(reasons, err.Error())
	}
	return fail(exit.NoSpark, "preflight", "master unreachable: %s (%s): start the master, or correct spark.master", master, strings.Join(reasons, "; "))
}

func dial(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// AddressTo returns the address of this machine from which packets go to a master of
// Kubernetes (k8s://…); "": there is no way to it. Nothing is sent.
func AddressTo(master string) string {
	text := strings.TrimPrefix(master, "k8s://")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	conn, err := net.DialTimeout("udp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")), dialTimeout)
	if err != nil {
		return ""
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return host
}
