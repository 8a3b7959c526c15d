package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrUnsupported is wrapped when no store knows a path's scheme.
var ErrUnsupported = errors.New("not supported yet")

// Store is one kind of storage. Paths keep the form in which the caller gave
// them. Errors wrap fs.ErrNotExist and fs.ErrExist where that is the cause.
// Methods may be called concurrently; two writers of one path are the caller's
// to avoid.
type Store interface {
	// Open reads a file from its start. The caller closes.
	Open(ctx context.Context, path string) (io.ReadCloser, error)
	// ReadRange reads length bytes from offset; fewer at the file's end. A
	// negative length reads to the end. The caller closes.
	ReadRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error)
	// OpenAt opens a file for many reads at any place. The caller closes.
	OpenAt(ctx context.Context, path string) (Handle, error)
	// Create begins a file in an existing folder. It has a temporary name
	// until Commit, which replaces a file of that name.
	Create(ctx context.Context, path string) (File, error)
	// Append adds data to the end of a file, which is made if it is absent, in an
	// existing folder. Readers see it at once; it need not be durable. After an error,
	// or when the process is killed, the file may have a first part of data.
	Append(ctx context.Context, path string, data []byte) error
	// Match returns the files and folders that a pattern (glob.go) names, sorted
	// by path; what lies in a folder among them is left out. A path that exists
	// is taken literally, unless it has * or ?. Nothing found is fs.ErrNotExist
	// for a path, and an empty list for a pattern.
	Match(ctx context.Context, pattern string) ([]Info, error)
	// List returns the data files of what Match finds, sorted by path: files as
	// they are, folders with their files at every depth but hidden ones.
	List(ctx context.Context, pattern string) ([]Info, error)
	// Stat describes a file or folder.
	Stat(ctx context.Context, path string) (Info, error)
	// Mkdir makes a folder and those above it; an existing one is no error.
	Mkdir(ctx context.Context, path string) error
	// Remove deletes a file or a folder with all in it; an absent one is no error.
	Remove(ctx context.Context, path string) error
	// Link gives the file at from a second name, in an existing folder: one
	// name may be removed and the bytes stay under the other. An existing to is
	// fs.ErrExist. Where a store has no links it copies. The bytes of neither
	// name may be changed in place.
	Link(ctx context.Context, from, to string) error
	// Lock takes the lock that is the file at path, in an existing folder,
	// without waiting: ErrLocked when another has it. It ends with Close, and
	// with the process however it dies.
	Lock(ctx context.Context, path string) (io.Closer, error)
	// Publish gives staging, a complete file or folder on the same store, its
	// final name, after its bytes are durable. An existing final is
	// fs.ErrExist, and nothing is changed, unless replace: then readers find
	// the old one or the new one, and after an error the old one.
	Publish(ctx context.Context, staging, final string, replace bool) error
}

// Info is one entry of a store.
type Info struct {
	Path     string // begins as the caller's path or pattern does
	Size     int64  // bytes; 0 for a folder
	Modified time.Time
	Dir      bool
}

// Handle is an open file of a size that is known; it may be read concurrently.
type Handle interface {
	// ReadAt fills p from offset, as io.ReaderAt does: fewer bytes come with
	// an error, which is io.EOF at the file's end.
	ReadAt(ctx context.Context, p []byte, offset int64) (int, error)
	// Size is that of the file when it was opened, in bytes.
	Size() int64
	Close() error
}

// File is being written. Exactly one of Commit and Abort ends it; Abort after
// Commit does nothing, so that it can be deferred.
type File interface {
	io.Writer
	// Commit makes the bytes durable and gives the file its name.
	Commit() error
	// Abort forgets the file.
	Abort() error
}

// For returns the store that holds path.
func For(path string) (Store, error) {
	scheme, _, found := strings.Cut(path, "://")
	if !found || strings.EqualFold(scheme, "file") {
		return Local{}, nil
	}
	return nil, fmt.Errorf("store: %s://: %w", scheme, ErrUnsupported)
}

// ForOwner is For, but new files and folders are for their owner only, where the
// store has permissions.
func ForOwner(path string) (Store, error) {
	s, err := For(path)
	if local, ok := s.(Local); ok {
		local.OwnerOnly = true
		s = local
	}
	return s, err
}

// MarkSuccess puts the empty file _SUCCESS, which Hadoop's and Spark's readers
// know as the mark of a whole output, into a folder of s.
func MarkSuccess(ctx context.Context, s Store, folder string) error {
	return WriteFile(ctx, s, strings.TrimSuffix(folder, "/")+"/_SUCCESS", nil)
}

// WriteFile writes a small file of s, in an existing folder. The file gets its name
// when its bytes are durable; after an error nothing of it is left.
func WriteFile(ctx context.Context, s Store, path string, data []byte) error {
	file, err := s.Create(ctx, path)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(fmt.Errorf("store: write %s: %w", path, err), file.Abort())
	}
	return file.Commit()
}
