package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"tfos/internal/store/bucket"
)

// lockContent is what a lock's object has.
type lockContent struct {
	Owner    string  `json:"owner"`    // unique
	Process  string  `json:"process"`  // host and process, for people
	LeaseS   float64 `json:"lease_s"`  // the lock ends this long after the object's time
	Renewals int     `json:"renewals"` // so far
	// Publishing is what the owner publishes; nil: this is another lock.
	Publishing *publication `json:"publishing,omitempty"`
}

// Lock implements Store by an object that is created if it is absent. Its content names
// the owner and the lease, which the owner renews. All times are the store's. A lock
// whose lease has ended is taken over, so a dead process keeps others out for at most
// leaseTime. A process that cannot renew its lock loses it: then Close returns an error.
func (o *Objects) Lock(ctx context.Context, path string) (Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.needFolderOf(ctx, path); err != nil {
		return nil, err
	}
	l := o.newLock(path)
	if err := l.acquire(ctx); err != nil {
		return nil, err
	}
	l.keep(ctx)
	return l, nil
}

// newLock returns a lock that is not held yet.
func (o *Objects) newLock(path string) *objectLock {
	host, _ := os.Hostname() // only for people
	return &objectLock{o: o, path: path, content: lockContent{
		Owner: rand.Text(), Process: fmt.Sprintf("process %d on %s", os.Getpid(), host), LeaseS: o.lease.Seconds(),
	}, lease: o.lease}
}

// objectLock is a lock that this process holds.
type objectLock struct {
	o    *Objects
	path string

	mu      sync.Mutex // held while the object is written
	content lockContent
	etag    string // of the lock's object

	lease time.Duration // o.lease or longer

	stop context.CancelFunc
	done chan struct{} // closed when renewals has ended
	lost error         // why the lock was lost. Read it after done
	gone bool          // somebody removed the object. Read it after done
}

// keep renews the lock from now on, until Close or give.
func (l *objectLock) keep(ctx context.Context) {
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.done = make(chan struct{})
	go l.renewals(ctx)
}

// change changes the content of a lock that is held.
func (l *objectLock) change(ctx context.Context, do func(c *lockContent)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.content)
	return l.put(ctx, bucket.Condition{ETag: l.etag})
}

// give ends the renewals, and lets the next process take the lock over at once, with what
// it says. If that cannot be written, the lease ends by itself.
func (l *objectLock) give(ctx context.Context) {
	l.stop()
	<-l.done
	_ = l.change(context.WithoutCancel(ctx), func(c *lockContent) { c.LeaseS = 0 })
}

// put writes the lock's object. If the answer of a try was lost, the object is ours
// nevertheless.
func (l *objectLock) put(ctx context.Context, only bucket.Condition) error {
	data, err := json.Marshal(l.content)
	if err != nil {
		return fmt.Errorf("store: lock %s: %w", l.path, err)
	}
	err = l.o.do(ctx, "lock", l.path, func(ctx context.Context) (err error) {
		etag, err := l.o.bucket.Put(ctx, l.o.key(l.path), data, only)
		if err == nil {
			l.etag = etag
		}
		return err
	})
	if err == nil || !errors.Is(err, fs.ErrExist) && !errors.Is(err, bucket.ErrChanged) {
		return err
	}
	if there, etag, readErr := l.read(ctx); readErr == nil && there.Owner == l.content.Owner {
		l.etag = etag
		return nil
	}
	return err
}

// read returns the content and the ETag of the lock's object.
func (l *objectLock) read(ctx context.Context) (c lockContent, etag string, err error) {
	r := &objectReader{ctx: ctx, o: l.o, path: l.path, at: bucket.Range{Length: -1}}
	if err := r.open(); err != nil {
		return c, "", err
	}
	data, err := io.ReadAll(r)
	_ = r.Close() // it closes no more than a connection
	if err != nil {
		return c, "", err
	}
	_ = json.Unmarshal(data, &c) // an object that is no lock of ours has no owner and no lease
	return c, r.at.ETag, nil
}

// acquire creates the object, or takes over one whose lease has ended.
func (l *objectLock) acquire(ctx context.Context) error {
	for {
		if err := l.put(ctx, bucket.Condition{Absent: true}); !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := l.takeOver(ctx); !errors.Is(err, fs.ErrNotExist) {
			return err
		} // it was released meanwhile
	}
}

// takeOver takes over the object of a lock whose lease has ended, with what it says is being
// published. The error is a heldError if the lease has not ended, and fs.ErrNotExist if there
// is no object.
func (l *objectLock) takeOver(ctx context.Context) error {
	for {
		held, etag, err := l.read(ctx)
		if err != nil {
			return err
		}
		object, err := l.o.head(ctx, l.path)
		if err != nil {
			return err
		}
		lease := time.Duration(held.LeaseS * float64(time.Second))
		left := lease - object.Now.Sub(object.Modified)
		if object.ETag != etag || left > 0 {
			return &heldError{l.path, held.Process, lease, max(left, 0)}
		}
		l.content.Publishing = held.Publishing
		if err = l.put(ctx, bucket.Condition{ETag: etag}); !errors.Is(err, bucket.ErrChanged) {
			return err
		}
	}
}

// heldError says who holds a lock.
type heldError struct {
	path, process string
	lease, left   time.Duration // left: until the lease ends, if it is not renewed
}

func (e *heldError) Error() string {
	return fmt.Sprintf("store: lock %s: %v: %s. If that process is dead, its lock ends within %s", e.path, ErrLocked, e.process, e.lease.Round(time.Second))
}

func (e *heldError) Unwrap() error { return ErrLocked }

// renewals renews the lease until ctx ends or the lock is lost.
func (l *objectLock) renewals(ctx context.Context) {
	defer close(l.done)
	renewed := time.Now()
	for sleep(ctx, l.o.lease/3) == nil {
		tried := time.Now()
		err := l.change(ctx, func(c *lockContent) { c.Renewals++ })
		switch {
		case err == nil:
			renewed = tried
		case ctx.Err() != nil:
			return
		case errors.Is(err, bucket.ErrChanged):
			if _, _, readErr := l.read(ctx); errors.Is(readErr, fs.ErrNotExist) {
				l.gone = true
				return
			}
			l.lost = fmt.Errorf("store: lock %s: another process has taken it over: %w", l.path, ErrLocked)
			return
		case time.Since(renewed) > l.lease:
			l.lost = fmt.Errorf("store: lock %s: its lease ended: %w", l.path, err)
			return
		}
	}
}

// Remove implements Lock.
func (l *objectLock) Remove(context.Context) error { return l.Close() }

// Close implements Lock: it deletes the object, unless somebody else has it now.
func (l *objectLock) Close() error {
	l.stop()
	<-l.done
	if l.lost != nil || l.gone {
		return l.lost
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.o.retry.total)
	defer cancel()
	there, _, err := l.read(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case there.Owner != l.content.Owner:
		return fmt.Errorf("store: lock %s: another process has taken it over: %w", l.path, ErrLocked)
	}
	return l.o.deleteSome(ctx, l.path, []string{l.o.key(l.path)})
}
