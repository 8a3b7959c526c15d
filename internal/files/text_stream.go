package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"tfos/internal/store"
)

// maxUnit bounds a line and a record: a cell of 64 MiB fits, in base64 too.
const maxUnit = 128 << 20

// streamBytes is what a stream reads at once.
const streamBytes = 256 << 10

// Compressions of a whole file.
const (
	plain      = "none"
	gzipped    = "gzip"
	zlibPacked = "zlib"
)

// stream is a file's bytes behind a buffer that grows to hold one unit of the
// format. Slices that it gives are valid until the next call.
type stream struct {
	src        io.Reader
	buf        []byte // buf[start:end] is read and not consumed
	start, end int
	offset     int64 // of buf[start], in the decompressed stream
	err        error // of src, once met
}

func newStream(src io.Reader, offset int64) *stream {
	return &stream{src: src, buf: make([]byte, streamBytes), offset: offset}
}

// fill reads at least one byte more, or sets err. need is how many unconsumed
// bytes the caller waits for.
func (s *stream) fill(need int) {
	if s.start > 0 && (s.start == s.end || s.start+need > len(s.buf)) {
		copy(s.buf, s.buf[s.start:s.end])
		s.start, s.end = 0, s.end-s.start
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := io.ReadAtLeast(s.src, s.buf[s.end:], 1)
	s.end += n
	s.err = err
}

// peek returns the next n bytes and consumes none; fewer with the error that
// ended the file, io.EOF at its end.
func (s *stream) peek(n int) ([]byte, error) {
	for s.end-s.start < n {
		if s.err != nil {
			return s.buf[s.start:s.end], s.err
		}
		s.fill(n)
	}
	return s.buf[s.start : s.start+n], nil
}

// skip consumes n bytes that were peeked.
func (s *stream) skip(n int) {
	s.start += n
	s.offset += int64(n)
}

// Read implements io.Reader for a decompressor.
func (s *stream) Read(p []byte) (int, error) {
	have, err := s.peek(1)
	if len(have) == 0 {
		return 0, err
	}
	n := copy(p, s.buf[s.start:s.end])
	s.skip(n)
	return n, nil
}

// until consumes a unit and its end. length is asked with the unconsumed bytes
// when there are more, and says how long the unit is with its end, or -1 for
// more bytes. What the file's end cuts off is a unit too; io.EOF: there is none.
func (s *stream) until(length func(have []byte) int) ([]byte, error) {
	for {
		have := s.buf[s.start:s.end]
		n := length(have)
		switch {
		case n >= 0:
		case len(have) > maxUnit:
			return nil, fmt.Errorf("longer than %d MiB", maxUnit>>20)
		case s.err == nil:
			s.fill(len(have) + 1)
			continue
		case s.err != io.EOF || len(have) == 0:
			return nil, s.err
		default:
			n = len(have)
		}
		s.skip(n)
		return have[:n], nil
	}
}

// line consumes a line and returns it with its end.
func (s *stream) line() ([]byte, error) {
	seen := 0
	return s.until(func(have []byte) int {
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			return seen + i + 1
		}
		seen = len(have)
		return -1
	})
}

// pastLine consumes the rest of a line, however long it is, with its end.
func (s *stream) pastLine() error {
	for {
		if _, err := s.peek(1); err != nil {
			return err
		}
		have := s.buf[s.start:s.end]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			s.skip(i + 1)
			return nil
		}
		s.skip(len(have))
	}
}

// input is an open file, decompressed.
type input struct {
	*stream
	path        string
	compression string
	end         int64 // offset at which the split ends
	begin       int64 // and begins
	length      int64 // of the split in the file
	file        *boundedReader
}

// openInput opens a split's file, at the split's beginning when it is plain. A
// compressed file is one split: it belongs to the one at 0, and others are
// empty. sniff tells the compression by the first bytes.
func openInput(ctx context.Context, s Split, sniff sniffer) (*input, error) {
	in := &input{path: s.Path, end: endOf(s), begin: s.Offset, length: s.Length}
	if err := in.open(ctx, s.Offset, sniff); err != nil {
		return nil, errors.Join(in.fail(0, -1, err), in.Close())
	}
	return in, nil
}

