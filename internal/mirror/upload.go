package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/store"
)

const (
	// parallel is how many files are copied at a time.
	parallel = 4
	// chunk is how many bytes are copied at a time.
	chunk = 1 << 20
)

// upload is a file whose bytes are at the store, without its name.
type upload struct {
	source
	file store.File
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

func (m *Mirror) copyUp(ctx context.Context, u *upload) error {
	fail := func(err error) error { return fmt.Errorf("mirror: upload %s: %w", m.at(u.name), err) }
	file, err := m.Store.Create(ctx, m.at(u.name))
	if err != nil {
		return fail(err)
	}
	u.file = file
	// A section, so that a second try begins at the start.
	from := io.NewSectionReader(u.source.file, 0, u.size)
	n, err := m.copy(ctx, file, from)
	if err == nil && n != u.size {
		err = errChanged
	}
	if err == nil {
		err = u.unchanged()
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// copy copies until the end of from or of ctx.
func (m *Mirror) copy(ctx context.Context, to io.Writer, from io.Reader) (int64, error) {
	var total int64
	buffer := make([]byte, chunk)
	for {
		if err := ctx.Err(); err != nil {
			return total, context.Cause(ctx)
		}
		n, err := io.ReadFull(from, buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			m.Moved(n)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// commit gives a staged file its name.
func (m *Mirror) commit(u *upload) error {
	if err := u.file.Commit(); err != nil {
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
				if err = u.file.Commit(); err == nil {
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
		if u.file != nil {
			errs = append(errs, u.file.Abort())
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
	defer func() { err = errors.Join(err, abort(staged)) }()
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
