package reserve_test

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
	"google.golang.org/grpc/status"

	pb "tfos/internal/reserve/reservepb"

	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// faulty stands between a member and the server: its connections can be cut, or go
// silent and stay open.
type faulty struct {
	listener net.Listener
	network  reserve.Network
	to       string

	mu     sync.Mutex
	open   []net.Conn
	silent bool
	hushed int // connections up to this one are silent
	dialed int
}

// newFaulty stands before the server at address.
func newFaulty(t *testing.T, network reserve.Network, address string) *faulty {
	t.Helper()
	l, err := network.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{listener: l, network: network, to: address}
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
	far, err := f.network.DialAddress(context.Background(), f.to)
	if err != nil {
		_ = near.Close()
		return
	}
	f.mu.Lock()
	f.open = append(f.open, near, far)
	f.dialed++
	number := f.dialed
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
				silent := f.silent || number <= f.hushed
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

// silenceOpen lets nothing more through in the connections that are open.
func (f *faulty) silenceOpen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hushed = f.dialed
}

// connections is how many there have been.
func (f *faulty) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialed
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
	d, network := beginInMemory(t, reservetest.Config(lease, reservetest.Worker(0)))
	between := newFaulty(t, network, d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	time.Sleep(2 * lease)
	if dialed := between.connections(); dialed != 1 || len(m.Joined) > 0 {
		t.Errorf("%d connections, Join ended: %v", dialed, len(m.Joined) > 0)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	d.AwaitVerdict(0)
	d.HangUp()
}

func TestClientReconnects(t *testing.T) { synctest.Test(t, testClientReconnects) }

func testClientReconnects(t *testing.T) {
	const lease = time.Second
	d, network := beginInMemory(t, reservetest.Config(lease, reservetest.Worker(0)))
	between := newFaulty(t, network, d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	for range 4 { // longer than a lease in all
		between.cut()
		time.Sleep(lease / 3)
	}
	if len(m.Joined) > 0 {
		t.Fatalf("Join ended: %v", <-m.Joined)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	d.AwaitVerdict(0)
	if len(m.Registrations) != 1 || len(m.Clusters) != 0 {
		t.Errorf("told again after a reconnect: registered %d times, cluster %d times more", len(m.Registrations), len(m.Clusters))
	}
	if err := reservetest.Receive(t, m.Joined, "Join's end"); !errors.Is(err, context.Canceled) {
		t.Errorf("Join: %v", err)
	}
	d.HangUp()
}

// TestClientLosesLease: the member gives up before the server gives it up.
func TestClientLosesLease(t *testing.T) { synctest.Test(t, testClientLosesLease) }

func testClientLosesLease(t *testing.T) {
	const lease = 1600 * time.Millisecond
	d, network := beginInMemory(t, reservetest.Config(lease, reservetest.Worker(0)))
	between := newFaulty(t, network, d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	time.Sleep(lease + lease/8) // between two renewals
	between.silence()
	began := time.Now()
	if err := reservetest.Receive(t, m.Joined, "Join's end"); !errors.Is(err, reserve.ErrLeaseLost) {
		t.Fatalf("Join: %v", err)
	}
	if took := time.Since(began); took < lease/2 || took > lease {
		t.Errorf("gave up after %s, with a lease of %s", took, lease)
	}
	for len(d.Events) > 0 {
		if e := <-d.Events; e["event"] == "verdict" {
			t.Fatal("the server gave the member up first")
		}
	}
	began = time.Now()
	if err := m.Report(t.Context(), reserve.Outcome{Place: m.Place, Kind: reserve.Lost}); err == nil {
		t.Error("a report went through a silent network")
	} else if took := time.Since(began); took > 2*lease {
		t.Errorf("Report went on for %s after the lease", took)
	}
	v := d.AwaitVerdict(5)
	if v["member"] != "worker:0" || v["retryable"] != true {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
}

func TestClientFenced(t *testing.T) {
	d := begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0), reservetest.Worker(1)))
	old := d.Join(d.Ready.Address, 0, "A")
	if r := reservetest.Receive(t, old.Registrations, "registration"); r.Incarnation != 1 || r.Lease != 2*time.Second {
		t.Errorf("registered %+v", r)
	}
	again := d.Join(d.Ready.Address, 0, "B")
	if r := reservetest.Receive(t, again.Registrations, "registration"); r.Incarnation != 2 {
		t.Errorf("registered %+v", r)
	}
	if reason := reservetest.Receive(t, old.Stops, "stop"); !strings.Contains(reason, "fenced") {
		t.Errorf("stopped because %q", reason)
	}
	var rejected *reserve.RejectedError
	if err := reservetest.Receive(t, old.Joined, "Join's end"); !errors.As(err, &rejected) || rejected.Retry {
		t.Errorf("Join of the old incarnation: %v", err)
	}
	if err := old.Report(t.Context(), reserve.Outcome{Place: old.Place, Kind: reserve.Failed, Cause: "old"}); err != nil {
		t.Errorf("report of the old incarnation: %v", err)
	}
	other := d.Join(d.Ready.Address, 1, "A")
	reservetest.Receive(t, again.Clusters, "cluster")
	reservetest.Receive(t, other.Clusters, "cluster")
	again.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	other.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	d.AwaitVerdict(0)
	d.HangUp()
}

func TestClientRejected(t *testing.T) {
	d := begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0), reservetest.Worker(1)))
	a := d.Join(d.Ready.Address, 0, "A")
	reservetest.Receive(t, a.Registrations, "registration")
	var rejected *reserve.RejectedError
	if err := reservetest.Receive(t, d.Join(d.Ready.Address, 1, "A").Joined, "Join's end"); !errors.As(err, &rejected) || !rejected.Retry {
		t.Errorf("on an executor in use: %v", err)
	}
	credentials := d.Credentials(d.Ready.Address)
	credentials.Token = strings.Repeat("0", len(credentials.Token))
	wrong := d.ClientWith(credentials)
	if err := reservetest.Receive(t, d.JoinAs(wrong, 1, "B", func() reserve.Renewal { return reserve.Renewal{} }).Joined, "Join's end"); !errors.As(err, &rejected) || rejected.Retry || !strings.Contains(err.Error(), "wrong token") {
		t.Errorf("with a wrong token: %v", err)
	}
	if err := wrong.Report(t.Context(), reserve.Outcome{Place: reserve.Place{Job: "worker", Index: 1}, Kind: reserve.Failed}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("report with a wrong token: %v", err)
	}
	d.Say(`{"cmd":"stop","reason":"enough"}`)
	a.ReportEnd(t, reserve.Outcome{Kind: reserve.Stopped})
	d.AwaitVerdict(130)
	d.HangUp()
}

