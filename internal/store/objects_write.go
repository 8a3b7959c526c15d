package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"golang.org/x/sync/errgroup"

	"tfos/internal/store/bucket"
)

// Parts of a file that is being written.
const (
	partSize   = 8 << 20 // bytes of a part
	partsAlike = 1000    // then parts become twice as large: S3 takes at most 10,000
	abortTime  = callTime
)

// Create implements Store. Small files are one request at Commit. Larger files go up in
// parts while they are written; readers see them after Commit. Several parts go up at
// the same time. A killed process leaves parts that nobody sees; the store's lifecycle
// rules delete them. ctx is used until the file ends.
func (o *Objects) Create(ctx context.Context, path string) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.named(path); err != nil {
		return nil, err
	}
	return o.create(ctx, path), nil
}

func (o *Objects) create(ctx context.Context, path string) *objectFile {
	parallel := o.bucket.Limits().Parallel
	f := &objectFile{ctx: ctx, o: o, path: path, sent: make(chan []byte, parallel)}
	f.group, f.partsCtx = errgroup.WithContext(ctx)
	f.group.SetLimit(parallel)
	return f
}

// objectFile is an object that is being written. It has the ctx of Create, because Write
// and Commit have none.
type objectFile struct {
	ctx      context.Context
	o        *Objects
	path     string
	data     []byte      // of the next part
	sent     chan []byte // buffers of parts that are at the store
	upload   bucket.Upload
	parts    int // parts that were begun
	group    *errgroup.Group
	partsCtx context.Context // of group
	ended    bool
}

// Write implements io.Writer.
func (f *objectFile) Write(p []byte) (written int, err error) {
	if f.ended {
		return 0, fmt.Errorf("store: write %s: %w", f.path, fs.ErrClosed)
	}
	for len(p) > 0 {
		size := partSize << (f.parts / partsAlike)
		if len(f.data) == size {
			if err := f.sendPart(); err != nil {
				return written, err
			}
		}
		n := min(size-len(f.data), len(p))
		f.data = append(f.data, p[:n]...)
		p = p[n:]
		written += n
	}
	return written, nil
}

// begin begins the upload.
func (f *objectFile) begin() error {
	if f.upload != nil {
		return nil
	}
	return f.o.do(f.ctx, "write", f.path, func(ctx context.Context) (err error) {
		f.upload, err = f.o.bucket.Upload(ctx, f.o.key(f.path))
		return err
	})
}

// sendPart uploads data as the next part. It waits while as many parts as the store
// takes are on their way.
func (f *objectFile) sendPart() error {
	data, tries := f.data, 0
	err := f.addPart(int64(len(data)), func(ctx context.Context, number int) error {
		tries++
		err := f.upload.Part(ctx, number, data)
		if err == nil && tries == 1 { // else the connection of an earlier try may still read it
			select {
			case f.sent <- data:
			default:
			}
		}
		return err
	})
	f.data = f.buffer(cap(data))
	return err
}

// buffer returns an empty buffer: that of an earlier part, if there is one of this size.
func (f *objectFile) buffer(size int) []byte {
	select {
	case used := <-f.sent:
		if cap(used) == size {
			return used[:0]
		}
	default:
	}
	return make([]byte, 0, size)
}

// addPart does what makes the next part, of size bytes.
func (f *objectFile) addPart(size int64, add func(ctx context.Context, number int) error) error {
	if err := f.begin(); err != nil {
		return err
	}
	if f.partsCtx.Err() != nil {
		return f.group.Wait()
	}
	number := f.parts
	f.parts++
	f.group.Go(func() error {
		return f.o.transfer(f.partsCtx, "write", f.path, size, func(ctx context.Context) error { return add(ctx, number) })
	})
	return nil
}

// Commit implements File.
func (f *objectFile) Commit() error {
	if f.ended {
		return fmt.Errorf("store: commit %s: %w", f.path, fs.ErrClosed)
	}
	if f.upload == nil {
		f.ended = true
		return f.o.put(f.ctx, f.path, f.data)
	}
	if err := f.complete(); err != nil {
		return errors.Join(err, f.Abort())
	}
	f.ended = true
	return nil
}

func (f *objectFile) complete() error {
	if len(f.data) > 0 {
		if err := f.sendPart(); err != nil {
			return err
		}
	}
	if err := f.group.Wait(); err != nil {
		return err
	}
	return f.o.do(f.ctx, "commit", f.path, f.upload.Complete)
}

// Abort implements File. It also works after the ctx of Create has ended.
func (f *objectFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	_ = f.group.Wait() // Write or Commit has returned this error
	if f.upload == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), abortTime)
	defer cancel()
	return f.o.do(ctx, "abort", f.path, f.upload.Abort)
}

// put writes a whole object.
func (o *Objects) put(ctx context.Context, path string, data []byte) error {
	return o.transfer(ctx, "write", path, int64(len(data)), func(ctx context.Context) error {
		_, err := o.bucket.Put(ctx, o.key(path), data, bucket.Condition{})
		return err
	})
}

// appendedInMemory is the size up to which Append reads a file and writes it again.
// The store puts larger files together itself, if it can.
const appendedInMemory = 8 << 20

// Append implements Store. No store has an object that grows, so the whole object is
// written for each call: it is for small files, such as those of a record. If the object
// changes meanwhile, the error is bucket.ErrChanged.
func (o *Objects) Append(ctx context.Context, path string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	there, err := o.head(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o.appendFirst(ctx, path, data)
	case err != nil || len(data) == 0:
		return err
	case there.Size > appendedInMemory:
		return o.appendLarge(ctx, path, there, data)
	}
	old, err := o.readAll(ctx, path)
	if err != nil {
		return err
	}
	return o.exchange(ctx, path, there.ETag, append(old, data...))
}

// appendFirst makes a file, in an existing folder.
func (o *Objects) appendFirst(ctx context.Context, path string, data []byte) error {
	if err := o.needFolderOf(ctx, path); err != nil {
		return err
	}
	return o.put(ctx, path, data)
}

// needFolderOf returns an error if the folder of a path does not exist.
func (o *Objects) needFolderOf(ctx context.Context, p string) error {
	folder := path.Dir(o.key(p))
	if folder == "." {
		return nil
	}
	found, err := o.isFolder(ctx, o.url(folder))
	if err == nil && !found {
		err = fmt.Errorf("store: write %s: its folder: %w", p, fs.ErrNotExist)
	}
	return err
}

// exchange replaces the object with an ETag. If the answer of a try was lost, the next
// try finds the new bytes.
func (o *Objects) exchange(ctx context.Context, path, etag string, data []byte) error {
	err := o.transfer(ctx, "append", path, int64(len(data)), func(ctx context.Context) error {
		_, err := o.bucket.Put(ctx, o.key(path), data, bucket.Condition{ETag: etag})
		return err
	})
	if errors.Is(err, bucket.ErrChanged) {
		if there, readErr := o.readAll(ctx, path); readErr == nil && bytes.Equal(there, data) {
			return nil
		}
	}
	return err
}

// readAll reads a small object.
func (o *Objects) readAll(ctx context.Context, path string) ([]byte, error) {
	body, err := o.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}
