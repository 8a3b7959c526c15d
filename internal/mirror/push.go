package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tfos/internal/model"
	"tfos/internal/store"
)

// moment is when a pass uploads.
type moment int

const (
	running moment = iota // the program writes
	ended                 // it has returned: everything that is here is meant
	killed                // it was ended: what it wrote last may be half of something
)

// push uploads what is new here, and deletes at the store what was deleted here:
// checkpoints, the state files that name them, other files, and then deletions. Without
// an error everything is at the store that may be there at this moment.
func (m *Mirror) push(ctx context.Context, when moment) error {
	files, err := m.scan(allFolders)
	if err != nil {
		return err
	}
	deleting := map[string]bool{}  // checkpoints that a note says are deleted
	abandoned := map[string]bool{} // folders whose note says what may be there and is not named
	if m.Mode != Events {
		for _, dir := range m.changedFolders(files) {
			whole, err := m.pushCheckpoints(ctx, dir, files, deleting, when)
			if err != nil {
				return err
			}
			abandoned[dir] = !whole
		}
	}
	if err := m.pushFiles(ctx, files, when); err != nil {
		return err
	}
	if err := m.removeDeleted(ctx, files); err != nil {
		return err
	}
	for _, prefix := range slices.Sorted(maps.Keys(deleting)) {
		dir := folderOf(prefix)
		if !slices.Contains(m.leftovers(dir, m.states[dir]), prefix) {
			continue // it is here, or the state file with its name stays
		}
		if err := m.removeCheckpoint(ctx, prefix); err != nil {
			return err
		}
	}
	return m.removeNotes(ctx, abandoned)
}

// isNew reports whether a file is not at the store as it is here.
func (m *Mirror) isNew(name string, s stamp) bool {
	k, found := m.known[name]
	return !found || k.stamp != s
}

