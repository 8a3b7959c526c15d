package feed

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// cacheAlign is the alignment of chunks in a cache file. It is Arrow's
// alignment of buffers, so a mapped chunk needs no copy.
const cacheAlign = 64

// Reasons why a cache is incomplete, besides errors of the disk.
var (
	errCacheFull      = errors.New("the first epoch is larger than the cache may be")
	errCacheDiscarded = errors.New("the epochs are sent anew")
)

// cache is the file in which a member keeps the chunks of a feed's first epoch.
// The program reads the file itself, at the place that CACHED names. So a
// replay copies no bytes here. It is safe for concurrent use. Its lock is held
// during system calls.
type cache struct {
	path  string
	limit int64

	mu      sync.Mutex
	file    *os.File // nil before the first chunk, and after the cache was given up
	size    int64
	writers int
	err     error // why the cache is incomplete
}

func newCache(folder string, cfg Config) *cache {
	return &cache{path: filepath.Join(folder, "feed-"+cfg.Name+".cache"), limit: cfg.CacheBytes}
}

// putChunk writes a chunk's bytes and returns their offset. kept is false if
// this or an earlier chunk could not be written. Then no later chunk is written
// either.
func (c *cache) putChunk(data []byte) (at int64, kept bool) {
	file, at := c.beginWrite(int64(len(data)))
	if file == nil {
		return 0, false
	}
	_, err := file.WriteAt(data, at)
	c.endWrite(err)
	return at, err == nil
}

// beginWrite reserves room in the file. The caller writes there and then calls
// endWrite. It returns nil if there is no room.
func (c *cache) beginWrite(size int64) (*os.File, int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.size+size > c.limit:
		c.err = errCacheFull
	case c.file == nil:
		c.file, c.err = os.OpenFile(c.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if c.err != nil {
		c.removeFile()
		return nil, 0
	}
	at := c.size
	c.size += (size + cacheAlign - 1) / cacheAlign * cacheAlign
	c.writers++
	return c.file, at
}

// endWrite ends a write that beginWrite began. err is its error.
func (c *cache) endWrite(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers--
	c.err = cmp.Or(c.err, err)
	c.removeFile()
}

// removeFile deletes the file of an incomplete cache once no write is under
// way, because the program's own files need the disk. A file that stays is
// removed with its folder, by the folder's owner. The caller holds mu.
func (c *cache) removeFile() {
	if c.err == nil || c.file == nil || c.writers > 0 {
		return
	}
	_, _ = c.file.Close(), os.Remove(c.path)
	c.file = nil
}

// isWhole reports whether all chunks that were put are in the file. It may wait
// for the disk.
func (c *cache) isWhole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// discard gives up the cache.
func (c *cache) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, errCacheDiscarded)
	c.removeFile()
}
