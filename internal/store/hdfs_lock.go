package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsLeaseTime is how long the lock of a dead process keeps others out: the name node's
// soft limit of leases (HdfsConstants.LEASE_SOFTLIMIT_PERIOD). The client renews its
// leases every second.
const hdfsLeaseTime = 60 * time.Second

// patience is a policy that outlives the lease of a dead process.
func (h *hdfsCluster) patience() retryPolicy {
	p := h.retry
	p.total += hdfsLeaseTime
	return p
}

// Lock implements Store by a file that is open for writing: the name node gives a file's
// lease to one client at a time. The client renews its lease while the process lives. The
// lock of a process that was killed, or that the name node has not heard of, ends after
// hdfsLeaseTime. The file stays when the lock ends. Remove the file, or its folder, only
// while holding the lock.
func (s HDFS) Lock(ctx context.Context, path string) (Lock, error) {
	var w *hdfs.FileWriter
	err := s.do(ctx, "lock", path, func(c *hdfs.Client) error {
		replication, block, err := s.fileDefaults(c)
		if err != nil {
			return err
		}
		w, err = c.CreateFile(hdfsPath(path), replication, block, s.mode(0o666))
		if errors.Is(err, fs.ErrExist) {
			w, err = c.Append(hdfsPath(path))
		}
		switch err = fromHDFS(err); {
		case errors.Is(err, errBusy):
			return fmt.Errorf("%w (%w)", ErrLocked, err)
		case errors.Is(err, fs.ErrNotExist):
			if _, above := c.Stat(hdfsPath(parent(path))); above == nil {
				return &hdfsError{err: err, again: true} // removed between the two calls
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &hdfsLock{s: s, path: path, writer: w}, nil
}

// hdfsLock is a lock that is held.
type hdfsLock struct {
	s      HDFS
	path   string
	writer *hdfs.FileWriter
}

// Remove implements Lock.
func (l *hdfsLock) Remove(ctx context.Context) error {
	return errors.Join(l.s.Remove(ctx, l.path), l.Close())
}

// Close implements Lock.
func (l *hdfsLock) Close() error {
	err := l.s.closeWriter(context.Background(), l.writer, l.path, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errLeaseLost) {
		return nil // its holder has removed the file
	}
	return err
}
