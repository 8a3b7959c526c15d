package datanode

import (
	"errors"
	"sync"
	"time"
)

// replica is a block of this host with its open files. Readers share it.
type replica struct {
	key    blockKey
	files  blockFiles
	sums   checksums
	users  int
	expiry *time.Timer // closes it, when it has no users
}

// replicas are the blocks whose files are open. A reader that begins anew in a block, as
// those of parquet files do, need not ask the data node again.
type replicas struct {
	mu    sync.Mutex
	open  map[blockKey]*replica
	idle  int               // those without users
	wrong map[blockKey]bool // blocks whose files were wrong
}

const (
	// mostIdle is how many replicas without users stay open.
	mostIdle = 64
	// mostWrong is how many wrong blocks are remembered. With more, they are tried again.
	mostWrong = 10_000
)

var errWrong = errors.New("the block's files were wrong before")

// get returns a replica, for which its user calls release. If nobody has its files, ask
// opens them.
func (r *replicas) get(key blockKey, ask func() (*replica, error)) (*replica, error) {
	if found, err := r.use(key, nil); found != nil || err != nil {
		return found, err
	}
	asked, err := ask()
	if err != nil {
		return nil, err
	}
	found, err := r.use(key, asked)
	if found != asked { // another reader was faster, or has found the files wrong
		err = errors.Join(err, asked.files.Close())
	}
	return found, err
}

// use returns the open replica of a block. Without one it returns asked, which is open now.
func (r *replicas) use(key blockKey, asked *replica) (*replica, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wrong[key] {
		return nil, errWrong
	}
	found := r.open[key]
	switch {
	case found == nil && asked == nil:
		return nil, nil
	case found == nil:
		if r.open == nil {
			r.open = map[blockKey]*replica{}
		}
		found, r.open[key] = asked, asked
	case found.users == 0:
		found.expiry.Stop()
		r.idle--
	}
	found.users++
	return found, nil
}

// release ends the use of a replica. It is closed if nobody uses it again within idle.
func (r *replicas) release(p *replica, idle time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.users--
	switch {
	case p.users > 0:
		return nil
	case r.open[p.key] != p || r.idle == mostIdle:
		return r.close(p)
	}
	r.idle++
	p.expiry = time.AfterFunc(idle, func() { r.expire(p) })
	return nil
}

// expire closes a replica that nobody uses.
func (r *replicas) expire(p *replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users == 0 && r.open[p.key] == p { // nobody was faster
		r.idle--
		_ = r.close(p) // it was read from
	}
}

func (r *replicas) close(p *replica) error {
	if r.open[p.key] == p {
		delete(r.open, p.key)
	}
	return p.files.Close()
}

// fail says that a replica's files are wrong. Nobody gets it any more.
func (r *replicas) fail(p *replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[p.key] == p {
		delete(r.open, p.key)
	}
	if r.wrong == nil || len(r.wrong) == mostWrong {
		r.wrong = map[blockKey]bool{}
	}
	r.wrong[p.key] = true
}
