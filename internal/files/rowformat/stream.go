package rowformat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// bytesPassed returns the bytes of the split consumed so far. For a compressed
// file these are the compressed bytes read.
func (in *Input) bytesPassed() int64 {
	if in.Compression == Plain {
		return in.Offset - in.begin
	}
	return in.file.bytesRead
}

// MaxUnit bounds a line or record, in bytes. A cell of 64 MiB fits, even as
// base64.
const MaxUnit = 128 << 20

// StreamBytes is the size of a stream's buffer and of its reads.
const StreamBytes = 256 << 10

// Compressions of a whole file.
const (
	Plain      = "none"
	Gzipped    = "gzip"
	ZlibPacked = "zlib"
)

// stream buffers a file's bytes. The buffer grows to hold one unit of the
// format. Slices that stream returns are valid until the next call.
type stream struct {
	src        io.Reader
	buf        []byte // buf[start:end] is read and not yet consumed
	start, end int
	Offset     int64 // of buf[start], in the decompressed stream
	err        error // src's error, once it returned one
}

func newStream(src io.Reader, offset int64) *stream {
	return &stream{src: src, buf: make([]byte, StreamBytes), Offset: offset}
}

// fill reads at least one more byte, or sets err. need is the number of
// unconsumed bytes that the caller waits for.
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

// Peek returns the next n bytes and consumes none. It returns fewer bytes with
// the error that ended the file: io.EOF at the file's end.
func (s *stream) Peek(n int) ([]byte, error) {
	for s.end-s.start < n {
		if s.err != nil {
			return s.buf[s.start:s.end], s.err
		}
		s.fill(n)
	}
	return s.buf[s.start : s.start+n], nil
}

// Skip consumes n bytes that Peek returned.
func (s *stream) Skip(n int) {
	s.start += n
	s.Offset += int64(n)
}

// Read implements io.Reader for a decompressor.
func (s *stream) Read(p []byte) (int, error) {
	have, err := s.Peek(1)
	if len(have) == 0 {
		return 0, err
	}
	n := copy(p, s.buf[s.start:s.end])
	s.Skip(n)
	return n, nil
}

// Until consumes a unit with its end. It calls length with the unconsumed
// bytes, again whenever there are more. length returns the unit's length
// including its end, or -1 if it needs more bytes. A unit may also end with the
// file. io.EOF means that there is no unit.
func (s *stream) Until(length func(have []byte) int) ([]byte, error) {
	for {
		have := s.buf[s.start:s.end]
		n := length(have)
		switch {
		case n >= 0:
		case len(have) > MaxUnit:
			return nil, fmt.Errorf("longer than %d MiB", MaxUnit>>20)
		case s.err == nil:
			s.fill(len(have) + 1)
			continue
		case s.err != io.EOF || len(have) == 0:
			return nil, s.err
		default:
			n = len(have)
		}
		s.Skip(n)
		return have[:n], nil
	}
}

// line consumes a line and returns it with its line end.
func (s *stream) line() ([]byte, error) {
	seen := 0
	return s.Until(func(have []byte) int {
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			return seen + i + 1
		}
		seen = len(have)
		return -1
	})
}

// pastLine consumes the rest of a line of any length, with its line end.
func (s *stream) pastLine() error {
	for {
		if _, err := s.Peek(1); err != nil {
			return err
		}
		have := s.buf[s.start:s.end]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			s.Skip(i + 1)
			return nil
		}
		s.Skip(len(have))
	}
}

// Input is an open, decompressed file.
type Input struct {
	*stream
	path        string
	Compression string
	End         int64 // offset at which the split ends
	begin       int64 // offset at which the split begins
	Length      int64 // of the split, in bytes of the file
	file        *boundedReader
}

// OpenInput opens a split's file at the split's beginning. A compressed file is
// one split: the split at offset 0 has all rows, and other splits are empty.
// sniff recognizes the compression.
func OpenInput(ctx context.Context, s codec.Split, sniff Sniffer) (*Input, error) {
	in := &Input{path: s.Path, End: codec.EndOf(s), begin: s.Offset, Length: s.Length}
	if err := in.open(ctx, s.Offset, sniff); err != nil {
		return nil, errors.Join(in.Fail(0, -1, err), in.Close())
	}
	return in, nil
}

func (in *Input) open(ctx context.Context, offset int64, sniff Sniffer) error {
	if err := in.openAt(ctx, 0); err != nil {
		return err
	}
	head, err := in.Peek(codec.SniffBytes)
	if err != nil && err != io.EOF {
		return err
	}
	if in.Compression, err = sniff(head); err != nil {
		return err
	}
	switch {
	case in.Compression == Plain && offset == 0:
		return nil
	case in.Compression == Plain:
		return errors.Join(in.Close(), in.openAt(ctx, offset))
	case offset > 0:
		in.stream = newStream(bytes.NewReader(nil), offset)
		return nil
	}
	in.End = math.MaxInt64
	unpacked, err := decompress(in.stream, in.Compression)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Compression, err)
	}
	in.stream = newStream(unpacked, 0)
	return nil
}

func (in *Input) openAt(ctx context.Context, offset int64) error {
	in.file = &boundedReader{ctx: ctx.Err}
	from, err := store.For(in.path)
	if err == nil {
		in.file.ReadCloser, err = from.ReadRange(ctx, in.path, offset, -1)
	}
	in.file.failed = err
	in.stream = newStream(in.file, offset)
	return err
}

// boundedReader reads a store's file until ctx ends. It keeps the store's
// error, which a decompressor would hide in its own.
type boundedReader struct {
	io.ReadCloser
	ctx       func() error // ctx.Err
	failed    error
	bytesRead int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx(); err != nil {
		b.failed = err
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.bytesRead += int64(n)
	if err != nil && err != io.EOF {
		b.failed = err
	}
	return n, err
}

// Close closes what OpenInput opened.
func (in *Input) Close() error {
	if in.file.ReadCloser == nil {
		return nil
	}
	err := in.file.Close()
	in.file.ReadCloser = nil
	return err
}

// Fail returns err with a place in this file, or the store's error if the store
// failed. offset -1 means not known. Offsets in a compressed file count
// decompressed bytes.
func (in *Input) Fail(offset, row int64, err error) error {
	var own *codec.Error
	switch {
	case in.file.failed != nil:
		return codec.StoreError(in.path, in.file.failed)
	case errors.As(err, &own):
		return err
	case offset >= 0 && in.Compression != Plain:
		err = fmt.Errorf("of the decompressed bytes (%s): %w", in.Compression, err)
	}
	return &codec.Error{Path: in.path, Offset: offset, Row: row, Err: err}
}

// decompress uses klauspost's inflate. It takes four fifths of the time of
// Go's, and inflating dominates the reading of compressed files. The readers
// need no Close: they hold only r.
func decompress(r io.Reader, compression string) (io.Reader, error) {
	if compression == ZlibPacked {
		return zlib.NewReader(r)
	}
	return gzip.NewReader(r)
}

// Compressor wraps w with the compression of WriteOptions.Compression. allowed
// lists the names accepted besides "" and none. Close ends the compressed
// stream and leaves w open.
func Compressor(w io.Writer, compression string, allowed ...string) (io.WriteCloser, error) {
	if compression == "" || compression == Plain {
		return nopCloser{w}, nil
	}
	for _, name := range allowed {
		switch {
		case name != compression:
		case name == Gzipped:
			return gzip.NewWriter(w), nil
		case name == ZlibPacked:
			return zlib.NewWriter(w), nil
		}
	}
	return nil, fmt.Errorf("compression %q: must be one of %v", compression, append([]string{Plain}, allowed...))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
