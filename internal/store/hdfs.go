package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/colinmarc/hdfs/v2"
	"golang.org/x/sys/unix"
)

// HDFS is the Store of a Hadoop file system. Paths are URLs: hdfs://host:port/a,
// hdfs://nameservice/a, or hdfs:///a for the one of fs.defaultFS. As in Hadoop, percent
// signs are literal.
//
// Calls are repeated as retryPolicy says, through a fail-over of the name nodes too.
// Nothing goes to the trash. Files in encryption zones and erasure-coded files are
// refused, because the client would read their raw bytes.
type HDFS struct {
	*hdfsCluster
	// OwnerOnly: only their owner may read and write new files and folders. Otherwise
	// fs.permissions.umask-mode decides.
	OwnerOnly bool
}

// openHDFS makes the store of hdfs://authority.
func openHDFS(root string, s Settings) (Store, error) {
	cluster, err := newHDFSCluster(root, s)
	if err != nil {
		return nil, err
	}
	return HDFS{hdfsCluster: cluster}, nil
}

// forOwner implements ownerStore.
func (s HDFS) forOwner() Store {
	s.OwnerOnly = true
	return s
}

// mode returns the permissions of a new file or folder. most are those without a umask.
func (s HDFS) mode(most fs.FileMode) fs.FileMode {
	if s.OwnerOnly {
		return most & 0o700
	}
	return most &^ s.umask
}

// hdfsPath returns the path of a URL within its file system, without a slash at its end.
func hdfsPath(url string) string {
	_, rest := cutRoot(url)
	return path.Clean("/" + rest)
}

// Stat implements Store.
func (s HDFS) Stat(ctx context.Context, path string) (Info, error) {
	info, err := s.stat(ctx, path)
	if err != nil {
		return Info{}, err
	}
	return entry(path, info), nil
}

// stat describes a file or folder.
func (s HDFS) stat(ctx context.Context, path string) (info fs.FileInfo, err error) {
	err = s.do(ctx, "stat", path, func(c *hdfs.Client) error {
		info, err = c.Stat(hdfsPath(path))
		return err
	})
	return info, err
}

// Mkdir implements Store.
func (s HDFS) Mkdir(ctx context.Context, path string) error {
	return s.do(ctx, "make folder", path, func(c *hdfs.Client) error {
		return c.MkdirAll(hdfsPath(path), s.mode(0o777))
	})
}

// Remove implements Store.
func (s HDFS) Remove(ctx context.Context, path string) error {
	if hdfsPath(path) == "/" {
		return fmt.Errorf("store: remove %s: tfos does not empty a file system", path)
	}
	return s.do(ctx, "remove", path, func(c *hdfs.Client) error { return c.RemoveAll(hdfsPath(path)) })
}

// hdfsTree is the tree of one call of Match.
type hdfsTree struct {
	s    HDFS
	root string // what the caller's paths begin with: hdfs://authority
}

func (t hdfsTree) stat(ctx context.Context, p string) (fs.FileInfo, error) {
	return t.s.stat(ctx, t.root+p)
}

func (t hdfsTree) readDir(ctx context.Context, p string) ([]fs.DirEntry, error) {
	infos, err := t.s.readDir(ctx, t.root+p)
	entries := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		entries[i] = fs.FileInfoToDirEntry(info)
	}
	return entries, err
}

// readDir lists a folder.
func (s HDFS) readDir(ctx context.Context, path string) (infos []fs.FileInfo, err error) {
	err = s.do(ctx, "list", path, func(c *hdfs.Client) error {
		infos, err = c.ReadDir(hdfsPath(path))
		return err
	})
	return infos, err
}

// Match implements Store.
func (s HDFS) Match(ctx context.Context, pattern string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, rest := cutRoot(pattern)
	return matchIn(ctx, hdfsTree{s, root}, root, orDefault(rest, "/"))
}

// List implements Store.
func (s HDFS) List(ctx context.Context, pattern string) ([]Info, error) {
	return listMatches(ctx, s, pattern, func(match Info, see func(Info)) error {
		if !match.Dir {
			see(match)
			return nil
		}
		return s.listBelow(ctx, match.Path, see)
	})
}

// listBelow calls see for the data files at all depths of a folder.
func (s HDFS) listBelow(ctx context.Context, folder string, see func(Info)) error {
	infos, err := s.readDir(ctx, folder)
	for _, info := range infos {
		at := joinPath(folder, info.Name())
		switch {
		case err != nil:
			return err
		case hidden(info.Name()):
		case info.IsDir():
			err = s.listBelow(ctx, at, see)
		default:
			see(entry(at, info))
		}
	}
	return err
}

// rename gives from the name to. A file at to, or an empty folder, is replaced. A rename
// whose answer was lost is not an error: what has the name now is what was to be renamed.
func (s HDFS) rename(ctx context.Context, from, to string) error {
	before, err := s.stat(ctx, from)
	if err != nil {
		return err
	}
	tries := 0
	return s.do(ctx, "rename", from, func(c *hdfs.Client) error {
		tries++
		err := c.Rename(hdfsPath(from), hdfsPath(to))
		if tries > 1 && errors.Is(err, fs.ErrNotExist) {
			if after, statErr := c.Stat(hdfsPath(to)); statErr == nil && fileID(after) == fileID(before) {
				return nil
			}
		}
		return err
	})
}

// fileID returns the number that the name node gives a file or folder for its lifetime.
func fileID(info fs.FileInfo) uint64 {
	status, _ := info.Sys().(*hdfs.FileStatus)
	return status.GetFileId()
}

// besideName returns a hidden name in the folder of a path.
func besideName(p, suffix string) string {
	folder, name := path.Split(strings.TrimRight(p, "/"))
	return folder + "." + name + suffix
}

// temporaryName returns a new hidden name in the folder of a path.
func temporaryName(p string) string {
	folder, name := path.Split(strings.TrimRight(p, "/"))
	return folder + temporaryOf(name)
}

// readable returns an error if the client cannot read, or write, the bytes of a file.
func readable(info fs.FileInfo) error {
	status, _ := info.Sys().(*hdfs.FileStatus)
	switch {
	case info.IsDir():
		return fmt.Errorf("it is a folder: %w", unix.EISDIR)
	case status.GetFileEncryptionInfo() != nil:
		return errEncrypted
	case status.GetEcPolicy() != nil:
		return errCoded
	}
	return nil
}
