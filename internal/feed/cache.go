package feed

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// cacheAlign is where chunks begin in a cache file: what Arrow aligns its
// buffers to, so that a mapped chunk needs no copy.
const cacheAlign = 64

// Why a cache is not whole, beside what the disk says.
var (
	errCacheFull      = errors.New("the first epoch is larger than the cache may be")
	errCacheForgotten = errors.New("the epochs are sent anew")
)

// cache is the file in which a member keeps the chunks of a feed's first epoch.
// The program reads it by itself (TypeCached says where): what is repeated costs
// the member no bytes. It is safe for concurrent use.
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

// put writes a chunk's bytes and says where they lie. false: this or an earlier
// chunk could not be kept, and no later one will be.
func (c *cache) put(data []byte) (at int64, kept bool) {
	file, at := c.reserve(int64(len(data)))
	if file == nil {
		return 0, false
	}
	_, err := file.WriteAt(data, at)
	c.leave(err)
	return at, err == nil
}

// reserve takes room in the file; the caller says leave when it has written.
// nil: there is none.
func (c *cache) reserve(size int64) (*os.File, int64) {
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
		c.drop()
		return nil, 0
	}
	at := c.size
	c.size += (size + cacheAlign - 1) / cacheAlign * cacheAlign
	c.writers++
	return c.file, at
}

func (c *cache) leave(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers--
	c.err = cmp.Or(c.err, err)
	c.drop()
}

// drop gives the disk of a cache back that is not whole, when nobody writes: the
// program's own files lie beside it. What the folder's owner removes anyway need
// not be removed here. The caller holds mu.
func (c *cache) drop() {
	if c.err == nil || c.file == nil || c.writers > 0 {
		return
	}
	_, _ = c.file.Close(), os.Remove(c.path)
	c.file = nil
}

// whole says whether all that was put is there.
func (c *cache) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// forget gives it up.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, errCacheForgotten)
	c.drop()
}

// replay has the queue repeat its first epoch from the cache, up to epochs in
// all.
func (q *queue) replay(epochs int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.replays = true
	q.last = epochs - 1
	q.wakePrograms()
}

// repeat begins the current epoch with what the first one had: in another order
// of chunks when the feed is shuffled (the program mixes the rows of chunks that
// are near each other).
func (q *queue) repeat() {
	e := q.epoch(q.current)
	e.ended = true
	order := slices.Clone(q.kept)
	if q.cfg.ShuffleRows > 1 {
		random := rand.New(rand.NewPCG(uint64(q.cfg.ShuffleSeed), uint64(q.current)))
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	for _, it := range order {
		if q.stopped() {
			break
		}
		rows := int64(it.use)
		it.use = uint32(q.take(e, rows, true))
		e.items = append(e.items, it)
		q.fill()
	}
	if q.cfg.Synchronous || q.last == q.current {
		q.notify()
	}
}

// forgetCache gives back the disk of a feed that is sent anew all the same.
func (q *queue) forgetCache() {
	if q.cache == nil {
		return
	}
	q.mu.Lock()
	q.kept = nil
	q.mu.Unlock()
	q.cache.forget()
}
