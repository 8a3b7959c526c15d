package mirror

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// snapshot is what a folder has to upload: checkpoints whose files are open, and the
// state file that goes with them.
type snapshot struct {
	checkpoints []openCheckpoint // oldest first
	hasState    bool
	stateLater  bool // the state file names what is not complete yet
	state       stateFile
	stateStamp  stamp
}

// openCheckpoint is a complete checkpoint whose new files are open, its index last.
type openCheckpoint struct {
	prefix  string
	sources []source
	again   bool // the store has a checkpoint of this prefix
	written time.Time
}

func (s *snapshot) close() {
	for _, c := range s.checkpoints {
		closeAll(c.sources)
	}
}

// snapshotTries bounds how often a snapshot begins again, because the program has
// deleted the newest checkpoint meanwhile.
const snapshotTries = 5

// snapshot opens the files of a folder's new checkpoints. The state file is read first:
// what it names is then there, or was deleted by the program since, which has written
// another state file then.
func (m *Mirror) snapshot(dir string, when moment) (*snapshot, error) {
	for try := 1; ; try++ {
		s, err := m.snapshotOnce(dir, when)
		if err != nil || !s.hasState || m.willHave(dir, s) {
			return s, err
		}
		if try == snapshotTries {
			s.hasState, s.stateLater = false, true
			return s, nil
		}
		s.close()
	}
}

// willHave reports whether the newest checkpoint of the state file is at the store once
// those of the snapshot are.
func (m *Mirror) willHave(dir string, s *snapshot) bool {
	prefix := join(dir, s.state.newest)
	if _, up := m.known[prefix+".index"]; up {
		return true
	}
	return slices.ContainsFunc(s.checkpoints, func(c openCheckpoint) bool { return c.prefix == prefix })
}

func (m *Mirror) snapshotOnce(dir string, when moment) (*snapshot, error) {
	shot := &snapshot{}
	if err := m.readState(dir, shot); err != nil {
		return nil, err
	}
	files, err := m.scan(dir)
	if err != nil {
		return nil, err
	}
	found := checkpointsIn(slices.Sorted(maps.Keys(files)))
	for _, prefix := range slices.Sorted(maps.Keys(found)) {
		c := found[prefix]
		if !m.isMeant(dir, c, shot, files, when) || !m.isReady(c, files, when) {
			continue
		}
		opened, ok, err := m.openNew(c, files)
		if err != nil {
			shot.close()
			return nil, err
		}
		if ok && len(opened.sources) > 0 {
			shot.checkpoints = append(shot.checkpoints, opened)
		}
	}
	slices.SortStableFunc(shot.checkpoints, func(x, y openCheckpoint) int {
		return cmp.Or(x.written.Compare(y.written), cmp.Compare(stepOf(x.prefix), stepOf(y.prefix)))
	})
	if n := len(shot.checkpoints); n > 0 {
		m.change(func(s *Status) { s.Local = shot.checkpoints[n-1].prefix })
	}
	return shot, nil
}

// readState reads the state file of a folder, if there is one.
func (m *Mirror) readState(dir string, shot *snapshot) error {
	name := join(dir, stateName)
	s, ok, err := m.open(name)
	if err != nil || !ok {
		return err
	}
	defer s.file.Close()
	text, err := io.ReadAll(s.file)
	if err != nil {
		return fmt.Errorf("mirror: read %s: %w", m.here(name), err)
	}
	shot.state, shot.hasState = parseState(text, strings.TrimSuffix(m.here(dir), "/"))
	shot.stateStamp = s.stamp
	return nil
}

// isMeant reports whether a checkpoint is to be at the store. One of the state file's series
// that it does not name is not finished, or is about to be deleted. Where a program keeps one
// of such a name all the same, it goes up as soon as nothing has changed for a time.
func (m *Mirror) isMeant(dir string, c *checkpoint, shot *snapshot, files map[string]stamp, when moment) bool {
	named := slices.Contains(shot.state.all, relative(c.prefix, dir))
	switch {
	case !shot.hasState, named, family(c.prefix) != family(join(dir, shot.state.newest)):
		return true
	case m.Keep > 0: // a graph program names what it keeps
		return false
	}
	return when == ended || time.Since(files[c.index()].modified) >= m.Settle
}

// isReady reports whether a checkpoint is complete. TensorFlow writes the index last: an
// older index belongs to the checkpoint that is being replaced, unless nothing has changed
// for a time, or the program has returned.
func (m *Mirror) isReady(c *checkpoint, files map[string]stamp, when moment) bool {
	changed := false
	newest := files[c.index()].modified
	torn := false
	for _, name := range c.files() {
		s := files[name]
		changed = changed || m.isNew(name, s)
		if kindOf(name) == data && s.modified.After(files[c.index()].modified) {
			torn = true
		}
		if s.modified.After(newest) {
			newest = s.modified
		}
	}
	if !changed || torn && when != ended && time.Since(newest) < m.Settle {
		return false
	}
	return m.complete(c)
}

// openNew opens the files of a checkpoint that are not at the store. If data is replaced,
// the index is among them. ok is false if the program has changed one of them meanwhile.
func (m *Mirror) openNew(c *checkpoint, files map[string]stamp) (opened openCheckpoint, ok bool, err error) {
	opened.prefix, opened.written = c.prefix, files[c.index()].modified
	names := c.files()
	newData := slices.ContainsFunc(c.data, func(name string) bool { return m.isNew(name, files[name]) })
	opened.again = m.stored[c.index()] && (newData || m.isNew(c.index(), files[c.index()]))
	for _, name := range names {
		if !m.isNew(name, files[name]) && (kindOf(name) != index || !newData) {
			continue
		}
		s, there, err := m.open(name)
		if err != nil {
			closeAll(opened.sources)
			return opened, false, err
		}
		if there {
			opened.sources = append(opened.sources, s)
		}
		if !there || s.stamp != files[name] {
			closeAll(opened.sources)
			return opened, false, nil
		}
	}
	return opened, true, nil
}

// inTemporary reports whether a file is in a folder of what a worker writes and throws
// away: Keras and TensorFlow's guides call it workertemp_<index>.
func inTemporary(name string) bool {
	return strings.HasPrefix(name, "workertemp_") || strings.Contains(name, "/workertemp_")
}
