package feed

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// cacheAlign is where chunks begin in a cache file: what Arrow aligns its
// buffers to, so that a mapped chunk needs no copy.
const cacheAlign = 64

// errCacheFull: the feed's first epoch is larger than Config.CacheBytes.
var errCacheFull = errors.New("the first epoch is larger than the cache may be")

// cache is the file in which a member keeps the chunks of a feed's first epoch.
// The program reads it by itself (TypeCached says where): what is repeated costs
// the member no bytes. It is safe for concurrent use.
type cache struct {
	path  string
	limit int64

	mu      sync.Mutex
	file    *os.File // nil before the first chunk
	size    int64
	writing sync.WaitGroup
	err     error // why it is not whole
}

func newCache(folder string, cfg Config) *cache {
	return &cache{path: filepath.Join(folder, "feed-"+cfg.Name+".cache"), limit: cfg.CacheBytes}
}

// put writes a chunk's bytes and says where they lie. false: this or an earlier
// chunk could not be kept, and no later one will be.
func (c *cache) put(data []byte) (at int64, kept bool) {
	file, at, err := c.reserve(int64(len(data)))
	if err != nil {
		return 0, false
	}
	defer c.writing.Done()
	if _, err := file.WriteAt(data, at); err != nil {
		c.fail(err)
		return 0, false
	}
	return at, true
}

// reserve takes room in the file; the caller says Done when it has written.
func (c *cache) reserve(size int64) (*os.File, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && c.size+size > c.limit {
		c.err = errCacheFull
	}
	if c.err == nil && c.file == nil {
		c.file, c.err = os.OpenFile(c.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if c.err != nil {
		return nil, 0, c.err
	}
	at := c.size
	c.size += (size + cacheAlign - 1) / cacheAlign * cacheAlign
	c.writing.Add(1)
	return c.file, at, nil
}

func (c *cache) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, err)
}

// whole says whether all that was put is there.
func (c *cache) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// remove gives the disk back.
func (c *cache) remove() error {
	c.fail(os.ErrClosed)
	c.writing.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	err := errors.Join(c.file.Close(), os.Remove(c.path))
	c.file = nil
	if err != nil {
		return fmt.Errorf("feed: remove the cache: %w", err)
	}
	return nil
}

// replay has the queue repeat its first epoch from the cache, up to epochs in
// all; 0: until it is stopped.
func (q *queue) replay(epochs int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.replays = true
	switch {
	case epochs > 0:
		q.last = epochs - 1
	case len(q.kept) == 0:
		q.last = 0 // without end, but of nothing
	}
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
	q.notify()
}

// forgetCache gives back the disk of a feed that is sent anew all the same.
func (q *queue) forgetCache() error {
	if q.cache == nil {
		return nil
	}
	q.mu.Lock()
	q.kept = nil
	q.mu.Unlock()
	return q.cache.remove()
}
