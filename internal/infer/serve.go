package infer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"tfos/internal/files"
)

// Stream is one attempt of Spark's at a partition: an Arrow stream of columns
// comes in, and one of predictions goes out, a record for each, in their order.
// With OnBadRow fail it has as many rows; else it has those that are predicted,
// and a first column, int64, of their numbers in the record, from 0.
type Stream struct {
	io.ReadWriteCloser
	Partition int
	Attempt   int64
}

// Accept waits for the next stream. io.EOF: there is none any more, Spark has
// what it asked for.
type Accept func() (Stream, error)

// streamGrace is how long streams may go on after accept has returned io.EOF: only
// those that Spark has given up do.
const streamGrace = 5 * time.Second

// Serve loads the model once and predicts what streams bring, all of them at
// once, until accept says that there are no more; ready is called when the model
// is loaded. A stream that breaks off is Spark's to try again. With OnBadRow fail a
// row that cannot be predicted ends all: the error names its partition, row and
// column. With quarantine streams bring the kept columns too, and each has a file
// of its bad rows in the request's Aside, QuarantineFolder/part-PARTITION-ATTEMPT;
// those of attempts that Latest passes over are there too.
func Serve(ctx context.Context, req *PartitionsRequest, load Load, ready func() error, accept Accept, progress Progress) (Result, error) {
	s, err := newServer(req, memory.DefaultAllocator, progress)
	if err != nil {
		return Result{}, err
	}
	err = s.withModel(ctx, load, func() error {
		if err := ready(); err != nil {
			return err
		}
		return s.serveStreams(ctx, accept)
	})
	return s.tally.servedResult(), err
}

// server is what the streams of one request have in common.
type server struct {
	run
	aside      string          // folder of the quarantine
	arriving   *files.Recycler // what streams bring
	firstBegan time.Time       // when the first stream began; guarded by tally.mu
}

func newServer(req *PartitionsRequest, mem memory.Allocator, progress Progress) (*server, error) {
	base, err := newRun(&req.Computation, mem, progress)
	return &server{run: base, aside: req.Aside, arriving: &files.Recycler{Allocator: mem}}, err
}

func (s *server) serveStreams(parent context.Context, accept Accept) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	// Not in the group: accept may wait for ever after a stream has failed.
	streams := make(chan Stream)
	ended := make(chan error, 1)
	go func() {
		for {
			stream, err := accept()
			if err != nil {
				ended <- err
				return
			}
			select {
			case streams <- stream:
			case <-ctx.Done():
				_ = stream.Close()
			}
		}
	}()
	for {
		select {
		case stream := <-streams:
			group.Go(func() error { return s.serveStream(ctx, stream) })
			continue
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				err = nil
			} else {
				cancel()
			}
			late := time.AfterFunc(streamGrace, cancel)
			defer late.Stop()
			return errors.Join(err, group.Wait())
		case <-ctx.Done():
			return errors.Join(group.Wait(), parent.Err())
		}
	}
}

// beginStream notes when the first stream began.
func (s *server) beginStream(now time.Time) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	if s.firstBegan.IsZero() {
		s.firstBegan = now
	}
}

// endStream adds the account of a stream. done: its task took all predictions.
func (s *server) endStream(now time.Time, p ServedPartition, c clocks, done bool) {
	s.tally.addPartition(p, c, done)
	s.tally.mu.Lock()
	took := now.Sub(s.firstBegan)
	s.tally.mu.Unlock()
	s.tally.setSeconds(took)
}

// Latest keeps of each partition the latest attempt, in the order of partitions.
func Latest(attempts []ServedPartition) []ServedPartition {
	latest := map[int]ServedPartition{}
	for _, p := range attempts {
		if have, ok := latest[p.Partition]; !ok || p.Attempt > have.Attempt {
			latest[p.Partition] = p
		}
	}
	var out []ServedPartition
	for _, number := range slices.Sorted(maps.Keys(latest)) {
		out = append(out, latest[number])
	}
	return out
}

// quarantineName is the name of the stream's quarantine file: attempts at one
// partition may write side by side.
func (s Stream) quarantineName() string {
	return fmt.Sprintf("part-%05d-%d%s", s.Partition, s.Attempt, files.Parquet.Extension())
}
