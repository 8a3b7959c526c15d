package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Piece is a part of a file. A negative Size means to the file's end.
type Piece struct {
	Path         string
	Offset, Size int64 // bytes
}

// copiedBytes are copied at a time. Several goroutines would be slower: a file system
// lets one of them write into a file at a time.
const copiedBytes = 32 << 20

// Assemble implements Store. The kernel copies the bytes, or shares their blocks, if the
// file systems can. It begins at once to write them to the disk, so that Publish waits
// less.
func (s Local) Assemble(ctx context.Context, pieces []Piece, path string) (err error) {
	a := assembly{sources: map[string]*os.File{}}
	pieces = slices.Clone(pieces) // open sets sizes
	defer func() { err = errors.Join(err, a.close()) }()
	mode, err := a.open(pieces)
	if err != nil {
		return fmt.Errorf("store: assemble %s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	final := localPath(path)
	file, err := createTemp(final, s.mode(mode&0o666))
	if err != nil {
		return fmt.Errorf("store: assemble %s: %w", path, err)
	}
	to := &localFile{File: file, final: final}
	defer func() { err = errors.Join(err, to.Abort()) }()
	if err := a.copyTo(ctx, pieces, file); err != nil {
		return fmt.Errorf("store: assemble %s: %w", path, err)
	}
	return to.rename()
}

// assembly is the open files of pieces.
type assembly struct{ sources map[string]*os.File }

// open opens the files of pieces, and sets sizes that are negative. mode has the
// permissions that all files have.
func (a *assembly) open(pieces []Piece) (mode fs.FileMode, err error) {
	mode = 0o777
	for i, p := range pieces {
		file := a.sources[p.Path]
		if file == nil {
			if file, err = os.Open(localPath(p.Path)); err != nil {
				return mode, err
			}
			a.sources[p.Path] = file
		}
		info, err := file.Stat()
		if err != nil {
			return mode, err
		}
		mode &= info.Mode()
		if p.Size < 0 {
			pieces[i].Size = info.Size() - p.Offset
		}
	}
	return mode, nil
}

func (a *assembly) close() (err error) {
	for _, f := range a.sources {
		err = errors.Join(err, f.Close())
	}
	return err
}

// copyTo writes the pieces, one behind the other.
func (a *assembly) copyTo(ctx context.Context, pieces []Piece, to *os.File) error {
	at := int64(0)
	for _, p := range pieces {
		for done := int64(0); done < p.Size; done += copiedBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			r := copyRange{a.sources[p.Path], to, p.Offset + done, at + done, min(copiedBytes, p.Size-done)}
			if err := r.copy(); err != nil {
				return err
			}
		}
		at += p.Size
	}
	return nil
}

// copyRange is size bytes of a file and their place in another.
type copyRange struct {
	from, to *os.File
	read     int64 // offset in from
	write    int64 // offset in to
	size     int64
}

func (r copyRange) copy() error {
	begin, size := r.write, r.size
	err := r.copyInKernel()
	for _, no := range []error{unix.EXDEV, unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP, unix.EPERM} {
		if errors.Is(err, no) {
			err = r.copyBytes()
			break
		}
	}
	if err == nil {
		// Only a hint: Publish waits for the disk.
		_ = unix.SyncFileRange(int(r.to.Fd()), begin, size, unix.SYNC_FILE_RANGE_WRITE)
	}
	return err
}

// copyInKernel copies with copy_file_range(2). After an error, r is what is left.
func (r *copyRange) copyInKernel() error {
	for r.size > 0 {
		n, err := unix.CopyFileRange(int(r.from.Fd()), &r.read, int(r.to.Fd()), &r.write, int(r.size), 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "copy", Path: r.from.Name(), Err: err}
		}
		if n == 0 {
			return &fs.PathError{Op: "copy", Path: r.from.Name(), Err: io.ErrUnexpectedEOF}
		}
		r.size -= int64(n)
	}
	return nil
}

// copyBytes copies through this process.
func (r *copyRange) copyBytes() error {
	n, err := io.Copy(io.NewOffsetWriter(r.to, r.write), io.NewSectionReader(r.from, r.read, r.size))
	if err == nil && n < r.size {
		err = &fs.PathError{Op: "copy", Path: r.from.Name(), Err: io.ErrUnexpectedEOF}
	}
	return err
}
