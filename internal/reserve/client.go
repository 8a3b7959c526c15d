package reserve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	pb "tfos/internal/reserve/reservepb"
)

// patience bounds how long a member that was never registered looks for the
// server: without a lease nothing else would end it when the driver is gone.
const patience = 10 * time.Second

// ErrLeaseLost is returned by Client.Join when no renewal was answered for a
// whole lease: the member must end its child and itself at once.
var ErrLeaseLost = errors.New("reserve: lease lost: the reservation server did not answer")

// ErrUnreachable is returned by Client.Join when the server could not be
// reached at all, so that the member never had a lease.
var ErrUnreachable = errors.New("reserve: the reservation server cannot be reached")

// RejectedError is returned by Client.Join when the server refuses the member.
// Retry: Spark shall place the task again (exit 75); else the node exits 0.
type RejectedError struct {
	Reason string
	Retry  bool
}

func (e *RejectedError) Error() string { return "reserve: rejected: " + e.Reason }

// Credentials are what a member needs to reach the reservation server of its
// run. CA, Cert and Key are PEM.
type Credentials struct {
	Server string // host:port
	CA     string
	Cert   string
	Key    string
	Token  string
}

// Handler receives what the server says to a member. Its functions are called
// one at a time from Join's goroutine and must return within milliseconds: an
// answer to a renewal waits behind them. Renewal is called from another
// goroutine. All but Renewal may be nil.
type Handler struct {
	// Renewal returns how far the member is now.
	Renewal func() Renewal
	// Registered is called at the first registration only.
	Registered func(Registered)
	// Cluster is called once per generation.
	Cluster func(Cluster)
	// TrainingEnded is called once.
	TrainingEnded func()
	// LowWater and FeedEnd: a mark never goes back; each epoch's end comes once.
	LowWater func(LowWater)
	FeedEnd  func(FeedEnd)
	// Replay is called once per feed, after its first epoch's end.
	Replay func(Replay)
	// Stop may be called more than once. Join goes on: the member reports its
	// outcome and then cancels Join's context.
	Stop func(reason string)
}

// dialFunc connects to a server (host:port).
type dialFunc func(ctx context.Context, address string) (net.Conn, error)

// Client is one member's side of the reservation service. Its methods may be
// called concurrently; Join only once at a time.
type Client struct {
	server   string
	token    string
	creds    credentials.TransportCredentials
	patience time.Duration
	nudge    chan struct{}
	dial     dialFunc // nil: gRPC's own

	mu          sync.Mutex
	incarnation int64
	lease       time.Duration
	leaseEnd    time.Time // zero: never registered
}

// Dial prepares a client. It opens no connection: Join, Report and an Uploader do, and
// no attempt uses the connection of one that failed.
func Dial(ctx context.Context, c Credentials) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(c.Cert), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("reserve: read member certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(c.CA)) {
		return nil, errors.New("reserve: read authority: no certificate in it")
	}
	return &Client{
		server: c.Server, token: c.Token, patience: patience, nudge: make(chan struct{}, 1),
		creds: credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{pair}, RootCAs: pool,
			ServerName: ServerName, MinVersion: tls.VersionTLS13,
		}),
	}, nil
}

// Renew asks for a renewal soon, because something the server should know has
// changed. It never blocks; calls made while a renewal is unanswered count as
// one.
func (c *Client) Renew() {
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// Join registers the member and keeps its lease until something ends it. A
// broken stream is opened again with the member's incarnation. It returns
// ErrLeaseLost, ErrUnreachable (wrapped), a *RejectedError, or the context's
// error.
func (c *Client) Join(ctx context.Context, r Registration, h Handler) error {
	if h.Renewal == nil {
		return errors.New("reserve: join: no Renewal function")
	}
	giveUp := time.Now().Add(c.patience)
	filter := newMessageFilter(h)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		began := time.Now()
		err := c.joinOnce(ctx, r, filter, giveUp)
		if final := c.judge(ctx, err, giveUp); final != nil {
			return final
		}
		if time.Since(began) > time.Second {
			pause = 20 * time.Millisecond
		}
		wait := pause/2 + rand.N(pause)
		if until := time.Until(c.leaseDeadline(giveUp)); wait > until {
			wait = until
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		if final := c.judge(ctx, err, giveUp); final != nil {
			return final
		}
	}
}

// judge says whether err, the end of one stream, is the end of Join.
func (c *Client) judge(ctx context.Context, err error, giveUp time.Time) error {
	var rejected *RejectedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &rejected):
		return rejected
	case status.Code(err) == codes.Unauthenticated:
		return &RejectedError{Reason: status.Convert(err).Message()}
	case time.Now().Before(c.leaseDeadline(giveUp)):
		return nil
	case c.registered():
		return ErrLeaseLost
	default:
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.server, err)
	}
}

// Report delivers the member's outcome. It tries again until the lease would
// be over (a running Join prolongs it), at least once.
func (c *Client) Report(ctx context.Context, o Outcome) error {
	if err := c.retry(ctx, func() error { return c.reportOnce(ctx, o) }); err != nil {
		return fmt.Errorf("reserve: report outcome: %w", err)
	}
	return nil
}

// retry makes a call until it succeeds, the server refuses it, or the lease
// would be over.
func (c *Client) retry(ctx context.Context, call func() error) error {
	giveUp := time.Now().Add(c.patience)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := call()
		if err == nil || refused(err) || !time.Now().Add(pause).Before(c.leaseDeadline(giveUp)) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// refused reports whether the server would answer the same call the same way again.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}

func (c *Client) reportOnce(ctx context.Context, o Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, c.attemptTimeout())
	defer cancel()
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	c.mu.Lock()
	incarnation := c.incarnation
	c.mu.Unlock()
	_, err = pb.NewReservationClient(conn).Report(ctx, outcomeToPB(o, c.token, incarnation))
	return err
}

// connect prepares a connection to the server itself: a proxy of the machine is
// for what lies outside of the cluster, and often refuses what lies inside.
func (c *Client) connect() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(c.creds), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage))}
	if c.dial != nil {
		options = append(options, grpc.WithContextDialer(c.dial))
	}
	return grpc.NewClient("passthrough:///"+c.server, options...)
}

// sleep waits for d or the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
