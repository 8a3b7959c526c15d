package mirror

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"tfos/internal/store"
)

// notePrefix begins the names of notes.
const notePrefix = ".tfos-saving-"

// note is what a mirror is about to do in one folder of the store. It is there as a hidden
// file from before the first change until after the last. The note of a dead mirror tells
// Sweep what to finish. Prefixes are below the mirror's folder.
type note struct {
	// Saving are checkpoints that get files. Without an index, what is there of them is half
	// a checkpoint.
	Saving []string `json:"saving,omitempty"`
	// State is the state file that comes after them; "": it stays. Before are the names that
	// the state file has until then.
	State  string   `json:"state,omitempty"`
	Before []string `json:"before,omitempty"`
	// Deleting are checkpoints that are deleted after that.
	Deleting []string `json:"deleting,omitempty"`
}

// noteOf returns the name of the mirror's note in a folder.
func (m *Mirror) noteOf(dir string) string { return join(dir, notePrefix+m.id) }

// writeNote writes the note of a folder.
func (m *Mirror) writeNote(ctx context.Context, dir string, n note) error {
	if len(n.Saving)+len(n.Deleting) == 0 {
		return nil
	}
	text, err := json.Marshal(n)
	if err == nil {
		err = m.makeFolder(ctx, dir)
	}
	if err == nil {
		m.noted[dir] = true
		err = store.WriteFile(ctx, m.Store, m.at(m.noteOf(dir)), text)
	}
	if err != nil {
		return fmt.Errorf("mirror: note what changes in %s: %w", m.at(dir), err)
	}
	return nil
}

// removeNotes deletes the notes of a pass that has ended without an error. The note stays
// where a graph program is about to delete checkpoints, and where the pass was abandoned.
func (m *Mirror) removeNotes(ctx context.Context, abandoned map[string]bool) error {
	about := map[string]bool{}
	for prefix := range m.unnamed {
		about[folderOf(prefix)] = m.Keep > 0
	}
	for dir := range m.noted {
		if about[dir] || abandoned[dir] {
			continue
		}
		if err := m.Store.Remove(ctx, m.at(m.noteOf(dir))); err != nil {
			return fmt.Errorf("mirror: delete the note in %s: %w", m.at(dir), err)
		}
		delete(m.noted, dir)
	}
	return nil
}

// Sweep deletes what mirrors of dead processes have left in the folder url: files that do
// not have their names yet, halves of checkpoints, and checkpoints that they were deleting.
// The caller holds the folder's lock, and no mirror of its own has begun.
func Sweep(ctx context.Context, s store.Store, url string) error {
	m := newMirror(Config{Store: s, URL: strings.TrimRight(url, "/"), Mode: Write})
	var notes []string
	found := listing{}
	err := m.walk(ctx, m.URL, func(name string, e store.Info) error {
		base := path.Base(name)
		switch {
		case strings.HasPrefix(base, notePrefix):
			notes = append(notes, name)
		case store.Temporary(base):
			return s.Remove(ctx, e.Path)
		case kindOf(name) != ignored:
			found[name] = version{e.Size, e.Modified}
		}
		return nil
	})
	for _, name := range notes {
		if err == nil {
			err = m.obey(ctx, name, found)
		}
	}
	if err != nil {
		return fmt.Errorf("mirror: delete what earlier runs have left in %s: %w", url, err)
	}
	return nil
}

// obey finishes what the note of a dead mirror says, and deletes the note.
func (m *Mirror) obey(ctx context.Context, name string, found listing) error {
	var n note
	switch text, err := m.read(ctx, name); {
	case err != nil:
		return err
	case json.Unmarshal(text, &n) != nil: // another's file
		return nil
	}
	dir := folderOf(name)
	isWhole := func(prefix string) bool { _, ok := found[prefix+".index"]; return ok }
	state, _, err := m.storedState(ctx, dir, found)
	if err != nil {
		return err
	}
	next, _ := parseState([]byte(n.State), join(m.URL, dir))
	if n.isStale(state, next) {
		n.Deleting = nil
	} else if after := n.stateAfter(dir, state, next, isWhole); after.newest != "" && !bytes.Equal(after.text(), state.text()) {
		state = after
		err = store.WriteFile(ctx, m.Store, m.at(join(dir, stateName)), state.text())
	}
	for _, prefix := range slices.Concat(n.Saving, n.Deleting) {
		isHalf := !isWhole(prefix)
		if named := slices.Contains(state.all, relative(prefix, dir)); err != nil || named || !isHalf && !slices.Contains(n.Deleting, prefix) {
			continue
		}
		err = m.removeCheckpoint(ctx, prefix)
	}
	if err != nil {
		return err
	}
	return m.Store.Remove(ctx, m.at(name))
}

// stateAfter returns what the state file says after the note's changes, as far as they came:
// what it names now stays in the place of what never came.
func (n note) stateAfter(dir string, now, next stateFile, isWhole func(prefix string) bool) stateFile {
	after := next.only(func(name string) bool { return isWhole(join(dir, name)) })
	if after.newest != "" && len(after.all) == len(next.all) {
		return after
	}
	earlier := now.only(func(name string) bool { return isWhole(join(dir, name)) && !slices.Contains(after.all, name) })
	if after.newest == "" {
		newer := n.newer(dir, earlier.newest, cmp.Or(earlier.newest, next.newest), isWhole)
		if len(newer) == 0 && n.State == "" {
			return now
		}
		earlier.all, after.newest = append(earlier.all, newer...), earlier.newest
		if len(newer) > 0 {
			after.newest = newer[len(newer)-1]
		}
	}
	after.all, after.times = slices.Concat(earlier.all, after.all), nil
	return after
}

// newer returns the whole checkpoints of a note that no state file names, of the series of a
// name and with later steps than newest, oldest first: an earlier pass of the mirror has
// uploaded them, and did not come to its state file.
func (n note) newer(dir, newest, series string, isWhole func(prefix string) bool) []string {
	var found []string
	for _, prefix := range slices.Concat(n.Saving, n.Deleting) {
		if name := relative(prefix, dir); isWhole(prefix) && family(name) == family(series) && stepOf(name) > stepOf(newest) {
			found = append(found, name)
		}
	}
	slices.SortFunc(found, func(x, y string) int { return cmp.Compare(stepOf(x), stepOf(y)) })
	return slices.Compact(found)
}

// isStale reports whether a state file has names that are neither from before nor from after
// the note's changes: another mirror has written it since.
func (n note) isStale(now, next stateFile) bool {
	return slices.ContainsFunc(now.all, func(name string) bool { return !slices.Contains(n.Before, name) && !slices.Contains(next.all, name) })
}

// read returns the content of a small file of the store.
func (m *Mirror) read(ctx context.Context, name string) (text []byte, err error) {
	file, err := m.Store.Open(ctx, m.at(name))
	if err != nil {
		return nil, err
	}
	text, err = io.ReadAll(file)
	return text, errors.Join(err, file.Close())
}

// walk calls see for each file of a folder of the store, at all depths. Hidden folders are
// left out, and hidden files are not.
func (m *Mirror) walk(ctx context.Context, dir string, see func(name string, e store.Info) error) error {
	entries, err := m.Store.Match(ctx, store.Literal(dir)+"/{*,.*,_*}")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		name, ok := m.nameOf(e.Path)
		switch {
		case err != nil || !ok:
		case !e.Dir:
			err = see(name, e)
		case !strings.HasPrefix(path.Base(name), "."):
			err = m.walk(ctx, strings.TrimSuffix(e.Path, "/"), see)
		}
	}
	return err
}
