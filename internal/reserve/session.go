package reserve

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "tfos/internal/reserve/reservepb"
)

// queueLength bounds what one member has not read yet: several leases' worth of
// answers, marks and pings.
const queueLength = 256

// session is one open stream. The roster's goroutine sends to out and closes
// it; closing cut as well ends the stream without sending what is left.
type session struct {
	id  int64
	out chan Message
	cut chan struct{}
}

// Join implements the service. The two goroutines of a stream end with it, and
// it ends when this method returns: the server waits for them at its own end.
func (s *server) Join(stream pb.Reservation_JoinServer) error {
	ctx := stream.Context()
	received := make(chan error, 1)
	sent := make(chan error, 1)
	session := s.openSession()
	s.streams.Add(2)
	go func() {
		defer s.streams.Done()
		received <- s.receive(ctx, stream, session)
		// Here, so that it comes after everything else of this stream.
		s.postInput(context.WithoutCancel(ctx), func(r *Roster, now time.Time) []Effect {
			if s.sessions[session.id] != nil {
				delete(s.sessions, session.id)
				close(session.out)
			}
			return r.Disconnected(now, session.id)
		})
	}()
	go func() {
		defer s.streams.Done()
		sent <- transmit(ctx, stream, session)
	}()
	select {
	case err := <-received:
		return err
	case err := <-sent:
		return err
	case <-session.cut:
		return status.Error(codes.ResourceExhausted, "this member does not read what it is sent")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) openSession() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return &session{id: s.last, out: make(chan Message, queueLength), cut: make(chan struct{})}
}

// transmit sends what is queued until the queue is closed or the stream ends.
func transmit(ctx context.Context, stream pb.Reservation_JoinServer, session *session) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m, more := <-session.out:
			if !more {
				return nil
			}
			if err := stream.Send(messageToPB(m)); err != nil {
				return err
			}
		}
	}
}

// receive hands the member's messages to the roster until the stream ends.
func (s *server) receive(ctx context.Context, stream pb.Reservation_JoinServer, session *session) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	if m.GetRegister() == nil {
		return status.Error(codes.InvalidArgument, "a member speaks first with Register")
	}
	if err := s.checkToken(m.GetRegister().GetToken()); err != nil {
		return err
	}
	registration, incarnation := registerFromPB(m.GetRegister())
	in := func(r *Roster, now time.Time) []Effect {
		s.sessions[session.id] = session
		return r.Register(now, session.id, registration, incarnation)
	}
	for s.postInput(ctx, in) {
		if m, err = stream.Recv(); err != nil {
			return err
		}
		if m.GetRenew() == nil {
			return status.Error(codes.InvalidArgument, "a registered member only renews")
		}
		renewal, sequence := renewFromPB(m.GetRenew())
		in = func(r *Roster, now time.Time) []Effect { return r.Renew(now, session.id, renewal, sequence) }
	}
	return status.Error(codes.Unavailable, "the reservation server is ending")
}