func (in *input) open(ctx context.Context, offset int64, sniff sniffer) error {
	if err := in.openAt(ctx, 0); err != nil {
		return err
	}
	head, err := in.peek(sniffBytes)
	if err != nil && err != io.EOF {
		return err
	}
	if in.compression, err = sniff(head); err != nil {
		return err
	}
	switch {
	case in.compression == plain && offset == 0:
		return nil
	case in.compression == plain:
		return errors.Join(in.Close(), in.openAt(ctx, offset))
	case offset > 0:
		in.stream = newStream(bytes.NewReader(nil), offset)
		return nil
	}
	in.end = math.MaxInt64
	unpacked, err := decompress(in.stream, in.compression)
	if err != nil {
		return fmt.Errorf("%s: %w", in.compression, err)
	}
	in.stream = newStream(unpacked, 0)
	return nil
}

func (in *input) openAt(ctx context.Context, offset int64) error {
	in.file = &boundedReader{ctx: ctx.Err}
	from, err := store.For(in.path)
	if err == nil {
		in.file.ReadCloser, err = from.ReadRange(ctx, in.path, offset, -1)
	}
	in.file.failed = err
	in.stream = newStream(in.file, offset)
	return err
}

// endOf is the offset at which a split ends; a negative length is all of it.
func endOf(s Split) int64 {
	if s.Length < 0 || s.Length > math.MaxInt64-s.Offset {
		return math.MaxInt64
	}
	return s.Offset + s.Length
}

// boundedReader reads a store's file until ctx ends, and keeps the store's
// failure apart from what a decompressor makes of it.
type boundedReader struct {
	io.ReadCloser
	ctx    func() error // ctx.Err
	failed error
	taken  int64 // bytes that were read
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx(); err != nil {
		b.failed = err
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.taken += int64(n)
	if err != nil && err != io.EOF {
		b.failed = err
	}
	return n, err
}

// Close closes what openInput opened.
func (in *input) Close() error {
	if in.file.ReadCloser == nil {
		return nil
	}
	err := in.file.Close()
	in.file.ReadCloser = nil
	return err
}

// fail is the error of a piece of this file; offset -1: not known. Offsets of a
// compressed file count its decompressed bytes.
func (in *input) fail(offset, row int64, err error) error {
	var own *Error
	switch {
	case in.file.failed != nil:
		return storeError(in.path, in.file.failed)
	case errors.As(err, &own):
		return err
	case offset >= 0 && in.compression != plain:
		err = fmt.Errorf("of the decompressed bytes (%s): %w", in.compression, err)
	}
	return &Error{Path: in.path, Offset: offset, Row: row, Err: err}
}

// sniffBytes are enough to tell a compression.
const sniffBytes = 12

// sniffer tells a file's compression by its first bytes, or refuses what is
// another kind of file.
type sniffer func(head []byte) (compression string, err error)

// sniffText is the sniffer of lines.
func sniffText(o ReadOptions) sniffer {
	return func(head []byte) (string, error) { return sniffGzip(head), o.refuseHead("text", head) }
}

// sniffPacked tells a compression by zlib's header (RFC 1950) and gzip's magic
// number.
func sniffPacked(head []byte) string {
	if len(head) >= 2 && head[0]&0x0f == 8 && head[0]>>4 <= 7 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlibPacked
	}
	return sniffGzip(head)
}

// sniffGzip tells gzip by its magic number.
func sniffGzip(head []byte) string {
	if len(head) >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8 {
		return gzipped
	}
	return plain
}

// decompress uses klauspost's inflate, which takes four fifths of the time of
// Go's: what decides the reading of compressed files. It needs no Close: the readers hold nothing but r.
func decompress(r io.Reader, compression string) (io.Reader, error) {
	if compression == zlibPacked {
		return zlib.NewReader(r)
	}
	return gzip.NewReader(r)
}

// compressor wraps w as WriteOptions.Compression says; allowed are the names
// beside "" and none. Close ends the compressed stream and leaves w open.
func compressor(w io.Writer, compression string, allowed ...string) (io.WriteCloser, error) {
	if compression == "" || compression == plain {
		return nopCloser{w}, nil
	}
	for _, name := range allowed {
		switch {
		case name != compression:
		case name == gzipped:
			return gzip.NewWriter(w), nil
		case name == zlibPacked:
			return zlib.NewWriter(w), nil
		}
	}
	return nil, fmt.Errorf("compression %q: must be one of %v", compression, append([]string{plain}, allowed...))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
