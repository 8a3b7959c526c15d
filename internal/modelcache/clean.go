package modelcache

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxAge   = 7 * 24 * time.Hour // of a copy that nobody uses
	maxBytes = 20 << 30           // of all copies
	// oldStaging is the age of a download that its process has not finished. The process
	// is dead: a download that lives changes its folder all the time.
	oldStaging = 24 * time.Hour
)

// entry is a copy in the cache.
type entry struct {
	path  string
	used  time.Time
	bytes int64
}

// clean deletes copies that nobody holds: old ones, and the least recently used ones while
// all have more than limit bytes. What cannot be deleted stays for the next time.
func (c Cache) clean(now time.Time, limit int64) {
	entries, total := c.entries(now)
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		if now.Sub(e.used) < maxAge && total <= limit {
			continue
		}
		if deleteUnused(e.path) {
			total -= e.bytes
		}
	}
}

// entries lists the copies. It deletes what dead processes have left of downloads.
func (c Cache) entries(now time.Time) (entries []entry, total int64) {
	found, err := os.ReadDir(c.Root)
	if err != nil {
		return nil, 0
	}
	for _, f := range found {
		path := filepath.Join(c.Root, f.Name())
		if !f.IsDir() {
			continue
		}
		if strings.HasPrefix(f.Name(), ".new-") {
			if newest(path).Before(now.Add(-oldStaging)) {
				_ = os.RemoveAll(path)
			}
			continue
		}
		lock, err := os.Stat(path + lockSuffix)
		if err != nil {
			continue
		}
		e := entry{path: path, used: lock.ModTime()}
		_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil {
					e.bytes += info.Size()
				}
			}
			return nil
		})
		entries, total = append(entries, e), total+e.bytes
	}
	return entries, total
}

// newest is the time of the last change in a folder.
func newest(folder string) (last time.Time) {
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			if info, err := d.Info(); err == nil && info.ModTime().After(last) {
				last = info.ModTime()
			}
		}
		return nil
	})
	return last
}

// deleteUnused deletes a copy unless a process holds it. The lock's file goes first, while
// it is held: whoever opened it before sees that it is no longer the copy's.
func deleteUnused(path string) bool {
	file, err := os.OpenFile(path+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	return os.RemoveAll(path) == nil && os.Remove(path+lockSuffix) == nil
}
