package mirror

import (
	"context"
	"errors"
	"io"
	"os"

	"tfos/internal/store"
)

// Uploader copies a local file to a store.
type Uploader interface {
	// Upload copies the first size bytes of file, whatever its offset. The file gets its
	// name, url, at Commit. ctx is used until then. moved is called with the number of
	// bytes that were copied, by one goroutine. After an error nothing is staged. The error
	// is ErrShort if the file has fewer bytes.
	Upload(ctx context.Context, url string, file *os.File, size int64, moved func(bytes int)) (Staged, error)
}

// Staged is a file whose bytes are at a store, without its name. One of the methods is
// called, or Abort after an error of Commit.
type Staged interface {
	Commit() error
	Abort() error
}

// ErrShort says that a local file has fewer bytes than it had.
var ErrShort = errors.New("the file has become shorter")

// chunk is how many bytes are copied at a time.
const chunk = 1 << 20

// Direct uploads in this process.
type Direct struct{ Store store.Store }

// Upload implements Uploader.
func (d Direct) Upload(ctx context.Context, url string, file *os.File, size int64, moved func(bytes int)) (Staged, error) {
	to, err := d.Store.Create(ctx, url)
	if err != nil {
		return nil, err
	}
	// A section, so that a second try begins at the start.
	n, err := copyBytes(ctx, to, io.NewSectionReader(file, 0, size), moved)
	if err == nil && n != size {
		err = ErrShort
	}
	if err != nil {
		return nil, errors.Join(err, to.Abort())
	}
	return to, nil
}

// copyBytes copies until the end of from or of ctx.
func copyBytes(ctx context.Context, to io.Writer, from io.Reader, moved func(bytes int)) (int64, error) {
	var total int64
	buffer := make([]byte, chunk)
	for {
		if err := ctx.Err(); err != nil {
			return total, context.Cause(ctx)
		}
		n, err := io.ReadFull(from, buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			moved(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}
