package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// parallel is how many files are copied at a time.
const parallel = 4

// upload is a file whose bytes are at the store, without its name.
type upload struct {
	source
	staged Staged
}

// stage copies files to the store. None has its name before commit. The caller calls
// abort in any case.
func (m *Mirror) stage(ctx context.Context, sources []source) ([]*upload, error) {
	staged := make([]*upload, len(sources))
	var group errgroup.Group // without a context of its own, which would end before commit
	group.SetLimit(parallel)
	for i, s := range sources {
		if err := m.makeFolder(ctx, folderOf(s.name)); err != nil {
			return staged, errors.Join(err, group.Wait())
		}
		staged[i] = &upload{source: s}
		group.Go(func() error { return m.copyUp(ctx, staged[i]) })
	}
	return staged, group.Wait()
}

// makeFolder makes a folder of the store, once.
func (m *Mirror) makeFolder(ctx context.Context, dir string) error {
	if m.made[dir] {
		return nil
	}
	if err := m.Store.Mkdir(ctx, m.at(dir)); err != nil {
		return fmt.Errorf("mirror: make folder %s: %w", m.at(dir), err)
	}
	m.made[dir] = true
	return nil
}

// copyUp copies a file to the store. It has no name there before commit.
func (m *Mirror) copyUp(ctx context.Context, u *upload) error {
	staged, err := m.uploader().Upload(ctx, m.at(u.name), u.source.file, u.size, m.Moved)
	switch {
	case errors.Is(err, ErrShort):
		err = errChanged
	case err == nil:
		u.staged = staged
		err = u.unchanged()
	}
	if err != nil {
		return fmt.Errorf("mirror: upload %s: %w", m.at(u.name), err)
	}
	return nil
}

// uploader is what copies files now.
func (m *Mirror) uploader() Uploader {
	if m.finishing || m.Uploader == nil {
		return Direct{m.Store}
	}
	return m.Uploader
}

// commit gives a staged file its name.
func (m *Mirror) commit(u *upload) error {
	if err := u.staged.Commit(); err != nil {
		return fmt.Errorf("mirror: upload %s: %w", m.at(u.name), err)
	}
	m.count(u)
	return nil
}

// count records a file that is at the store.
func (m *Mirror) count(u *upload) {
	m.known[u.name] = known{u.stamp, true}
	if kindOf(u.name) == index {
		m.stored[u.name] = true
	}
	m.change(func(s *Status) {
		s.AllFiles++
		s.AllBytes += u.size
	})
}

// send uploads files, each on its own. After an error some of them are up.
func (m *Mirror) send(ctx context.Context, sources []source) error {
	sent := make([]*upload, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var failed error
	for i, s := range sources {
		if failed = m.makeFolder(ctx, folderOf(s.name)); failed != nil {
			break
		}
		group.Go(func() error {
			u := &upload{source: s}
			err := m.copyUp(ctx, u)
			if err == nil {
				if err = u.staged.Commit(); err == nil {
					sent[i] = u
					return nil
				}
				err = fmt.Errorf("mirror: upload %s: %w", m.at(u.name), err)
			}
			return errors.Join(err, abort([]*upload{u}))
		})
	}
	err := errors.Join(group.Wait(), failed)
	for _, u := range sent {
		if u != nil {
			m.count(u)
		}
	}
	return err
}

// abort deletes what was staged and not committed, and closes the local files.
func abort(staged []*upload) error {
	var errs []error
	for _, u := range staged {
		if u == nil {
			continue
		}
		if u.staged != nil {
			errs = append(errs, u.staged.Abort())
		}
	}
	return errors.Join(errs...)
}

func closeAll(sources []source) {
	for _, s := range sources {
		_ = s.file.Close() // it was only read
	}
}

// saveUp uploads the files of a checkpoint, its index last. again says that the store has
// a checkpoint of this prefix, whose files are replaced: it has no index meanwhile.
func (m *Mirror) saveUp(ctx context.Context, prefix string, sources []source, again bool) (err error) {
	began := time.Now()
	staged, err := m.stage(ctx, sources)
	defer func() {
		if err = errors.Join(err, abort(staged)); err == nil {
			delete(m.halves, prefix)
		} else {
			m.halves[prefix] = true
		}
	}()
	if err != nil {
		return err
	}
	if again {
		old := prefix + ".index"
		if err := m.Store.Remove(ctx, m.at(old)); err != nil {
			return fmt.Errorf("mirror: replace %s: %w", m.at(old), err)
		}
		delete(m.known, old)
		delete(m.stored, old)
	}
	var bytes int64
	for _, u := range staged {
		if err := m.commit(u); err != nil {
			return err
		}
		bytes += u.size
	}
	m.change(func(s *Status) {
		s.Stored, s.Files, s.Bytes, s.Seconds = prefix, int64(len(staged)), bytes, time.Since(began).Seconds()
	})
	return nil
}
