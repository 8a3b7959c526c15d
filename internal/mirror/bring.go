package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"tfos/internal/model"
)

// bringTries bounds how often a checkpoint is copied that is replaced meanwhile.
const bringTries = 3

// errVanished says that a checkpoint was deleted or replaced at the store while it came down.
var errVanished = fmt.Errorf("the checkpoint was deleted while it was copied: %w", fs.ErrNotExist)

// bringCheckpoint brings down a checkpoint, unless it is here. ok is false if it is damaged.
// The error is errVanished if it is no longer at the store.
func (m *Mirror) bringCheckpoint(ctx context.Context, c *checkpoint, found listing, got *Brought) (ok bool, err error) {
	if m.seen[c.index()] == found[c.index()] && m.isHere(c.index()) {
		return true, nil
	}
	for range bringTries {
		ok, again, err := m.bringOnce(ctx, c, found, got)
		if err != nil || ok || !again {
			return ok, err
		}
	}
	return false, fmt.Errorf("mirror: bring down %s: %w", m.at(c.prefix), errVanished)
}

// bringOnce brings down a checkpoint. again: another one has its name now.
func (m *Mirror) bringOnce(ctx context.Context, c *checkpoint, found listing, got *Brought) (ok, again bool, err error) {
	coming := map[string]string{}
	defer func() {
		for _, temporary := range coming {
			_ = os.Remove(temporary) // New empties the folder, and hidden files stay here
		}
	}()
	var bytes int64
	for _, name := range c.files() {
		temporary, there, err := m.download(ctx, name)
		if err == nil && !there {
			err = fmt.Errorf("mirror: bring down %s: %w", m.at(name), errVanished)
		}
		if err != nil {
			return false, false, err
		}
		coming[name] = temporary
		bytes += found[name].size
	}
	info, err := m.Store.Stat(ctx, m.at(c.index()))
	if errors.Is(err, fs.ErrNotExist) {
		err = errVanished
	}
	if err != nil {
		return false, false, fmt.Errorf("mirror: bring down %s: %w", m.at(c.index()), err)
	}
	if now := (version{info.Size, info.Modified}); now != found[c.index()] {
		found[c.index()] = now
		return false, true, nil
	}
	for _, name := range c.files() {
		if err := m.place(coming[name], name, found[name]); err != nil {
			return false, false, fmt.Errorf("mirror: bring down %s: %w", m.at(name), err)
		}
		delete(coming, name)
	}
	if problem := model.CheckpointProblem(m.here(c.prefix)); problem != "" {
		m.Log.Warn("mirror: a checkpoint of the store cannot be restored", "checkpoint", m.at(c.prefix), "problem", problem)
		return false, false, m.dropHere(c)
	}
	got.Checkpoints = append(got.Checkpoints, c.prefix)
	got.Files += int64(len(c.files()))
	got.Bytes += bytes
	return true, false, nil
}

// dropHere deletes a checkpoint here, and leaves it at the store.
func (m *Mirror) dropHere(c *checkpoint) error {
	var errs []error
	for _, name := range slices.Backward(c.files()) {
		delete(m.known, name)
		if err := os.Remove(m.here(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("mirror: %w", err))
		}
	}
	return errors.Join(errs...)
}

// placeState writes the local state file. Its newest checkpoint is usable, which is here.
// A follower then deletes what came down and is no longer named.
func (m *Mirror) placeState(ctx context.Context, dir string, s stateFile, usable string, all map[string]*checkpoint, found listing) error {
	m.states[dir], m.newest[dir] = s, usable
	if i := slices.IndexFunc(s.all, func(name string) bool { return join(dir, name) == usable }); i >= 0 {
		later := s.all[i+1:] // they cannot be restored
		s = s.only(func(name string) bool { return !slices.Contains(later, name) })
		s.newest = s.all[i]
	} else {
		s.newest = strings.TrimPrefix(usable, join(dir, ""))
		s = stateFile{newest: s.newest, all: []string{s.newest}}
	}
	name := join(dir, stateName)
	temporary := path.Join(m.here(dir), temporaryPrefix+stateName)
	err := os.WriteFile(temporary, s.text(), 0o644)
	if err == nil {
		err = m.place(temporary, name, found[name])
	}
	if err != nil {
		return fmt.Errorf("mirror: bring down %s: %w", m.at(name), err)
	}
	if m.Mode != Follow {
		return nil
	}
	for name, k := range m.known {
		prefix := prefixOf(name)
		if kindOf(name) != index || k.owned || folderOf(name) != dir || all[prefix] != nil {
			continue
		}
		c := &checkpoint{prefix: prefix}
		for other := range m.known {
			if kindOf(other) == data && prefixOf(other) == prefix {
				c.data = append(c.data, other)
			}
		}
		if m.isHere(prefix + ".meta") {
			c.meta = prefix + ".meta"
		}
		if err := m.dropHere(c); err != nil {
			return err
		}
	}
	return nil
}

// temporaryPrefix begins the names of files that are not here completely. Hidden files are
// never uploaded.
const temporaryPrefix = ".tfos-coming-"

// download copies a file of the store to a temporary name in its local folder. ok is false
// if it is gone.
func (m *Mirror) download(ctx context.Context, name string) (temporary string, ok bool, err error) {
	fail := func(err error) (string, bool, error) {
		return "", false, fmt.Errorf("mirror: bring down %s: %w", m.at(name), err)
	}
	from, err := m.Store.Open(ctx, m.at(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return fail(err)
	}
	defer from.Close()
	dir := m.here(folderOf(name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(err)
	}
	temporary = path.Join(dir, temporaryPrefix+path.Base(name))
	to, err := os.Create(temporary)
	if err != nil {
		return fail(err)
	}
	_, err = copyBytes(ctx, to, from, m.Moved)
	if err = errors.Join(err, to.Close()); err != nil {
		return fail(errors.Join(err, os.Remove(temporary)))
	}
	return temporary, true, nil
}

// place gives a downloaded file its name.
func (m *Mirror) place(temporary, name string, v version) error {
	if err := os.Rename(temporary, m.here(name)); err != nil {
		return err
	}
	info, err := os.Stat(m.here(name))
	if err != nil {
		return err
	}
	owned := m.Mode == Write && kindOf(name) != events
	m.known[name], m.seen[name] = known{stampOf(info), owned}, v
	return nil
}
