package feed

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// cacheAlign is where chunks begin in a cache file: what Arrow aligns its
// buffers to, so that a mapped chunk needs no copy.
const cacheAlign = 64

// Why a cache is not whole, beside errors of the disk.
var (
	errCacheFull      = errors.New("the first epoch is larger than the cache may be")
	errCacheDiscarded = errors.New("the epochs are sent anew")
)

// cache is the file in which a member keeps the chunks of a feed's first epoch.
// The program reads the file itself (CACHED says where): a replay copies no bytes
// here. It is safe for concurrent use. Its lock is held during system calls.
type cache struct {
	path  string
	limit int64

	mu      sync.Mutex
	file    *os.File // nil before the first chunk, and when it is given up
	size    int64
	writers int
	err     error // why it is not whole
}

func newCache(folder string, cfg Config) *cache {
	return &cache{path: filepath.Join(folder, "feed-"+cfg.Name+".cache"), limit: cfg.CacheBytes}
}

// putChunk writes a chunk's bytes and returns their offset. kept false: this or an
// earlier chunk could not be written, and no later one will be.
func (c *cache) putChunk(data []byte) (at int64, kept bool) {
	file, at := c.beginWrite(int64(len(data)))
	if file == nil {
		return 0, false
	}
	_, err := file.WriteAt(data, at)
	c.endWrite(err)
	return at, err == nil
}

// beginWrite takes room in the file; the caller writes there and calls endWrite.
// nil: there is no room.
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

// endWrite counts a write that has ended, with its error.
func (c *cache) endWrite(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers--
	c.err = cmp.Or(c.err, err)
	c.removeFile()
}

// removeFile gives the disk of a cache back that is not whole, when nobody writes:
// the program's own files lie beside it. The folder's owner removes files that
// stay. The caller holds mu.
func (c *cache) removeFile() {
	if c.err == nil || c.file == nil || c.writers > 0 {
		return
	}
	_, _ = c.file.Close(), os.Remove(c.path)
	c.file = nil
}

// isWhole says whether all chunks that were put are there. It may wait for the
// disk.
func (c *cache) isWhole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// discard gives the cache up.
func (c *cache) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, errCacheDiscarded)
	c.removeFile()
}
