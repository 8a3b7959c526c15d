package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"tfos/internal/store"
)

// removeDeleted deletes at the store what this mirror owns there and the program has
// deleted. files are those that a scan has found.
func (m *Mirror) removeDeleted(ctx context.Context, files map[string]stamp) error {
	var gone []string
	for name, k := range m.known {
		if _, here := files[name]; here || !k.owned || m.isHere(name) {
			continue
		}
		gone = append(gone, name)
	}
	// State files first, then indexes: nobody takes the rest for a checkpoint.
	rank := map[kind]int{state: 0, index: 1}
	slices.SortFunc(gone, func(a, b string) int {
		byKind := func(name string) int {
			if r, ok := rank[kindOf(name)]; ok {
				return r
			}
			return len(rank)
		}
		if d := byKind(a) - byKind(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, name := range gone {
		if kindOf(name) == state {
			delete(m.states, folderOf(name))
		}
		if m.isNamed(name) {
			continue // until the state file no longer names it
		}
		if err := m.removeFile(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// isNamed reports whether a file is of a checkpoint that the store's state file names.
func (m *Mirror) isNamed(name string) bool {
	switch kindOf(name) {
	case index, data, meta:
		dir := folderOf(name)
		return slices.ContainsFunc(m.states[dir].all, func(one string) bool { return join(dir, one) == prefixOf(name) })
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
	found, err := m.Store.Match(ctx, store.Literal(m.at(prefix))+".data-*")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mirror: delete %s: %w", m.at(prefix), err)
	}
	names := []string{prefix + ".index"}
	for _, f := range found {
		if name, ok := m.nameOf(f.Path); ok && prefixOf(name) == prefix {
			names = append(names, name)
		}
	}
	for _, name := range append(names, prefix+".meta") {
		if err := m.removeFile(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
