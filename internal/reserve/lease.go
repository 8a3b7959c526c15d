package reserve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "tfos/internal/reserve/reservepb"
)

// maxMessage bounds one message: an inference member's share lists its files.
const maxMessage = 64 << 20

// nudgeGap bounds the renewals that Client.Renew brings about to 100 a second.
const nudgeGap = 10 * time.Millisecond

// leaseDeadline returns when the member must give up: at its lease's end, or at
// giveUp if it has no lease yet.
func (c *Client) leaseDeadline(giveUp time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaseEnd.IsZero() {
		return giveUp
	}
	return c.leaseEnd
}

func (c *Client) registered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.leaseEnd.IsZero()
}

// attemptTimeout bounds one report call, so that a connection that swallows it leaves
// time for another.
func (c *Client) attemptTimeout() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lease == 0 {
		return c.patience / 2
	}
	return max(c.lease/3, 100*time.Millisecond)
}

// extendLease counts the lease from sent, the time when the answered message was
// sent. The server received it later, so that the member gives up first. It gives up
// a sixteenth of a lease early: that is its time to kill its child.
func (c *Client) extendLease(sent time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if end := sent.Add(c.lease - c.lease/16); end.After(c.leaseEnd) {
		c.leaseEnd = end
	}
	return c.leaseEnd
}

// joining is one stream of a membership.
type joining struct {
	client *Client
	filter *messageFilter
	stream pb.Reservation_JoinClient
	// silenceTimer cancels the stream when no answer has come for so long that only
	// another connection can still save the lease.
	silenceTimer *time.Timer
	// ping asks the sender for a renewal at once; answered tells it that
	// nothing is outstanding.
	ping     chan struct{}
	answered chan struct{}

	mu   sync.Mutex
	sent map[int64]time.Time // of renewals not answered yet
}

// joinOnce opens one stream and serves it to its end. It never returns nil.
func (c *Client) joinOnce(ctx context.Context, r Registration, filter *messageFilter, giveUp time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	silent := time.AfterFunc(time.Until(c.leaseDeadline(giveUp)), func() {
		cancel(errors.New("reserve: no answer on this stream"))
	})
	defer silent.Stop()
	stream, err := pb.NewReservationClient(conn).Join(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	incarnation := c.incarnation
	c.mu.Unlock()
	began := time.Now()
	if err := stream.Send(registerToPB(r, c.token, incarnation)); err != nil {
		_, err = stream.Recv() // has the server's reason
		return fmt.Errorf("reserve: register: %w", err)
	}
	j := &joining{client: c, filter: filter, stream: stream, silenceTimer: silent,
		ping: make(chan struct{}, 1), answered: make(chan struct{}, 1), sent: map[int64]time.Time{}}
	registered, err := j.register(began)
	if err != nil {
		return err
	}
	sending := make(chan struct{})
	go func() {
		defer close(sending)
		if err := j.sendRenewals(ctx, registered.Lease/4); err != nil {
			cancel(err)
		}
	}()
	err = j.receive()
	cancel(err)
	<-sending
	return err
}

// register waits for the answer to a Register that was sent at began.
func (j *joining) register(began time.Time) (Registered, error) {
	m, err := j.stream.Recv()
	if err != nil {
		return Registered{}, fmt.Errorf("reserve: register: %w", err)
	}
	switch m := messageFromPB(m).(type) {
	case Rejected:
		return Registered{}, &RejectedError{Reason: m.Reason, Retry: m.Retry}
	case Registered:
		if m.Lease <= 0 {
			return Registered{}, errors.New("reserve: register: the server gave a lease of no length")
		}
		j.client.mu.Lock()
		j.client.incarnation, j.client.lease = m.Incarnation, m.Lease
		j.client.mu.Unlock()
		j.extendLease(began)
		j.filter.deliverRegistered(m)
		return m, nil
	default:
		return Registered{}, fmt.Errorf("reserve: register: the server answered with %T", m)
	}
}

func (j *joining) extendLease(sent time.Time) {
	end := j.client.extendLease(sent)
	// A third of a lease is left for another connection.
	j.silenceTimer.Reset(time.Until(end) - j.client.lease/3)
}

// sendRenewals renews every interval, at once when pinged, and on Client.Renew, until
// the stream's context ends.
func (j *joining) sendRenewals(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for sequence := int64(1); ; sequence++ {
		if err := j.renew(sequence); err != nil {
			return err
		}
		if !j.awaitNextRenewal(ctx, ticker.C) {
			return nil
		}
	}
}

// awaitNextRenewal blocks until the next renewal is due; false: the stream is ending.
// A nudge counts only after the last renewal was answered, and nudgeGap after it: the
// server sets the pace.
func (j *joining) awaitNextRenewal(ctx context.Context, tick <-chan time.Time) bool {
	gap := time.NewTimer(nudgeGap)
	defer gap.Stop()
	var nudge <-chan struct{}
	for answered, rested := false, false; ; {
		select {
		case <-ctx.Done():
			return false
		case <-j.answered:
			answered = true
		case <-gap.C:
			rested = true
		case <-nudge:
			return true
		case <-j.ping:
			return true
		case <-tick:
			return true
		}
		if answered && rested {
			nudge = j.client.nudge
		}
	}
}

func (j *joining) renew(sequence int64) error {
	renewal := j.filter.handler.Renewal()
	j.mu.Lock()
	j.sent[sequence] = time.Now()
	j.mu.Unlock()
	return j.stream.Send(renewToPB(renewal, sequence))
}

// receive serves the server's messages until the stream ends.
func (j *joining) receive() error {
	for {
		m, err := j.stream.Recv()
		if err != nil {
			return fmt.Errorf("reserve: stream: %w", err)
		}
		switch m := messageFromPB(m).(type) {
		case Renewed:
			j.renewed(m.Sequence)
		case Ping:
			signal(j.ping)
		case Rejected:
			return &RejectedError{Reason: m.Reason, Retry: m.Retry}
		case nil: // of a newer server
		default:
			j.filter.deliver(m)
		}
	}
}

func (j *joining) renewed(sequence int64) {
	j.mu.Lock()
	sent, ok := j.sent[sequence]
	delete(j.sent, sequence)
	outstanding := len(j.sent)
	j.mu.Unlock()
	if ok {
		j.extendLease(sent)
	}
	if outstanding == 0 {
		signal(j.answered)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
