package codec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"

	"tfos/internal/store"
)

// Source is an open file for parsers: an io.ReaderAt and io.Seeker. It
// distinguishes a damaged file from a failing store.
type Source struct {
	Path string
	Size int64
	// Block is how many bytes a read in order should have at a time. 0: reads are cheap.
	Block int64
	// Read fills p from an offset. It is a function because it holds ctx:
	// io.ReaderAt has no ctx parameter.
	Read   func(p []byte, offset int64) (int, error)
	Close  func() error
	Ended  func() error // ctx.Err
	failed atomic.Bool  // the store failed

	reading sync.WaitGroup // of ahead
	ahead   []*ahead
	tail    func() ([]byte, error)
	begun   Piece  // what opening the file has read
	held    []byte // its bytes
}

// tailBytes is how much of a remote file's end is read at once: a footer, its length and
// its magic number are three reads.
const tailBytes = 64 << 10

// splitMost is how many bytes of a split are read when it is opened: an object store transfers
// them in about the time that another request would take to begin.
const splitMost = 16 << 20

// firstRead returns what to read of a remote file when it is opened for a split: all of a small
// split, else the last bytes of the split, which for most are the file's footer. It is empty if
// the split does not say where it ends.
func firstRead(s Split) Piece {
	if s.Length >= math.MaxInt64-s.Offset {
		return Piece{}
	}
	end := s.Offset + s.Length
	begin := max(0, min(s.Offset, end-tailBytes))
	if end-begin > splitMost {
		begin = end - tailBytes
	}
	return Piece{begin, end - begin}
}

// OpenSource opens a file for reads at many places, by the reader of a split. The caller closes
// it. ctx bounds every later read. On an object store the request that opens the file also reads
// what such a reader needs first. Split{Path: path, Offset: size} asks for the end of a file that
// was listed with this size.
func OpenSource(ctx context.Context, split Split) (*Source, error) {
	st, err := store.For(split.Path)
	if err != nil {
		return nil, err
	}
	s := &Source{Path: split.Path, Ended: ctx.Err}
	h, err := s.begin(ctx, st, firstRead(split))
	if err != nil {
		return nil, StoreError(s.Path, err)
	}
	reads, cancel := context.WithCancel(ctx)
	s.Size, s.Block = h.Size(), h.Block()
	s.Read = func(p []byte, offset int64) (int, error) { return h.ReadAt(reads, p, offset) }
	s.Close = func() error {
		cancel()
		s.reading.Wait()
		s.freeAhead()
		return h.Close()
	}
	if s.Block > 0 {
		s.tail = sync.OnceValues(s.readTail)
	}
	return s, nil
}

// begin opens the file. It holds the first piece if the store can read it by the same request.
func (s *Source) begin(ctx context.Context, st store.Store, first Piece) (store.Handle, error) {
	remote, ok := st.(store.Beginner)
	if !ok || first.Size == 0 {
		return st.OpenAt(ctx, s.Path)
	}
	held := newBlock(first.Size)
	h, n, err := remote.BeginAt(ctx, s.Path, held, first.Offset)
	s.begun, s.held = Piece{first.Offset, int64(n)}, held[:n]
	return h, err
}

func (s *Source) readTail() ([]byte, error) {
	tail := make([]byte, min(tailBytes, s.Size))
	_, err := s.read(tail, s.Size-int64(len(tail)))
	return tail, err
}

// ReadAt implements io.ReaderAt. A range beyond the file's end is an error of
// the file, whose parser computed the range. Nothing is read then.
func (s *Source) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset > s.Size-int64(len(p)) {
		return 0, fmt.Errorf("bytes from %d to %d of a file of %d", offset, offset+int64(len(p)), s.Size)
	}
	if s.holds(Piece{offset, int64(len(p))}) {
		return copy(p, s.held[offset-s.begun.Offset:]), nil
	}
	if begin := s.Size - tailBytes; s.tail != nil && offset >= begin {
		tail, err := s.tail()
		if err != nil {
			return 0, err
		}
		return copy(p, tail[offset-max(0, begin):]), nil
	}
	return s.read(p, offset)
}

// holds reports whether opening the file has read all of a piece.
func (s *Source) holds(p Piece) bool {
	return p.Offset >= s.begun.Offset && p.Offset+p.Size <= s.begun.Offset+s.begun.Size
}

func (s *Source) read(p []byte, offset int64) (int, error) {
	n, err := s.Read(p, offset)
	if n == len(p) {
		err = nil
	}
	if err != nil {
		s.failed.Store(true)
	}
	return n, err
}

// Seek implements io.Seeker. It only supports finding the size, which is all
// that the libraries use.
func (s *Source) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekEnd {
		return 0, errors.ErrUnsupported
	}
	return s.Size, nil
}

// Fail returns the error of a failed read: a store error if the store failed or
// ctx ended, else an *Error with this place. offset is -1 if it is not known;
// row is the row of the split, or -1.
func (s *Source) Fail(offset, row int64, err error) error {
	if s.failed.Load() || s.Ended() != nil {
		return StoreError(s.Path, errors.Join(s.Ended(), err))
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	return &Error{Path: s.Path, Offset: offset, Row: row, Err: err}
}

// Refuse explains why a file that could not be read is not of the format. It
// looks at the first bytes and the name. It returns nil if they fit.
func (s *Source) Refuse(format Format, o ReadOptions) error {
	head := make([]byte, min(SniffBytes, s.Size))
	if _, err := s.ReadAt(head, 0); err != nil {
		return nil
	}
	if err := o.RefuseHead(format, head); err != nil {
		return err
	}
	if o.Others == nil {
		return nil
	}
	if named, ok := o.Others.ByName(s.Path); ok && named != format {
		return fmt.Errorf("it is read as %s and named as a %s file: give the format %s, or none", format, named, named)
	}
	return nil
}
