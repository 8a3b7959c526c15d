package store

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestLastAnswer: what a store has said is not hidden by a last try that had less time.
func TestLastAnswer(t *testing.T) {
	policy := retryPolicy{total: 1500 * time.Millisecond, first: time.Millisecond, most: time.Millisecond}
	tries := 0
	err := policy.do(t.Context(), call{"stat", "a"}, policy.total, func(ctx context.Context) error {
		if tries++; tries > 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return io.ErrUnexpectedEOF
	})
	if err == nil || !strings.Contains(err.Error(), "stat a: gave up after 2 tries in 2s: unexpected EOF") {
		t.Error(err)
	}
}
