package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"tfos/internal/store/bucket"
)

// Open implements Store. If the object changes before it was read, reading fails.
func (o *Objects) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	return o.ReadRange(ctx, path, 0, -1)
}

// ReadRange implements Store.
func (o *Objects) ReadRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("store: read %s from %d: negative offset", path, offset)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.named(path); err != nil {
		return nil, err
	}
	if length == 0 {
		if _, err := o.head(ctx, path); err != nil {
			return nil, err
		}
		return io.NopCloser(strings.NewReader("")), nil
	}
	r := &objectReader{ctx: ctx, o: o, path: path, at: bucket.Range{Offset: offset, Length: length}}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// named returns an error if a path is the bucket itself.
func (o *Objects) named(path string) error {
	if o.key(path) == "" {
		return fmt.Errorf("store: open %s: it is a bucket, not a file", path)
	}
	return nil
}

// OpenAt implements Store. The handle reads the object that is there now: if it
// changes, reads fail.
func (o *Objects) OpenAt(ctx context.Context, path string) (Handle, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.named(path); err != nil {
		return nil, err
	}
	object, err := o.head(ctx, path)
	if err != nil {
		return nil, err
	}
	return &objectHandle{o, path, object}, nil
}

// BeginAt implements Beginner.
func (o *Objects) BeginAt(ctx context.Context, path string, p []byte, offset int64) (Handle, int, error) {
	r := &objectReader{ctx: ctx, o: o, path: path, at: bucket.Range{Offset: offset, Length: int64(len(p))}, size: -1}
	switch {
	case ctx.Err() != nil:
		return nil, 0, ctx.Err()
	case o.named(path) != nil:
		return nil, 0, o.named(path)
	case offset >= 0 && len(p) > 0:
		if err := r.open(); err != nil {
			return nil, 0, err
		}
	}
	defer r.Close() // it closes no more than a connection
	if r.size < 0 { // there is no such range, or the answer does not say how large the object is
		return o.openAndRead(ctx, path, p, offset)
	}
	n, err := io.ReadFull(r, p)
	if want := min(int64(len(p)), r.size-offset); err != nil && int64(n) < want {
		return nil, n, fmt.Errorf("store: read %d bytes of %s at %d: %d came: %w", want, path, offset, n, err)
	}
	return &objectHandle{o, path, bucket.Object{Key: o.key(path), Size: r.size, ETag: r.at.ETag}}, n, nil
}

// openAndRead is BeginAt by two requests.
func (o *Objects) openAndRead(ctx context.Context, path string, p []byte, offset int64) (Handle, int, error) {
	h, err := o.OpenAt(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	n, err := h.ReadAt(ctx, p, offset)
	if err != nil && err != io.EOF {
		return nil, n, errors.Join(err, h.Close())
	}
	return h, n, nil
}

// objectHandle is an object as it was when it was opened.
type objectHandle struct {
	o      *Objects
	path   string
	object bucket.Object
}

// ReadAt implements Handle by one request.
func (h *objectHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if offset < 0 {
		return 0, fmt.Errorf("store: read %s from %d: negative offset", h.path, offset)
	}
	if offset >= h.object.Size && len(p) > 0 {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), max(0, h.object.Size-offset))]
	if len(want) == 0 {
		return 0, nil
	}
	r := &objectReader{ctx: ctx, o: h.o, path: h.path, at: bucket.Range{Offset: offset, Length: int64(len(want)), ETag: h.object.ETag}}
	n, err := io.ReadFull(r, want)
	_ = r.Close() // it closes no more than a connection
	if err == nil && n < len(p) {
		return n, io.EOF
	}
	return n, err
}

func (h *objectHandle) Size() int64  { return h.object.Size }
func (h *objectHandle) Block() int64 { return remoteBlock }
func (h *objectHandle) Close() error { return nil }

// remoteBlock is how many bytes of a remote file are read at a time: a request takes 20 to
// 50 ms to begin, in which a connection transfers so many bytes at 200 MB/s.
const remoteBlock = 8 << 20

// objectReader reads a range of an object. After a broken connection it goes on where it
// was. ctx is that of the call that made it, because io.Reader has none.
type objectReader struct {
	ctx    context.Context
	o      *Objects
	path   string
	at     bucket.Range // what is left. Its ETag is that of the first answer
	size   int64        // of the object, by the last answer
	body   io.ReadCloser
	cancel context.CancelCauseFunc // ends the request of body
	end    error                   // what Read returns from now on
	stuck  time.Time               // when the first read failed after the last byte; or zero
	pause  time.Duration           // before the next try
}

// open requests what is left. At the object's end there is nothing left.
func (r *objectReader) open() error {
	return r.o.call(r.ctx, call{"read", r.path}, 0, func(ctx context.Context) error { return r.request(ctx) })
}

func (r *objectReader) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := time.AfterFunc(r.o.slow, func() { cancel(slowError{r.o.slow}) })
	body, err := r.o.bucket.Get(ctx, r.o.key(r.path), r.at)
	stop.Stop()
	if err != nil {
		slow := slowError{}
		if errors.As(context.Cause(ctx), &slow) {
			err = slow
		}
		cancel(nil)
		if errors.Is(err, bucket.ErrRange) {
			r.end, err = io.EOF, nil
		}
		return err
	}
	r.body, r.cancel, r.at.ETag, r.size = body, cancel, body.ETag, body.Size
	return nil
}

// Read implements io.Reader.
func (r *objectReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.at.Length == 0 {
		r.end = io.EOF
	}
	for r.end == nil && r.body == nil {
		if err := r.open(); err != nil {
			r.end = err
		}
	}
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.readBody(p)
	if r.at.Offset += int64(n); n > 0 {
		r.stuck = time.Time{}
	}
	if r.at.Length > 0 {
		r.at.Length -= int64(n)
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.at.Length <= 0:
		r.end = io.EOF
	case r.ctx.Err() != nil:
		r.end = fmt.Errorf("store: read %s at %d: %w", r.path, r.at.Offset, r.ctx.Err())
	case err == io.EOF: // the answer had fewer bytes, for the object ends
		r.end = io.EOF
	default:
		return n, r.reopen(err)
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.end
}

// readBody is one read, with a time limit.
func (r *objectReader) readBody(p []byte) (int, error) {
	stop := time.AfterFunc(r.o.slow, func() { r.cancel(slowError{r.o.slow}) })
	defer stop.Stop()
	return r.body.Read(p)
}

// reopen closes a body that failed. The next Read goes on, unless no byte has come for
// the policy's time.
func (r *objectReader) reopen(cause error) error {
	_ = r.body.Close() // it has failed already
	r.cancel(nil)
	r.body = nil
	if r.stuck.IsZero() {
		r.stuck, r.pause = time.Now(), r.o.retry.first
	}
	if spent := time.Since(r.stuck); spent+r.pause > r.o.retry.total {
		r.end = fmt.Errorf("store: read %s at %d: gave up after %s without a byte: %w", r.path, r.at.Offset, spent.Round(time.Second), bucket.FromNetwork(cause))
		return r.end
	}
	if r.end = sleep(r.ctx, r.pause); r.end != nil {
		return r.end
	}
	r.pause = min(2*r.pause, r.o.retry.most)
	return nil
}

// Close implements io.Closer.
func (r *objectReader) Close() error {
	if r.body == nil {
		return nil
	}
	r.cancel(nil)
	_ = r.body.Close() // the connection may have bytes that nobody wants
	r.body = nil
	r.end = fs.ErrClosed
	return nil
}
