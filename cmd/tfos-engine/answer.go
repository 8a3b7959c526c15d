package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"tfos/internal/feed"
	"tfos/internal/infer"
)

// answer predicts what the member's predict tasks bring, until the member says
// that they have brought all.
func (w *worker) answer(ctx context.Context, req *infer.PartitionsRequest) (infer.Result, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(w.folder, feed.PredictSocket)})
	if err != nil {
		return infer.Result{}, fmt.Errorf("listen for predict tasks: %w", err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all atomic.Bool
	ready := func() error {
		go func() {
			if err := w.member.AwaitEnd(); err != nil {
				cancel(err) // the member is gone: this process must end
			} else {
				all.Store(true)
			}
			_ = l.Close()
		}()
		return w.enter("running")
	}
	report := every(progressInterval, time.Now, func(partitions, rows, bytes int64) { _ = w.member.Progress(partitions, rows, bytes) })
	load := func(ctx context.Context) (infer.Model, error) { return load(ctx, &req.Computation) }
	return infer.Serve(ctx, req, load, ready, func() (infer.Stream, error) { return accept(l, &all) }, report)
}

// accept waits for the next predict task. It returns io.EOF if all tasks have come and l
// is closed. If a task's connection ends before it is taken over, accept waits for the
// next one: Spark tries that task again.
func accept(l *net.UnixListener, all *atomic.Bool) (infer.Stream, error) {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) && all.Load() {
			return infer.Stream{}, io.EOF
		}
		if err != nil {
			return infer.Stream{}, fmt.Errorf("accept a predict task: %w", err)
		}
		task, hello, err := feed.TakeOver(conn)
		if err == nil {
			return infer.Stream{ReadWriteCloser: task, Partition: hello.Partition, Attempt: hello.Attempt}, nil
		}
	}
}
