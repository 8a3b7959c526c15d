package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"tfos/internal/store"
)

// removeDeleted deletes at the store what this mirror owns there and the program has
// deleted, but for checkpoints: leftovers are deleted as a whole. files are those that a
// scan has found.
func (m *Mirror) removeDeleted(ctx context.Context, files map[string]stamp) error {
	var gone []string
	here := checkpointsIn(slices.Sorted(maps.Keys(files)))
	for name := range m.known {
		if !m.isGone(name, files) {
			continue
		}
		// A part of a checkpoint goes alone only if the rest is whole without it: it was
		// saved again in another number of parts.
		if isOfCheckpoint(name) && (here[prefixOf(name)] == nil || !here[prefixOf(name)].hasAllData()) {
			continue
		}
		gone = append(gone, name)
	}
	slices.SortFunc(gone, func(a, b string) int { // state files first
		rank := map[bool]int{true: 0, false: 1}
		return cmp.Or(rank[kindOf(a) == state]-rank[kindOf(b) == state], strings.Compare(a, b))
	})
	for _, name := range gone {
		if kindOf(name) == state {
			delete(m.states, folderOf(name))
		}
		if err := m.removeFile(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// isOfCheckpoint reports whether a file is a part of a checkpoint.
func isOfCheckpoint(name string) bool {
	switch kindOf(name) {
	case index, data, meta:
		return true
	}
	return false
}

func (m *Mirror) removeFile(ctx context.Context, name string) error {
	if err := m.Store.Remove(ctx, m.at(name)); err != nil {
		return fmt.Errorf("mirror: delete %s: %w", m.at(name), err)
	}
	delete(m.known, name)
	delete(m.stored, name)
	delete(m.due, name)
	delete(m.pending, name)
	m.change(func(s *Status) { s.Deleted++ })
	return nil
}

// removeCheckpoint deletes a checkpoint of the store: its index first.
func (m *Mirror) removeCheckpoint(ctx context.Context, prefix string) error {
	found, err := m.Store.Match(ctx, store.Literal(m.at(prefix))+".{data-*,meta}")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mirror: delete %s: %w", m.at(prefix), err)
	}
	names := []string{prefix + ".index"}
	for _, f := range found {
		if name, ok := m.nameOf(f.Path); ok && isOfCheckpoint(name) && prefixOf(name) == prefix {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := m.removeFile(ctx, name); err != nil {
			return err
		}
	}
	maps.DeleteFunc(m.known, func(name string, _ known) bool { return isOfCheckpoint(name) && prefixOf(name) == prefix })
	delete(m.halves, prefix)
	delete(m.unnamed, prefix)
	return nil
}
