package reserve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	pb "tfos/internal/reserve/reservepb"
)

// faulty stands between a member and the server: its connections can be cut, or go
// silent and stay open.
type faulty struct {
	listener net.Listener
	network  network
	to       string

	mu     sync.Mutex
	open   []net.Conn
	silent bool
	dialed int
}

func newFaulty(d *driver) *faulty {
	t := d.t
	t.Helper()
	l, err := d.network.listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{listener: l, network: d.network, to: d.ready.Address}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { f.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.cut()
		connections.Wait()
	})
	return f
}

func (f *faulty) carry(near net.Conn) {
	far, err := f.network.dial(context.Background(), f.to)
	if err != nil {
		_ = near.Close()
		return
	}
	f.mu.Lock()
	f.open = append(f.open, near, far)
	f.dialed++
	f.mu.Unlock()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer pair[0].Close()
			defer pair[1].Close()
			buffer := make([]byte, 32<<10)
			for {
				n, err := pair[0].Read(buffer)
				f.mu.Lock()
				silent := f.silent
				f.mu.Unlock()
				if err == nil && !silent {
					_, err = pair[1].Write(buffer[:n])
				}
				if err != nil {
					return
				}
			}
		})
	}
	both.Wait()
}

// cut breaks every connection; new ones work.
func (f *faulty) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.open {
		_ = conn.Close()
	}
	f.open = nil
}

// silence lets nothing more through, in old connections and new.
func (f *faulty) silence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = true
}

// TestClientRenews: one stream carries a member past its lease.
func TestClientRenews(t *testing.T) { synctest.Test(t, testClientRenews) }

func testClientRenews(t *testing.T) {
	const lease = 800 * time.Millisecond
	d := beginInMemory(t, config(lease, worker(0)))
	network := newFaulty(d)
	m := d.join(network.listener.Addr().String(), 0, "A")
	receive(t, m.clusters, "cluster")
	time.Sleep(2 * lease)
	network.mu.Lock()
	dialed := network.dialed
	network.mu.Unlock()
	if dialed != 1 || len(m.joined) > 0 {
		t.Errorf("%d connections, Join ended: %v", dialed, len(m.joined) > 0)
	}
	m.reportEnd(t, Outcome{Kind: Succeeded})
	d.verdict(0)
	d.hangUp()
}

func TestClientReconnects(t *testing.T) { synctest.Test(t, testClientReconnects) }

func testClientReconnects(t *testing.T) {
	const lease = time.Second
	d := beginInMemory(t, config(lease, worker(0)))
	network := newFaulty(d)
	m := d.join(network.listener.Addr().String(), 0, "A")
	receive(t, m.clusters, "cluster")
	for range 4 { // longer than a lease in all
		network.cut()
		time.Sleep(lease / 3)
	}
	if len(m.joined) > 0 {
		t.Fatalf("Join ended: %v", <-m.joined)
	}
	m.reportEnd(t, Outcome{Kind: Succeeded})
	d.verdict(0)
	if len(m.met) != 1 || len(m.clusters) != 0 {
		t.Errorf("told again after a reconnect: registered %d times, cluster %d times more", len(m.met), len(m.clusters))
	}
	if err := receive(t, m.joined, "Join's end"); !errors.Is(err, context.Canceled) {
		t.Errorf("Join: %v", err)
	}
	d.hangUp()
}

// TestClientLosesLease: the member gives up before the server gives it up.
func TestClientLosesLease(t *testing.T) { synctest.Test(t, testClientLosesLease) }

func testClientLosesLease(t *testing.T) {
	const lease = 1600 * time.Millisecond
	d := beginInMemory(t, config(lease, worker(0)))
	network := newFaulty(d)
	m := d.join(network.listener.Addr().String(), 0, "A")
	receive(t, m.clusters, "cluster")
	time.Sleep(lease + lease/8) // between two renewals
	network.silence()
	began := time.Now()
	if err := receive(t, m.joined, "Join's end"); !errors.Is(err, ErrLeaseLost) {
		t.Fatalf("Join: %v", err)
	}
	if took := time.Since(began); took < lease/2 || took > lease {
		t.Errorf("gave up after %s, with a lease of %s", took, lease)
	}
	for len(d.events) > 0 {
		if e := <-d.events; e["event"] == "verdict" {
			t.Fatal("the server gave the member up first")
		}
	}
	began = time.Now()
	if err := m.Report(t.Context(), Outcome{Place: m.place, Kind: Lost}); err == nil {
		t.Error("a report went through a silent network")
	} else if took := time.Since(began); took > 2*lease {
		t.Errorf("Report went on for %s after the lease", took)
	}
	v := d.verdict(5)
	if v["member"] != "worker:0" || v["retryable"] != true {
		t.Errorf("verdict %v", v)
	}
	d.hangUp()
}

func TestClientFenced(t *testing.T) {
	d := begin(t, config(2*time.Second, worker(0), worker(1)))
	old := d.join(d.ready.Address, 0, "A")
	if r := receive(t, old.met, "registration"); r.Incarnation != 1 || r.Lease != 2*time.Second {
		t.Errorf("registered %+v", r)
	}
	again := d.join(d.ready.Address, 0, "B")
	if r := receive(t, again.met, "registration"); r.Incarnation != 2 {
		t.Errorf("registered %+v", r)
	}
	if reason := receive(t, old.stops, "stop"); !strings.Contains(reason, "fenced") {
		t.Errorf("stopped because %q", reason)
	}
	var rejected *RejectedError
	if err := receive(t, old.joined, "Join's end"); !errors.As(err, &rejected) || rejected.Retry {
		t.Errorf("Join of the old incarnation: %v", err)
	}
	if err := old.Report(t.Context(), Outcome{Place: old.place, Kind: Failed, Cause: "old"}); err != nil {
		t.Errorf("report of the old incarnation: %v", err)
	}
	other := d.join(d.ready.Address, 1, "A")
	receive(t, again.clusters, "cluster")
	receive(t, other.clusters, "cluster")
	again.reportEnd(t, Outcome{Kind: Succeeded})
	other.reportEnd(t, Outcome{Kind: Succeeded})
	d.verdict(0)
	d.hangUp()
}

