package reservetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tfos/internal/reserve"
)

// Config is the configuration of run r1, with a feed "train".
func Config(lease time.Duration, members ...reserve.MemberConfig) reserve.Config {
	return reserve.Config{Run: "r1", Members: members, Feeds: []reserve.FeedConfig{{Name: "train"}}, LeaseMS: lease.Milliseconds(), ReservationMS: 60_000, StallMS: 60_000}
}

// Worker is worker i, which is required and takes the feed "train".
func Worker(i int) reserve.MemberConfig {
	return reserve.MemberConfig{Job: "worker", Index: i, Required: true, Feeds: []string{"train"}}
}

// nothing is the work of members that only come and go.
type nothing struct{}

// OpenNothing opens a work that has nothing to share out and nothing to publish.
func OpenNothing([]byte) (reserve.Work, error) { return nothing{}, nil }

func (nothing) ShareOut(context.Context) (reserve.Shares, reserve.Start) {
	return reserve.Shares{}, reserve.Start{}
}

func (nothing) Command(context.Context, string, []byte) (reserve.Start, bool) {
	return reserve.Start{}, false
}

func (nothing) Finish(_ context.Context, v reserve.Verdict, _ reserve.Made) (reserve.Verdict, error) {
	return v, nil
}

func (nothing) Clear(context.Context) error { return nil }

// Member is one client that joined. Its channels have what the server has said to it,
// in order.
type Member struct {
	*reserve.Client
	Place         reserve.Place
	Registrations chan reserve.Registered
	Clusters      chan reserve.Cluster
	Marks         chan reserve.LowWater
	FeedEnds      chan reserve.FeedEnd
	Stops         chan string
	Joined        chan error // Join's
	// Leave ends Join's context.
	Leave context.CancelFunc
}

// Credentials are a member's, for a server that is reached at address.
func (d *Driver) Credentials(address string) reserve.Credentials {
	return reserve.Credentials{Server: address, CA: d.Ready.CA, Cert: d.Ready.Cert, Key: d.Ready.Key, Token: d.Ready.Token}
}

// Client is a client with the run's credentials.
func (d *Driver) Client(address string) *reserve.Client {
	d.t.Helper()
	return d.ClientWith(d.Credentials(address))
}

// ClientWith is a client with other credentials.
func (d *Driver) ClientWith(credentials reserve.Credentials) *reserve.Client {
	d.t.Helper()
	c, err := d.network.Dial(d.t.Context(), credentials)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// Join lets a worker join that is in the phase "running".
func (d *Driver) Join(address string, index int, executor string) *Member {
	return d.JoinAs(d.Client(address), index, executor, func() reserve.Renewal { return reserve.Renewal{Phase: "running"} })
}

// JoinAs lets a worker join with a client and renewals of its own.
func (d *Driver) JoinAs(c *reserve.Client, index int, executor string, renewal func() reserve.Renewal) *Member {
	m := &Member{Client: c, Place: reserve.Place{Job: "worker", Index: index},
		Registrations: make(chan reserve.Registered, 10), Clusters: make(chan reserve.Cluster, 10), Marks: make(chan reserve.LowWater, 100),
		FeedEnds: make(chan reserve.FeedEnd, 10), Stops: make(chan string, 10), Joined: make(chan error, 1)}
	ctx, cancel := context.WithCancel(d.t.Context())
	m.Leave = cancel
	d.t.Cleanup(cancel)
	registration := reserve.Registration{Place: m.Place, Address: fmt.Sprintf("127.0.0.1:%d", 4000+index), Executor: executor, Host: "here"}
	go func() {
		m.Joined <- c.Join(ctx, registration, reserve.Handler{
			Renewal:    renewal,
			Registered: func(r reserve.Registered) { m.Registrations <- r },
			Cluster:    func(c reserve.Cluster) { m.Clusters <- c },
			LowWater:   func(w reserve.LowWater) { m.Marks <- w },
			FeedEnd:    func(e reserve.FeedEnd) { m.FeedEnds <- e },
			Stop:       func(reason string) { m.Stops <- reason },
		})
	}()
	return m
}

// ReportEnd reports the member's outcome and leaves the run.
func (m *Member) ReportEnd(t testing.TB, o reserve.Outcome) {
	t.Helper()
	o.Place = m.Place
	if err := m.Report(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	m.Leave()
}
