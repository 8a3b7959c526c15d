package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// retryPolicy says how calls to remote stores are repeated. The clients' own repeats are
// off: the times here are the whole truth.
type retryPolicy struct {
	total time.Duration // from the first try to giving up
	first time.Duration // the longest pause before the second try. It doubles each time
	most  time.Duration // the longest pause, unless the store asks for a longer one
}

// remote is the policy of all remote stores.
var remote = retryPolicy{total: 60 * time.Second, first: 200 * time.Millisecond, most: 10 * time.Second}

// Time limits of one try.
const (
	callTime  = 30 * time.Second // of a call without much data
	leastTime = time.Second      // of the last try
	writeRate = 100 << 10        // bytes/s: the slowest transfer of a part that is waited for
)

// retryable is an error that says whether the same call may succeed later, and after
// which time. 0 means that the store did not say.
type retryable interface {
	error
	Retry() (again bool, after time.Duration)
}

// retryAfter reports whether an error may pass, and after which time.
func retryAfter(err error) (again bool, after time.Duration) {
	var known retryable
	if errors.As(err, &known) {
		return known.Retry()
	}
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &network) && network.Timeout(), 0
}

// call is what a call does, for errors: "read", "s3://bucket/a".
type call struct{ operation, path string }

// do calls try until it succeeds, until its error does not pass, or until the policy's
// time is over. A try has at most limit; 0 is no limit. The error has the operation, the
// path and the store's last answer, or that there was none.
func (p retryPolicy) do(ctx context.Context, c call, limit time.Duration, try func(context.Context) error) error {
	begin := time.Now()
	total := max(p.total, limit)
	pause := p.first
	var answer error // the store's last
	for tries := 1; ; tries++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := max(total-time.Since(begin), leastTime)
		err := p.once(ctx, min(limit, left), try)
		if err == nil {
			return nil
		}
		if cause := ctx.Err(); cause != nil {
			return fmt.Errorf("store: %s %s: %w", c.operation, c.path, cause)
		}
		again, after := retryAfter(err)
		if !again {
			return fmt.Errorf("store: %s %s: %w", c.operation, c.path, err)
		}
		if !errors.As(err, new(slowError)) {
			answer = err
		} else if left < limit && answer != nil {
			err = answer // this try had less time than others: it tells less
		}
		wait := max(after, rand.N(pause)+pause/4)
		pause = min(2*pause, p.most)
		if spent := time.Since(begin); spent+wait >= total {
			return fmt.Errorf("store: %s %s: gave up after %d tries in %s: %w", c.operation, c.path, tries, spent.Round(time.Second), err)
		}
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("store: %s %s: %w", c.operation, c.path, err)
		}
	}
}

// once calls try with a time limit.
func (retryPolicy) once(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	if limit <= 0 {
		return try(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, slowError{limit})
	defer cancel()
	err := try(ctx)
	if err != nil && errors.Is(context.Cause(ctx), slowError{limit}) {
		return slowError{limit}
	}
	return err
}

// slowError is the error of a try that took too long.
type slowError struct{ limit time.Duration }

func (e slowError) Error() string {
	return fmt.Sprintf("no answer within %s", e.limit.Round(time.Millisecond))
}

// Retry implements retryable.
func (slowError) Retry() (again bool, after time.Duration) { return true, 0 }

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