func TestClientRejected(t *testing.T) {
	d := begin(t, config(2*time.Second, worker(0), worker(1)))
	a := d.join(d.ready.Address, 0, "A")
	receive(t, a.met, "registration")
	var rejected *RejectedError
	if err := receive(t, d.join(d.ready.Address, 1, "A").joined, "Join's end"); !errors.As(err, &rejected) || !rejected.Retry {
		t.Errorf("on an executor in use: %v", err)
	}
	wrong := d.client(d.ready.Address)
	wrong.token = strings.Repeat("0", len(wrong.token))
	if err := receive(t, d.joinAs(wrong, 1, "B", func() Renewal { return Renewal{} }).joined, "Join's end"); !errors.As(err, &rejected) || rejected.Retry || !strings.Contains(err.Error(), "wrong token") {
		t.Errorf("with a wrong token: %v", err)
	}
	if err := wrong.Report(t.Context(), Outcome{Place: Place{"worker", 1}, Kind: Failed}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("report with a wrong token: %v", err)
	}
	d.say(`{"cmd":"stop","reason":"enough"}`)
	a.reportEnd(t, Outcome{Kind: Stopped})
	d.verdict(130)
	d.hangUp()
}

// TestServerCertificates: nobody speaks to the server without a certificate of
// the run, and members speak to nobody else's server.
func TestServerCertificates(t *testing.T) {
	d := begin(t, config(2*time.Second, worker(0)))
	foreign, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(d.ready.CA))
	pair, err := tls.X509KeyPair([]byte(foreign.cert), []byte(foreign.key))
	if err != nil {
		t.Fatal(err)
	}
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "another run's": {pair}} {
		conn, err := tls.Dial("tcp", d.ready.Address, &tls.Config{RootCAs: pool, ServerName: ServerName, Certificates: certificates, NextProtos: []string{"h2"}})
		if err == nil { // TLS 1.3: the refusal comes with the first read
			_, err = io.ReadAll(conn)
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "tls:") {
			t.Errorf("certificate %s: %v", name, err)
		}
	}
	stranger := d.client(d.ready.Address)
	stranger.patience = 300 * time.Millisecond
	stranger.creds = credentials.NewTLS(&tls.Config{RootCAs: foreign.pool, ServerName: ServerName, Certificates: []tls.Certificate{pair}})
	if err := receive(t, d.joinAs(stranger, 0, "A", func() Renewal { return Renewal{} }).joined, "Join's end"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("with another run's certificates: %v", err)
	}
	d.say(`{"cmd":"stop","reason":"enough"}`)
	d.verdict(130)
	d.hangUp()
}

func TestClientUnreachable(t *testing.T) {
	d := begin(t, config(2*time.Second, worker(0)))
	d.say(`{"cmd":"stop","reason":"enough"}`)
	d.verdict(130)
	d.hangUp()
	c := d.client(d.ready.Address)
	c.patience = 300 * time.Millisecond
	if err := receive(t, d.joinAs(c, 0, "A", func() Renewal { return Renewal{} }).joined, "Join's end"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Join: %v", err)
	}
	if err := c.Report(t.Context(), Outcome{Place: Place{"worker", 0}, Kind: Failed}); err == nil {
		t.Error("a report reached nobody and succeeded")
	}
}

// TestServerSlowMember: a member that never reads loses its stream, and costs
// the other nothing.
func TestServerSlowMember(t *testing.T) { synctest.Test(t, testServerSlowMember) }

func testServerSlowMember(t *testing.T) {
	const lease = time.Second
	d := beginInMemory(t, config(lease, worker(0), worker(1)))
	good := d.join(d.ready.Address, 0, "A")
	slow := d.client(d.ready.Address)
	// Windows of a fixed size: gRPC widens others until all answers fit unread.
	conn, err := grpc.NewClient("passthrough:///"+d.ready.Address, grpc.WithTransportCredentials(slow.creds), grpc.WithContextDialer(d.network.dial),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := pb.NewReservationClient(conn).Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	registration := Registration{Place: Place{"worker", 1}, Executor: "B", Host: "there"}
	if err := stream.Send(registerToPB(registration, d.ready.Token, 0)); err != nil {
		t.Fatal(err)
	}
	receive(t, good.clusters, "cluster")
	sent := make(chan struct{})
	go func() { // gRPC lets it hang, unread, once the server has had enough
		defer close(sent)
		for i := int64(0); stream.Send(renewToPB(Renewal{}, i)) == nil; i++ {
		}
	}()
	if v := d.await("verdict"); v["member"] != "worker:1" || v["code"] != 5.0 {
		t.Errorf("verdict %v", v)
	}
	for err = nil; err == nil; {
		_, err = stream.Recv()
	}
	<-sent
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the slow member's stream: %v", err)
	}
	if reason := receive(t, good.stops, "stop"); !strings.Contains(reason, "worker:1 was lost") {
		t.Errorf("the good member was stopped because %q", reason)
	}
	d.hangUp()
}
