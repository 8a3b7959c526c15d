package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsSource is a file as it was when it was opened. If another file gets its name, reads
// fail, and never mix the bytes of the two.
type hdfsSource struct {
	s    HDFS
	path string
	id   uint64
	size int64
}

// source opens a file.
func (s HDFS) source(ctx context.Context, path string) (f hdfsSource, r *hdfs.FileReader, err error) {
	f = hdfsSource{s: s, path: path}
	err = s.do(ctx, "open", path, func(c *hdfs.Client) error {
		if r, err = c.Open(hdfsPath(path)); err != nil {
			return err
		}
		f.id, f.size = fileID(r.Stat()), r.Stat().Size()
		return readable(r.Stat())
	})
	return f, r, err
}

// errChanged is the error of a file that is not the one that was opened.
var errChanged = &hdfsError{err: errors.New("the file was replaced while it was read")}

// reader opens the file again.
func (f hdfsSource) reader(c *hdfs.Client) (*hdfs.FileReader, error) {
	r, err := c.Open(hdfsPath(f.path))
	if err == nil && (fileID(r.Stat()) != f.id || r.Stat().Size() < f.size) {
		err = errChanged
	}
	return r, err
}

// Open implements Store.
func (s HDFS) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	return s.ReadRange(ctx, path, 0, -1)
}

// ReadRange implements Store.
func (s HDFS) ReadRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("store: read %s from %d: negative offset", path, offset)
	}
	file, reader, err := s.source(ctx, path)
	if err != nil {
		return nil, err
	}
	end := file.size
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	return &hdfsReader{ctx: ctx, file: file, reader: s.placed(reader), at: offset, end: end}, nil
}

// placedReader is a reader that knows where it is.
type placedReader struct {
	*hdfs.FileReader
	at    int64
	small bool // it reads smallRead bytes at a time
}

// smallRead is less than any checksum's chunk. The client hands out a wrong chunk without an
// error, except to who reads less than a chunk. Connections that are not encrypted compare
// checksums themselves (package datanode).
const smallRead = 128

// placed returns the reader of a file at its begin.
func (h *hdfsCluster) placed(r *hdfs.FileReader) *placedReader {
	return &placedReader{FileReader: r, small: h.encrypted.Load()}
}

// readAt fills p from an offset. It returns what it has read if it fails.
func (r *placedReader) readAt(p []byte, offset int64) (n int, err error) {
	if offset != r.at {
		if _, err := r.Seek(offset, io.SeekStart); err != nil {
			return 0, err
		}
		r.at = offset
	}
	for n < len(p) && err == nil {
		piece := p[n:]
		if r.small {
			piece = piece[:min(len(piece), smallRead)]
		}
		var more int
		more, err = r.Read(piece)
		n += more
	}
	r.at += int64(n)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF { // the name node said that there is more
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// hdfsReader reads a range of a file. After a broken connection it goes on where it was.
// ctx is that of the call that made it, because io.Reader has none.
type hdfsReader struct {
	ctx     context.Context
	file    hdfsSource
	reader  *placedReader // nil: it has failed
	at, end int64
	closed  bool
}

// Read implements io.Reader.
func (r *hdfsReader) Read(p []byte) (n int, err error) {
	switch {
	case r.closed:
		return 0, fmt.Errorf("store: read %s: %w", r.file.path, fs.ErrClosed)
	case len(p) == 0:
		return 0, nil
	case r.at >= r.end:
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.end-r.at, readAtOnce)]
	err = r.file.s.do(r.ctx, "read", r.file.path, func(c *hdfs.Client) error {
		if r.reader == nil {
			reader, err := r.file.reader(c)
			if err != nil {
				return err
			}
			r.reader = r.file.s.placed(reader)
		}
		n, err = r.reader.readAt(p, r.at)
		if err != nil {
			_ = r.reader.Close() // it has failed already
			r.reader = nil
		}
		if n > 0 {
			return nil // the next call goes on, or sees the error again
		}
		return err
	})
	r.at += int64(n)
	return n, err
}

// readAtOnce is the most that one Read returns, so that the first bytes come soon.
const readAtOnce = 1 << 20

// Close implements io.Closer.
func (r *hdfsReader) Close() error {
	r.closed = true
	if r.reader == nil {
		return nil
	}
	reader := r.reader
	r.reader = nil
	return reader.Close()
}

// OpenAt implements Store.
func (s HDFS) OpenAt(ctx context.Context, path string) (Handle, error) {
	file, reader, err := s.source(ctx, path)
	if err != nil {
		return nil, err
	}
	return &hdfsHandle{file: file, idle: []*placedReader{s.placed(reader)}}, nil
}

// hdfsHandle is an open file. A reader serves one call at a time, so that there are as
// many as there are calls.
type hdfsHandle struct {
	file   hdfsSource
	mu     sync.Mutex
	idle   []*placedReader
	closed bool
}

// keptReaders is how many idle readers a handle keeps. Each has a connection to a data
// node, and the file's block locations.
const keptReaders = 4

// ReadAt implements Handle.
func (h *hdfsHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	switch {
	case offset < 0:
		return 0, fmt.Errorf("store: read %s from %d: negative offset", h.file.path, offset)
	case offset >= h.file.size && len(p) > 0:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), max(0, h.file.size-offset))]
	done := 0
	for done < len(want) {
		reader := h.take(offset + int64(done))
		err := h.file.s.do(ctx, "read", h.file.path, func(c *hdfs.Client) error {
			if reader == nil {
				again, err := h.file.reader(c)
				if err != nil {
					return err
				}
				reader = h.file.s.placed(again)
			}
			n, err := reader.readAt(want[done:], offset+int64(done))
			done += n
			if err != nil {
				_ = reader.Close() // it has failed already
				reader = nil
			}
			if n > 0 {
				return nil
			}
			return err
		})
		if err != nil {
			return done, err
		}
		if err := h.give(reader); err != nil {
			return done, fmt.Errorf("store: read %s: %w", h.file.path, err)
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// skipped is how far the client reads on instead of connecting again.
const skipped = 64 << 10

// take returns an idle reader, or nil. One that is just before the offset is best: it
// need not connect again.
func (h *hdfsHandle) take(offset int64) *placedReader {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.idle) == 0 {
		return nil
	}
	best := len(h.idle) - 1
	for i, r := range h.idle {
		if ahead := offset - r.at; ahead >= 0 && ahead <= skipped {
			best = i
		}
	}
	reader := h.idle[best]
	h.idle = append(h.idle[:best], h.idle[best+1:]...)
	return reader
}

// give makes a reader idle.
func (h *hdfsHandle) give(r *placedReader) error {
	if r == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.idle) == keptReaders {
		return r.Close()
	}
	h.idle = append(h.idle, r)
	return nil
}

// Size implements Handle.
func (h *hdfsHandle) Size() int64 { return h.file.size }

// Block implements Handle. A data node sends on without being asked: the next bytes of a
// reader are on their way already.
func (h *hdfsHandle) Block() int64 { return 0 }

// Close implements Handle.
func (h *hdfsHandle) Close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, r := range h.idle {
		err = errors.Join(err, r.Close())
	}
	h.idle = nil
	return err
}
