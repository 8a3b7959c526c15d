package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Local is the machine's own file system. A path may be a URI: file:/a, file:///a or
// file://localhost/a. Percent signs in a URI are literal, as in Hadoop.
type Local struct {
	// OwnerOnly: only their owner may read and write new files and folders.
	// Otherwise the umask decides.
	OwnerOnly bool
}

// forOwner implements ownerStore.
func (s Local) forOwner() Store {
	s.OwnerOnly = true
	return s
}

// mode returns the permissions for a new file or folder, before the umask. most are
// the permissions without OwnerOnly.
func (s Local) mode(most fs.FileMode) fs.FileMode {
	if s.OwnerOnly {
		return most & 0o700
	}
	return most
}

func localPath(path string) string {
	rest, ok := strings.CutPrefix(path, "file:/")
	if !ok {
		return path
	}
	if rest, ok := strings.CutPrefix(rest, "/localhost/"); ok {
		return "/" + strings.TrimLeft(rest, "/")
	}
	return "/" + strings.TrimLeft(rest, "/")
}

// Open implements Store.
func (Local) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(localPath(path))
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	return file, nil
}

// limitedFile is a part of a file. Close closes the whole file.
type limitedFile struct {
	io.Reader
	io.Closer
}

// ReadRange implements Store.
func (s Local) ReadRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("store: read %s from %d: negative offset", path, offset)
	}
	opened, err := s.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	file := opened.(*os.File)
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("store: read %s from %d: %w", path, offset, err), file.Close())
	}
	if length < 0 {
		return file, nil
	}
	return limitedFile{io.LimitReader(file, length), file}, nil
}

// OpenAt implements Store.
func (s Local) OpenAt(ctx context.Context, path string) (Handle, error) {
	opened, err := s.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	file := opened.(*os.File)
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", path, err), file.Close())
	}
	return &localHandle{file: file, size: info.Size()}, nil
}

type localHandle struct {
	file *os.File
	size int64
}

func (h *localHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := h.file.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("store: read %s from %d: %w", h.file.Name(), offset, err)
	}
	return n, err
}

func (h *localHandle) Size() int64  { return h.size }
func (h *localHandle) Block() int64 { return 0 }
func (h *localHandle) Close() error { return h.file.Close() }

// Stat implements Store.
func (Local) Stat(ctx context.Context, path string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	info, err := os.Stat(localPath(path))
	if err != nil {
		return Info{}, fmt.Errorf("store: %w", err)
	}
	return entry(path, info), nil
}

func entry(path string, info fs.FileInfo) Info {
	e := Info{Path: path, Modified: info.ModTime(), Dir: info.IsDir()}
	if !e.Dir {
		e.Size = info.Size()
	}
	return e
}

// Mkdir implements Store.
func (s Local) Mkdir(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(localPath(path), s.mode(0o777)); err != nil {
		return fmt.Errorf("store: make folder: %w", err)
	}
	return nil
}

// Remove implements Store.
func (Local) Remove(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.RemoveAll(localPath(path)); err != nil {
		return fmt.Errorf("store: remove: %w", err)
	}
	return nil
}

// Create implements Store.
func (s Local) Create(ctx context.Context, path string) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	final := localPath(path)
	file, err := createTemp(final, s.mode(0o666))
	if err != nil {
		return nil, fmt.Errorf("store: create %s: %w", path, err)
	}
	return &localFile{File: file, final: final}, nil
}

// createTemp makes a temporary file beside final. mode and the umask decide its
// permissions. os.CreateTemp would make it for its owner only.
func createTemp(final string, mode fs.FileMode) (*os.File, error) {
	for try := 0; ; try++ {
		file, err := os.OpenFile(filepath.Join(filepath.Dir(final), temporaryOf(filepath.Base(final))), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, fs.ErrExist) || try == createTries {
			return file, err
		}
	}
}

// Append implements Store.
func (s Local) Append(ctx context.Context, path string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := os.OpenFile(localPath(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND, s.mode(0o666))
	if err == nil {
		_, err = file.Write(data)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("store: append: %w", err)
	}
	return nil
}

// createTries is how many more names are tried for a temporary file.
const createTries = 100

// localFile is a file that still has its temporary name.
type localFile struct {
	*os.File
	final string
	ended bool
}

func (f *localFile) Commit() error {
	if f.ended {
		return fmt.Errorf("store: commit %s: %w", f.final, fs.ErrClosed)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("store: commit %s: %w", f.final, errors.Join(err, f.Abort()))
	}
	if err := f.rename(); err != nil {
		return err
	}
	return syncPath(filepath.Dir(f.final))
}

// rename gives the file its name. The bytes may not be durable.
func (f *localFile) rename() error {
	f.ended = true
	err := f.Close()
	if err == nil {
		err = os.Rename(f.Name(), f.final)
	}
	if err != nil {
		return fmt.Errorf("store: commit %s: %w", f.final, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func (f *localFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("store: abort %s: %w", f.final, err)
	}
	return nil
}
