package reserve

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	pb "tfos/internal/reserve/reservepb"
)

// input is something that happens to the roster.
type input func(r *Roster, now time.Time) []Effect

// server carries messages between members and the roster, which one goroutine
// owns. A member that does not read loses its stream, never another's time.
type server struct {
	pb.UnimplementedReservationServer
	auth     *authority
	lease    time.Duration
	uploads  *UploadConfig // nil: members may upload nothing
	inputs   chan input
	emit     func(Event)    // must not block
	drained  chan ending    // gets one value
	finished chan struct{}  // closed when the roster's goroutine has ended
	streams  sync.WaitGroup // the goroutines of sessions

	// Owned by the roster's goroutine.
	roster   *Roster
	sessions map[int64]*session

	mu   sync.Mutex
	last int64 // session number
}

// ending is what the roster knows when all members are gone.
type ending struct {
	verdict Verdict
	made    Made
	working []placeFiles
}

func newServer(auth *authority, cfg Config, emit func(Event)) *server {
	return &server{auth: auth, lease: cfg.Lease(), uploads: cfg.Uploads, emit: emit, inputs: make(chan input),
		drained: make(chan ending, 1), finished: make(chan struct{}), sessions: map[int64]*session{}}
}

// serve accepts members on l until ctx ends. It closes l.
func (s *server) serve(ctx context.Context, l net.Listener, roster *Roster) error {
	s.roster = roster
	g := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.auth.serverTLS())),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: max(s.lease, time.Second), Timeout: max(s.lease, time.Second)}),
	)
	pb.RegisterReservationServer(g, s)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(l) }()
	s.runRoster(ctx)
	g.Stop() // ends every call
	s.streams.Wait()
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("reserve: serve: %w", err)
	}
	return nil
}

// runRoster is the roster's goroutine.
func (s *server) runRoster(ctx context.Context) {
	defer close(s.finished)
	defer func() {
		for _, session := range s.sessions {
			close(session.out)
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-s.inputs:
			s.applyEffects(in(s.roster, time.Now()))
		case <-timer.C:
			s.applyEffects(s.roster.Tick(time.Now()))
		}
		if next := s.roster.NextDeadline(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// postInput passes an input to the roster's goroutine; false: the server is ending.
func (s *server) postInput(ctx context.Context, in input) bool {
	select {
	case s.inputs <- in:
		return true
	case <-s.finished:
		return false
	case <-ctx.Done():
		return false
	}
}

func (s *server) applyEffects(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			s.send(e)
		case Close:
			if session := s.sessions[e.Session]; session != nil {
				delete(s.sessions, e.Session)
				close(session.out)
			}
		case Emit:
			s.emit(e.Event)
		case Drained:
			s.drained <- ending{s.roster.Verdict(), Made{s.roster.Results(), s.roster.Written()}, s.roster.workingFiles()}
		}
	}
}

// send queues a message. A member whose queue is full has stopped reading: its
// stream is cut, and it may come back while its lease lasts.
func (s *server) send(e Send) {
	session := s.sessions[e.Session]
	if session == nil {
		return
	}
	select {
	case session.out <- e.Message:
	default:
		close(session.cut)
		close(session.out)
		delete(s.sessions, e.Session)
	}
}

// Report implements the service.
func (s *server) Report(ctx context.Context, m *pb.Outcome) (*pb.OutcomeReply, error) {
	if err := s.checkToken(m.GetToken()); err != nil {
		return nil, err
	}
	outcome, incarnation := outcomeFromPB(m)
	if !s.postInput(ctx, func(r *Roster, now time.Time) []Effect { return r.Report(now, outcome, incarnation) }) {
		return nil, status.Error(codes.Unavailable, "the reservation server is ending")
	}
	return &pb.OutcomeReply{}, nil
}

func (s *server) checkToken(token string) error {
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.auth.token)) != 1 {
		return status.Error(codes.Unauthenticated, "wrong token: this member belongs to another run")
	}
	return nil
}
