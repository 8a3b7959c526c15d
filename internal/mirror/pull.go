package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tfos/internal/store"
)

// listing is what the store has: versions by name.
type listing map[string]version

// Fetch brings down what a program goes on from: of each folder the newest complete
// checkpoint with its state file, of each series of Keras's files of weights the newest,
// and the other files. These stay at the store alone: event files, SavedModels, older
// checkpoints, hidden files. If there is no folder at the store, nothing comes, and a
// writer makes it: what it may not write to is known before the program starts.
func (m *Mirror) Fetch(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := time.Now()
	if m.Mode == Write {
		if err := m.makeFolder(ctx, ""); err != nil {
			return err
		}
	}
	found, err := m.list(ctx)
	if err != nil {
		return err
	}
	got := &Brought{}
	if found, err = m.bringNewest(ctx, found, got); err != nil {
		return err
	}
	for name := range found {
		if kindOf(name) == index {
			m.stored[name] = true
		}
	}
	if err := m.bringFiles(ctx, m.wanted(found), found, got); err != nil {
		return err
	}
	got.Seconds = time.Since(began).Seconds()
	m.change(func(s *Status) {
		s.Brought = *got
		if n := len(got.Checkpoints); n > 0 {
			s.Stored, s.Local = got.Checkpoints[n-1], got.Checkpoints[n-1]
		}
	})
	return nil
}

// listTries bounds how often the store is listed again because a checkpoint has vanished.
const listTries = 10

// bringNewest brings down checkpoints. It lists the store again where another member
// deletes them meanwhile, and returns the last listing.
func (m *Mirror) bringNewest(ctx context.Context, found listing, got *Brought) (listing, error) {
	err := m.bringCheckpoints(ctx, found, got)
	for try := 1; errors.Is(err, errVanished) && try < listTries; try++ {
		if found, err = m.list(ctx); err == nil {
			err = m.bringCheckpoints(ctx, found, got)
		}
	}
	return found, err
}

// pullNews brings down what this mode wants while the program runs. now: whatever the
// time of the last look.
func (m *Mirror) pullNews(ctx context.Context, now bool) error {
	if m.Mode != Follow && (!m.Board || time.Since(m.looked) < m.EventsEvery) && !now {
		return nil
	}
	if m.Mode != Follow && !m.Board {
		return nil
	}
	found, err := m.list(ctx)
	if err != nil {
		return err
	}
	m.looked = time.Now()
	if m.Board {
		if err := m.bringFiles(ctx, m.othersEvents(found), found, &Brought{}); err != nil {
			return err
		}
	}
	if m.Mode != Follow {
		return nil
	}
	if err := m.bringFiles(ctx, m.wanted(found), found, &Brought{}); err != nil {
		return err
	}
	_, err = m.bringNewest(ctx, found, &Brought{})
	if errors.Is(err, errVanished) && !now {
		return nil // the next look finds those that are there then
	}
	return err
}

// list returns the files of the store's folder, but hidden ones.
func (m *Mirror) list(ctx context.Context) (listing, error) {
	found := listing{}
	err := m.walk(ctx, m.URL, func(name string, e store.Info) error {
		if kindOf(name) != ignored {
			found[name] = version{e.Size, e.Modified}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("mirror: look through %s: %w", m.URL, err)
	}
	return found, nil
}

// nameOf returns the name of a URL below the store's folder.
func (m *Mirror) nameOf(url string) (string, bool) {
	name, ok := strings.CutPrefix(url, m.URL+"/")
	return strings.TrimSuffix(name, "/"), ok && name != "" && fs.ValidPath(strings.TrimSuffix(name, "/"))
}

// bringFiles brings down files that are not here as they are at the store.
func (m *Mirror) bringFiles(ctx context.Context, names []string, found listing, got *Brought) error {
	for _, name := range names {
		if m.seen[name] == found[name] {
			continue
		}
		if k, ok := m.known[name]; ok && k.owned && m.Mode == Follow {
			continue // it is this member's own
		}
		temporary, ok, err := m.download(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if kindOf(name) == weights { // programs choose the newest by time
			err = os.Chtimes(temporary, time.Time{}, found[name].modified)
		}
		if err := errors.Join(err, m.place(temporary, name, found[name])); err != nil {
			return fmt.Errorf("mirror: bring down %s: %w", m.at(name), err)
		}
		got.Files++
		got.Bytes += found[name].size
	}
	return nil
}

// bringCheckpoints brings down the checkpoints that this member wants of each folder, and
// its state file after them.
func (m *Mirror) bringCheckpoints(ctx context.Context, found listing, got *Brought) error {
	all := checkpointsIn(slices.Sorted(maps.Keys(found)))
	folders := map[string]bool{}
	for prefix := range all {
		folders[folderOf(prefix)] = true
	}
	for name := range found {
		if kindOf(name) == state {
			folders[folderOf(name)] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if err := m.bringFolder(ctx, dir, all, found, got); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mirror) bringFolder(ctx context.Context, dir string, all map[string]*checkpoint, found listing, got *Brought) error {
	text, hasState, err := m.storedState(ctx, dir, found)
	if err != nil {
		return err
	}
	usable := ""
	for _, series := range m.series(dir, text, all, found) {
		first, err := m.bringFirst(ctx, series, all, found, got)
		if err != nil {
			return err
		}
		if usable == "" && (slices.Contains(text.all, relative(first, dir)) || family(first) == family(join(dir, text.newest))) {
			usable = first
		}
	}
	if m.Want != "" && folderOf(m.Want) == dir && all[m.Want] != nil && usable != m.Want {
		if _, err := m.bringCheckpoint(ctx, all[m.Want], found, got); err != nil {
			return err
		}
	}
	if !hasState || usable == "" {
		return nil
	}
	return m.placeState(ctx, dir, text, usable, all, found)
}

// relative returns a name below a folder as its state file has it.
func relative(name, dir string) string { return strings.TrimPrefix(name, join(dir, "")) }

// bringFirst brings down the first checkpoint of a series that can be restored. A follower
// brings down all of the series that are still there. It returns "" if none can be restored.
// The error is errVanished if the first one was deleted meanwhile: there is a newer one then.
func (m *Mirror) bringFirst(ctx context.Context, series []string, all map[string]*checkpoint, found listing, got *Brought) (usable string, err error) {
	for _, prefix := range series {
		ok, err := m.bringCheckpoint(ctx, all[prefix], found, got)
		if errors.Is(err, errVanished) && usable != "" {
			continue
		}
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		if usable == "" {
			usable = prefix
		}
		if m.Mode != Follow {
			break
		}
	}
	return usable, nil
}

// storedState reads the state file of a folder of the store.
func (m *Mirror) storedState(ctx context.Context, dir string, found listing) (s stateFile, ok bool, err error) {
	name := join(dir, stateName)
	if _, there := found[name]; !there {
		return s, false, nil
	}
	text, err := m.read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("mirror: bring down %s: %w", m.at(name), err)
	}
	s, ok = parseState(text, join(m.URL, dir))
	return s, ok, nil
}
