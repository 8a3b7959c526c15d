package feed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Batch is a chunk as a program receives it. The rows of the record batch in
// Data are rows of Partition of the input, from FirstRow on. Schema is the
// Arrow IPC schema message for them. The caller owns both.
type Batch struct {
	Epoch     int
	Rows      int
	Partition int
	FirstRow  int64
	Schema    []byte
	Data      []byte
}

// Batches reads one feed as a program does: scripts/tfos/connection.py in Go.
// It is not safe for concurrent use.
type Batches struct {
	child   *Child
	feed    string
	schema  []byte
	pending []any // *Batch or EpochEnd that came while a permission was awaited
	ended   bool
	cache   *os.File // nil before the first cached chunk
}

// OpenFeed attaches a new connection for feed. At most prefetch chunks (at
// least 1) are on their way ahead of Next.
func OpenFeed(ctx context.Context, socketPath, feed string, prefetch int) (*Batches, error) {
	child, err := Attach(ctx, socketPath)
	if err != nil {
		return nil, err
	}
	b := &Batches{child: child, feed: feed}
	if err := child.send(TypeNext, NextChunks{Feed: feed, Chunks: max(prefetch, 1)}); err != nil {
		_ = child.Close()
		return nil, err
	}
	return b, nil
}

// Next returns the next chunk, or the end of an epoch (batch nil). After the
// last epoch's end the error is io.EOF. The end of ctx closes the connection.
func (b *Batches) Next(ctx context.Context) (*Batch, EpochEnd, error) {
	stop := context.AfterFunc(ctx, func() { _ = b.child.Close() })
	defer stop()
	for len(b.pending) == 0 {
		if b.ended {
			return nil, EpochEnd{}, io.EOF
		}
		if _, err := b.read(); err != nil {
			return nil, EpochEnd{}, cause(ctx, err)
		}
	}
	first := b.pending[0]
	b.pending = b.pending[1:]
	if end, ok := first.(EpochEnd); ok {
		b.ended = end.Last
		return nil, end, nil
	}
	if err := b.child.send(TypeNext, NextChunks{Feed: b.feed, Chunks: 1}); err != nil {
		return nil, EpochEnd{}, cause(ctx, err)
	}
	return first.(*Batch), EpochEnd{}, nil
}

// Permit waits until step (from 1) of a synchronous feed is permitted. false:
// the feed ends before the step on every worker.
func (b *Batches) Permit(ctx context.Context, step int64) (bool, error) {
	stop := context.AfterFunc(ctx, func() { _ = b.child.Close() })
	defer stop()
	if err := b.child.send(TypePermit, Permit{Feed: b.feed, Step: step}); err != nil {
		return false, err
	}
	for {
		answer, err := b.read()
		if err != nil {
			return false, cause(ctx, err)
		}
		if answer != nil {
			return answer.Go, nil
		}
	}
}

// Trained reports the total of rows taken of epoch.
func (b *Batches) Trained(epoch int, rows int64) error {
	return b.child.send(TypeTrained, Trained{Feed: b.feed, Epoch: epoch, Rows: rows})
}

// Terminate says that no further rows are wanted. Next still returns the chunks
// on their way, and then the end.
func (b *Batches) Terminate() error { return b.child.send(TypeTerminate, Terminate{Feed: b.feed}) }

// Close ends the connection.
func (b *Batches) Close() error {
	if b.cache != nil {
		return errors.Join(b.child.Close(), b.cache.Close())
	}
	return b.child.Close()
}

// fetch reads a chunk that the member keeps in a file.
func (b *Batches) fetch(c Cached) (*Batch, error) {
	if b.cache == nil {
		file, err := os.Open(c.Path)
		if err != nil {
			return nil, fmt.Errorf("feed: read %s from the cache: %w", b.feed, err)
		}
		b.cache = file
	}
	data := make([]byte, c.Bytes)
	if _, err := b.cache.ReadAt(data, c.Offset); err != nil {
		return nil, fmt.Errorf("feed: read %s from the cache: %w", b.feed, err)
	}
	return &Batch{
		Epoch: c.Epoch, Rows: c.Rows, Partition: c.Partition, FirstRow: c.FirstRow,
		Schema: b.schema, Data: data,
	}, nil
}

// read reads one frame: into pending, or as the answer to Permit.
func (b *Batches) read() (*Permitted, error) {
	typ, payload, err := ReadFrame(b.child.conn)
	if err != nil {
		return nil, fmt.Errorf("feed: read %s: %w", b.feed, truncated(err))
	}
	switch typ {
	case TypeSchema:
		b.schema = payload
	case TypeBatch:
		if len(payload) < batchHeaderBytes {
			return nil, fmt.Errorf("feed: read %s: batch of %d bytes: %w", b.feed, len(payload), ErrProtocol)
		}
		b.pending = append(b.pending, &Batch{
			Epoch:     int(binary.BigEndian.Uint32(payload)),
			Rows:      int(binary.BigEndian.Uint32(payload[4:])),
			Partition: int(binary.BigEndian.Uint32(payload[8:])),
			FirstRow:  int64(binary.BigEndian.Uint64(payload[12:])),
			Schema:    b.schema,
			Data:      payload[batchHeaderBytes:],
		})
	case TypeCached:
		var cached Cached
		if err := decode(typ, payload, &cached); err != nil {
			return nil, err
		}
		batch, err := b.fetch(cached)
		if err != nil {
			return nil, err
		}
		b.pending = append(b.pending, batch)
	case TypeEpochEnd:
		var end EpochEnd
		if err := decode(typ, payload, &end); err != nil {
			return nil, err
		}
		b.pending = append(b.pending, end)
	case TypePermitted:
		var p Permitted
		if err := decode(typ, payload, &p); err != nil {
			return nil, err
		}
		return &p, nil
	default:
		return nil, fmt.Errorf("feed: read %s: frame 0x%02x: %w", b.feed, typ, ErrProtocol)
	}
	return nil, nil
}