// TestServerCertificates: nobody speaks to the server without a certificate of
// the run, and members speak to nobody else's server.
func TestServerCertificates(t *testing.T) {
	d := begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)))
	foreign := reserve.ForeignCredentials(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(d.Ready.CA))
	pair, err := tls.X509KeyPair([]byte(foreign.Cert), []byte(foreign.Key))
	if err != nil {
		t.Fatal(err)
	}
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "another run's": {pair}} {
		conn, err := tls.Dial("tcp", d.Ready.Address, &tls.Config{RootCAs: pool, ServerName: reserve.ServerName, Certificates: certificates, NextProtos: []string{"h2"}})
		if err == nil { // TLS 1.3: the refusal comes with the first read
			_, err = io.ReadAll(conn)
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "tls:") {
			t.Errorf("certificate %s: %v", name, err)
		}
	}
	foreign.Server, foreign.Token = d.Ready.Address, d.Ready.Token
	stranger := d.ClientWith(foreign)
	stranger.SetPatience(300 * time.Millisecond)
	if err := reservetest.Receive(t, d.JoinAs(stranger, 0, "A", func() reserve.Renewal { return reserve.Renewal{} }).Joined, "Join's end"); !errors.Is(err, reserve.ErrUnreachable) {
		t.Errorf("with another run's certificates: %v", err)
	}
	d.Say(`{"cmd":"stop","reason":"enough"}`)
	d.AwaitVerdict(130)
	d.HangUp()
}

func TestClientUnreachable(t *testing.T) {
	d := begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)))
	d.Say(`{"cmd":"stop","reason":"enough"}`)
	d.AwaitVerdict(130)
	d.HangUp()
	c := d.Client(d.Ready.Address)
	c.SetPatience(300 * time.Millisecond)
	if err := reservetest.Receive(t, d.JoinAs(c, 0, "A", func() reserve.Renewal { return reserve.Renewal{} }).Joined, "Join's end"); !errors.Is(err, reserve.ErrUnreachable) {
		t.Errorf("Join: %v", err)
	}
	if err := c.Report(t.Context(), reserve.Outcome{Place: reserve.Place{Job: "worker", Index: 0}, Kind: reserve.Failed}); err == nil {
		t.Error("a report reached nobody and succeeded")
	}
}

// TestServerSlowMember: a member that never reads loses its stream, and costs
// the other nothing.
func TestServerSlowMember(t *testing.T) { synctest.Test(t, testServerSlowMember) }

func testServerSlowMember(t *testing.T) {
	const lease = time.Second
	d, network := beginInMemory(t, reservetest.Config(lease, reservetest.Worker(0), reservetest.Worker(1)))
	good := d.Join(d.Ready.Address, 0, "A")
	slow := d.Client(d.Ready.Address)
	// Windows of a fixed size: gRPC widens others until all answers fit unread.
	conn, err := grpc.NewClient("passthrough:///"+d.Ready.Address, grpc.WithTransportCredentials(slow.TransportCredentials()), grpc.WithContextDialer(network.DialAddress),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := pb.NewReservationClient(conn).Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	registration := reserve.Registration{Place: reserve.Place{Job: "worker", Index: 1}, Executor: "B", Host: "there"}
	if err := stream.Send(reserve.RegisterToPB(registration, d.Ready.Token, 0)); err != nil {
		t.Fatal(err)
	}
	reservetest.Receive(t, good.Clusters, "cluster")
	sent := make(chan struct{})
	go func() { // gRPC lets it hang, unread, once the server has had enough
		defer close(sent)
		for i := int64(0); stream.Send(reserve.RenewToPB(reserve.Renewal{}, i)) == nil; i++ {
		}
	}()
	if v := d.Await("verdict"); v["member"] != "worker:1" || v["code"] != 5.0 {
		t.Errorf("verdict %v", v)
	}
	for err = nil; err == nil; {
		_, err = stream.Recv()
	}
	<-sent
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the slow member's stream: %v", err)
	}
	if reason := reservetest.Receive(t, good.Stops, "stop"); !strings.Contains(reason, "worker:1 was lost") {
		t.Errorf("the good member was stopped because %q", reason)
	}
	d.HangUp()
}
