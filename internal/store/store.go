package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Store is one kind of storage. Returned paths have the form in which the caller
// gave them. Errors wrap fs.ErrNotExist and fs.ErrExist if that is the cause. Methods
// may be called concurrently, but callers must not write one path twice at a time.
type Store interface {
	// Open opens a file to read it from its start. The caller closes the result.
	Open(ctx context.Context, path string) (io.ReadCloser, error)
	// ReadRange opens length bytes from offset, or fewer at the file's end. A
	// negative length means to the end. The caller closes the result.
	ReadRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error)
	// OpenAt opens a file for many reads at any offset. The caller closes the result.
	OpenAt(ctx context.Context, path string) (Handle, error)
	// Create begins a file in an existing folder. The file has a temporary name until
	// Commit, which replaces an existing file at path.
	Create(ctx context.Context, path string) (File, error)
	// Append adds data to the end of a file. It creates the file if it does not exist.
	// The folder must exist. Readers see the data at once. It need not be durable.
	// After an error, or if the process is killed, the file may have only the first
	// part of data.
	Append(ctx context.Context, path string, data []byte) error
	// Match returns the files and folders that a pattern (glob.go) matches, sorted by
	// path. Entries inside a folder that matches too are left out. A path that exists
	// is taken literally, unless it has * or ?. If nothing matches, the result of a
	// pattern is empty, and the error of a path is fs.ErrNotExist.
	Match(ctx context.Context, pattern string) ([]Info, error)
	// List returns data files, sorted by path: the files that Match returns, and the
	// files at every depth of its folders. Hidden names in the folders are left out.
	List(ctx context.Context, pattern string) ([]Info, error)
	// Stat describes a file or folder.
	Stat(ctx context.Context, path string) (Info, error)
	// Mkdir makes a folder and those above it. An existing folder is no error.
	Mkdir(ctx context.Context, path string) error
	// Remove deletes a file, or a folder with its contents. If there is neither, that
	// is no error.
	Remove(ctx context.Context, path string) error
	// Link gives the file at from a second name, in an existing folder. Either name can
	// be removed, and the bytes stay under the other. If to exists, the error is
	// fs.ErrExist. A store without links copies the file. Callers must not change the
	// bytes of either name in place.
	Link(ctx context.Context, from, to string) error
	// Assemble writes a file, in an existing folder, of pieces of other files, in their
	// order. It replaces an existing file. Its permissions are those that all sources
	// have. The file has its name when it is complete; an error leaves no partial file.
	// Its bytes are durable after Publish.
	Assemble(ctx context.Context, pieces []Piece, path string) error
	// Lock locks the file at path, in an existing folder, without waiting. The error is
	// ErrLocked if another process holds the lock. The end of the process releases it, for
	// whatever reason: at once, or after a lease of a minute.
	Lock(ctx context.Context, path string) (Lock, error)
	// Publish makes the bytes of staging durable, and then gives it its final name.
	// staging is a complete file or folder on the same store. If final exists and
	// replace is false, the error is fs.ErrExist and nothing changes. With replace,
	// readers find the old or the new entry. If the store cannot exchange names, they
	// may find neither for a moment. If renaming fails, the old entry stays. A store
	// without renames copies: if that fails, staging stays, and Recover does the rest.
	Publish(ctx context.Context, staging, final string, replace bool) error
}

// Lock is a lock that this process holds. The caller ends it with Close or Remove.
type Lock interface {
	// Close releases the lock. Its file may stay.
	Close() error
	// Remove deletes the lock's file and releases the lock.
	Remove(ctx context.Context) error
}

// Info describes a file or folder.
type Info struct {
	Path     string // begins as the caller's path or pattern does
	Size     int64  // bytes; 0 for a folder
	Modified time.Time
	Dir      bool
}

// Handle is an open file. Its methods may be called concurrently.
type Handle interface {
	// ReadAt fills p from offset, as io.ReaderAt does. If it reads fewer bytes, it
	// returns an error, which is io.EOF at the file's end.
	ReadAt(ctx context.Context, p []byte, offset int64) (int, error)
	// Size returns the file's size in bytes when it was opened.
	Size() int64
	// Block returns how many bytes a read in order should have at a time, because a call
	// takes long to begin. 0: it does not.
	Block() int64
	Close() error
}

// Beginner is a store whose calls take long to begin: an object store.
type Beginner interface {
	// BeginAt is OpenAt, and the first ReadAt by the same request: it fills p from offset.
	// It returns fewer bytes, without an error, only where the file ends.
	BeginAt(ctx context.Context, path string, p []byte, offset int64) (Handle, int, error)
}

// File is a file that is being written. The caller ends it with Commit or Abort.
// Abort after Commit does nothing, so that Abort can be deferred.
type File interface {
	io.Writer
	// Commit makes the bytes durable and gives the file its name. An error leaves no
	// partial file.
	Commit() error
	// Abort deletes the file.
	Abort() error
}

// MarkSuccess writes the empty file _SUCCESS into a folder of s. Readers of Hadoop and
// Spark know by it that an output is complete.
func MarkSuccess(ctx context.Context, s Store, folder string) error {
	return WriteFile(ctx, s, strings.TrimSuffix(folder, "/")+"/_SUCCESS", nil)
}

// WriteFile writes a small file of s, in an existing folder. The file gets its name
// when its bytes are durable. An error leaves no partial file.
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