// changedFolders returns the folders in which a checkpoint or a state file is new, or was
// deleted, or from which the store has checkpoints to delete.
func (m *Mirror) changedFolders(files map[string]stamp) []string {
	changed := map[string]bool{}
	isOf := func(name string) bool { return isOfCheckpoint(name) || kindOf(name) == state }
	for name, s := range files {
		if isOf(name) && m.isNew(name, s) {
			changed[folderOf(name)] = true
		}
	}
	for name := range m.known {
		if isOf(name) && m.isGone(name, files) {
			changed[folderOf(name)] = true
		}
	}
	for prefix := range m.halves {
		if !m.isHere(prefix + ".index") {
			changed[folderOf(prefix)] = true
		}
	}
	for prefix, until := range m.unnamed {
		if m.isPruned(prefix, until) {
			changed[folderOf(prefix)] = true
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// pushCheckpoints uploads the checkpoints of a folder, and then its state file. It adds to
// deleting which checkpoints may be deleted after that. whole is false if the program has
// changed them meanwhile, so that some are at the store and the state file is not.
func (m *Mirror) pushCheckpoints(ctx context.Context, dir string, files map[string]stamp, deleting map[string]bool, when moment) (whole bool, err error) {
	shot, err := m.snapshot(dir, when)
	if err != nil {
		return false, err
	}
	defer shot.close()
	note := m.noteFor(dir, shot, files)
	if err := m.writeNote(ctx, dir, note); err != nil {
		return false, err
	}
	for _, prefix := range note.Deleting {
		deleting[prefix] = true
	}
	for _, c := range shot.checkpoints {
		if err := m.saveUp(ctx, c.prefix, c.sources, c.again); err != nil {
			if errors.Is(err, errChanged) && when == running {
				return false, nil // the next pass finds it as it is then
			}
			return false, err
		}
	}
	if shot.hasState {
		return true, m.pushState(ctx, dir, shot)
	}
	return !shot.stateLater, nil
}

// pushState uploads a state file.
func (m *Mirror) pushState(ctx context.Context, dir string, shot *snapshot) error {
	old, wanted := m.states[dir], m.wantedState(dir, shot)
	wanted = wanted.only(func(name string) bool {
		_, up := m.known[join(dir, name)+".index"]
		return up || slices.Contains(old.all, name)
	})
	if wanted.newest == "" {
		return nil // nothing that it names is at the store
	}
	name := join(dir, stateName)
	if !m.isNew(name, shot.stateStamp) && bytes.Equal(wanted.text(), old.text()) {
		return nil
	}
	if err := store.WriteFile(ctx, m.Store, m.at(name), wanted.text()); err != nil {
		return fmt.Errorf("mirror: upload %s: %w", m.at(name), err)
	}
	maps.Copy(m.unnamed, m.unname(dir, old, wanted))
	for _, one := range wanted.all {
		delete(m.unnamed, join(dir, one))
	}
	m.known[name], m.states[dir], m.newest[dir] = known{shot.stateStamp, true}, wanted, join(dir, wanted.newest)
	return nil
}

// wantedState is what the state file of the store says when all that it names is there.
func (m *Mirror) wantedState(dir string, shot *snapshot) stateFile {
	if m.Keep > 0 {
		return m.withEarlier(shot.state, m.states[dir])
	}
	return shot.state
}

// pruned is the value of unnamed for a checkpoint that is deleted as soon as it is not here.
const pruned = ""

// unname returns the checkpoints that old names and now does not, for unnamed: as pruned if
// the program looks after the checkpoints of earlier runs, as tf.train.CheckpointManager
// does. It names one of them still then, or deletes the newest of them, with which it has
// begun. Where that one is still here, it is the value: programs name another checkpoint
// first and then delete. A tf.train.Saver of TensorFlow 1 does not know those of earlier
// runs, and leaves them. What else this mirror has uploaded of a graph program's series, in a
// pass that was abandoned, is unnamed too.
func (m *Mirror) unname(dir string, old, now stateFile) map[string]string {
	until := m.newest[dir]
	names := old.all
	switch {
	case until == "":
		names = nil // nothing of old came down
	case m.Keep > 0, slices.ContainsFunc(now.all, func(name string) bool { return slices.Contains(old.all, name) }):
		until = pruned
	}
	lost := map[string]string{}
	if m.Keep > 0 {
		for name, k := range m.known {
			_, brought := m.seen[name]
			if kindOf(name) == index && folderOf(name) == dir && k.owned && !brought && family(prefixOf(name)) == family(join(dir, now.newest)) {
				lost[prefixOf(name)] = pruned
			}
		}
	}
	for _, name := range names {
		lost[join(dir, name)] = until
	}
	for _, name := range now.all {
		delete(lost, join(dir, name))
	}
	return lost
}

// isPruned reports whether an unnamed checkpoint is deleted, whose value is until.
func (m *Mirror) isPruned(prefix, until string) bool {
	return !m.isHere(prefix+".index") && (until == pruned || !m.isHere(until+".index"))
}

// leftovers returns the checkpoints of a folder that the store may have, and that are
// neither here nor named: what the store has of them is deleted.
func (m *Mirror) leftovers(dir string, named stateFile) []string {
	found := map[string]bool{}
	for prefix := range m.halves {
		found[prefix] = true
	}
	for prefix, until := range m.unnamed {
		if m.isPruned(prefix, until) {
			found[prefix] = true
		}
	}
	for name, k := range m.known {
		if isOfCheckpoint(name) && k.owned {
			found[prefixOf(name)] = true
		}
	}
	maps.DeleteFunc(found, func(prefix string, _ bool) bool {
		return folderOf(prefix) != dir || slices.Contains(named.all, relative(prefix, dir)) || m.isHere(prefix+".index")
	})
	return slices.Sorted(maps.Keys(found))
}

// isGone reports whether the program has deleted a file that this mirror owns. files are
// those that a scan has found before.
func (m *Mirror) isGone(name string, files map[string]stamp) bool {
	_, found := files[name]
	return !found && m.known[name].owned && !m.isHere(name)
}

// noteFor is the note of the changes that follow from a snapshot. files are those that a
// scan has found.
func (m *Mirror) noteFor(dir string, shot *snapshot, files map[string]stamp) note {
	saving, deleting := map[string]bool{}, map[string]bool{}
	for _, c := range shot.checkpoints {
		saving[c.prefix] = true
	}
	for prefix := range m.halves {
		saving[prefix] = true
	}
	unnamed := maps.Clone(m.unnamed)
	wanted := m.states[dir]
	n := note{Before: wanted.all}
	switch {
	case shot.hasState:
		wanted = m.wantedState(dir, shot)
		n.State = string(wanted.text())
		maps.Copy(unnamed, m.unname(dir, m.states[dir], wanted))
	case m.isGone(join(dir, stateName), files):
		wanted = stateFile{}
	}
	for _, prefix := range m.leftovers(dir, wanted) {
		deleting[prefix] = true
	}
	for prefix, until := range unnamed {
		// A graph program deletes what is not named. Other programs may keep it.
		if m.Keep > 0 || m.isPruned(prefix, until) {
			deleting[prefix] = true
		}
	}
	inDir := func(prefixes map[string]bool) []string {
		maps.DeleteFunc(prefixes, func(prefix string, _ bool) bool { return folderOf(prefix) != dir })
		return slices.Sorted(maps.Keys(prefixes))
	}
	n.Saving, n.Deleting = inDir(saving), inDir(deleting)
	return n
}

// withEarlier adds the newest checkpoints of old that fit into Keep.
func (m *Mirror) withEarlier(s, old stateFile) stateFile {
	var earlier []string
	for _, name := range slices.Backward(old.all) {
		if len(s.all)+len(earlier) < m.Keep && !slices.Contains(s.all, name) {
			earlier = append(earlier, name)
		}
	}
	slices.Reverse(earlier)
	if len(earlier) > 0 {
		s.all, s.times = append(earlier, s.all...), nil
	}
	return s
}

func (m *Mirror) isHere(name string) bool {
	_, err := os.Lstat(m.here(name))
	return err == nil
}

// pushFiles uploads the files that are no checkpoints: weights first, because what
// stands beside them says which epoch they are of (BackupAndRestore's metadata).
func (m *Mirror) pushFiles(ctx context.Context, files map[string]stamp, when moment) error {
	now := time.Now()
	var saved, rest []string
	for name, s := range files {
		if !m.isNew(name, s) {
			delete(m.pending, name)
			continue
		}
		if !m.isDue(name, s, now, when) {
			continue
		}
		if kindOf(name) == weights {
			saved = append(saved, name)
		} else {
			rest = append(rest, name)
		}
	}
	for _, names := range [][]string{saved, rest} {
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(files[a].modified.Compare(files[b].modified), strings.Compare(a, b))
		})
	}
	for _, name := range saved { // one after another: the newest is the last
		began := time.Now()
		if err := m.sendDue(ctx, []string{name}, when); err != nil {
			return err
		}
		m.noteWeights(name, began)
	}
	for names := range slices.Chunk(rest, openFiles) {
		if err := m.sendDue(ctx, names, when); err != nil {
			return err
		}
	}
	return nil
}

// openFiles is how many files are opened at a time.
const openFiles = 64

// isDue reports whether a new file goes up now. A file whose format does not say that it
// is whole has not changed for a time, or has been new for long: it goes up as it is then.
func (m *Mirror) isDue(name string, s stamp, now time.Time, when moment) bool {
	kind := kindOf(name)
	switch {
	case m.Mode == Events && (kind != events || inTemporary(name)):
		return false
	case kind == index, kind == data, kind == state && m.namesCheckpoints(name):
		return false
	case kind == meta && m.isHere(prefixOf(name)+".index"):
		return false // it goes up with its checkpoint
	case when == ended:
		return true
	case kind == events:
		return when == killed || !now.Before(m.due[name])
	}
	if m.pending[name].IsZero() {
		m.pending[name] = now
	}
	if whole, known := m.looksWhole(name); known {
		return whole
	}
	return now.Sub(s.modified) >= m.Settle || when == running && now.Sub(m.pending[name]) >= m.EventsEvery
}

// namesCheckpoints reports whether a file called "checkpoint" is a state file.
func (m *Mirror) namesCheckpoints(name string) bool {
	text, err := os.ReadFile(m.here(name))
	if err != nil {
		return true // it is gone, or goes up when it can be read
	}
	_, ok := parseState(text, m.here(folderOf(name)))
	return ok
}

// sendDue uploads files, and sets when event files may go up again.
func (m *Mirror) sendDue(ctx context.Context, names []string, when moment) error {
	var sources []source
	defer func() { closeAll(sources) }()
	for _, name := range names {
		s, ok, err := m.open(name)
		if err != nil {
			return err
		}
		if ok {
			sources = append(sources, s)
		}
	}
	began := time.Now()
	err := m.send(ctx, sources)
	if errors.Is(err, errChanged) && when == running {
		err = nil // it goes up in a later pass
	}
	pause := max(m.EventsEvery, copyShare*time.Since(began))
	for _, s := range sources {
		if kindOf(s.name) == events {
			m.due[s.name] = time.Now().Add(pause)
		}
	}
	return err
}

// noteWeights records a file of weights that went up.
func (m *Mirror) noteWeights(name string, began time.Time) {
	k, up := m.known[name]
	m.change(func(s *Status) {
		s.Local = name
		if up {
			s.Stored, s.Files, s.Bytes, s.Seconds = name, 1, k.size, time.Since(began).Seconds()
		}
	})
}

// complete reports whether a local checkpoint can be restored.
func (m *Mirror) complete(c *checkpoint) bool {
	return c.hasAllData() && model.CheckpointProblem(m.here(c.prefix)) == ""
}
