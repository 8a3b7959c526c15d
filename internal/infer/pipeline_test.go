package infer

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

// brokenSource breaks off with an error that has io.EOF as its cause.
type brokenSource struct{}

func (brokenSource) next(context.Context) (batch, error) {
	return batch{}, fmt.Errorf("page 3: %w", io.EOF)
}
func (brokenSource) noRows() arrow.Record { return nil }
func (brokenSource) close() error         { return nil }

// TestABreakIsNoEnd: a source that breaks off has not given all its rows.
func TestABreakIsNoEnd(t *testing.T) {
	batches := make(chan batch, 1)
	p := &pipeline{source: brokenSource{}}
	if err := p.readStage(t.Context(), batches); err == nil {
		t.Error("taken for the end")
	}
	select {
	case <-batches:
		t.Error("the channel is closed")
	default:
	}
}
