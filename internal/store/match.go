package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Match implements Store.
func (s Local) Match(ctx context.Context, pattern string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	prefix := pattern[:len(pattern)-len(localPath(pattern))]
	return matchIn(ctx, localTree{}, prefix, localPath(pattern))
}

// matchIn is Store.Match in a tree, whose errors say what was being done. prefix is what
// found paths begin with: the scheme, and the host or bucket.
func matchIn(ctx context.Context, t tree, prefix, pattern string) ([]Info, error) {
	trimmed := strings.TrimRight(pattern, "/")
	if !strings.ContainsAny(trimmed, "*?") {
		switch info, err := t.stat(ctx, pattern); {
		case err == nil:
			return []Info{entry(prefix+keepRoot(trimmed, pattern), info)}, nil
		case !IsPattern(pattern):
			return nil, err
		}
	}
	m := &matcher{ctx: ctx, tree: t, prefix: prefix, found: map[string]Info{}}
	dir, names := "", trimmed
	if strings.HasPrefix(trimmed, "/") {
		dir, names = "/", strings.TrimLeft(trimmed, "/")
	}
	if err := m.match(dir, names, nil); errors.Is(err, errPattern) {
		return nil, fmt.Errorf("store: list %s: %w", prefix+pattern, err)
	} else if err != nil {
		return nil, err
	}
	return m.outermost(), nil
}

// absent reports whether an error says that there is nothing at a path.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// keepRoot returns trimmed, a path without the slashes at its end, but "/" for the
// root.
func keepRoot(trimmed, pattern string) string {
	if trimmed == "" && strings.HasSuffix(pattern, "/") {
		return "/"
	}
	return trimmed
}

// matcher finds the entries that a pattern matches.
type matcher struct {
	ctx    context.Context
	tree   tree
	prefix string          // what found paths begin with, such as "file:", or ""
	found  map[string]Info // by path
	tried  int             // number of alternatives so far
}

// match finds the entries in dir that pattern matches. above are the folders that **
// has matched.
func (m *matcher) match(dir, pattern string, above []fs.FileInfo) error {
	if pattern == "" {
		return m.addFound(dir)
	}
	name, rest := cutName(pattern)
	if name == "" {
		return m.match(dir, rest, nil)
	}
	if name == "**" {
		return m.matchAllDepths(dir, rest, above)
	}
	if !strings.ContainsAny(name, "*?") {
		if _, err := m.tree.stat(m.ctx, joinPath(dir, name)); err == nil {
			return m.match(joinPath(dir, name), rest, nil)
		}
	}
	all, err := alternatives(name)
	if m.tried += len(all); m.tried > maxAlternatives {
		err = fmt.Errorf("%w: its braces stand for more than %d patterns", errPattern, maxAlternatives)
	}
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := m.match(dir, strings.TrimSuffix(one+"/"+rest, "/"), nil); err != nil {
			return err
		}
	}
	if all != nil {
		return nil
	}
	return m.matchNames(dir, name, rest)
}

// matchNames matches rest in each entry of dir that name matches.
func (m *matcher) matchNames(dir, name, rest string) error {
	if !strings.ContainsAny(name, "*?[") {
		path := joinPath(dir, unescape(name))
		switch _, err := m.tree.stat(m.ctx, path); {
		case absent(err):
			return nil
		case err != nil:
			return err
		}
		return m.match(path, rest, nil)
	}
	if _, err := matchName(name, ""); err != nil {
		return err
	}
	entries, err := m.entries(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ok, err := matchName(name, e.Name()); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		if err := m.match(joinPath(dir, e.Name()), rest, nil); err != nil {
			return err
		}
	}
	return nil
}

// matchAllDepths matches rest, the pattern after **, in dir and in all folders below it.
func (m *matcher) matchAllDepths(dir, rest string, above []fs.FileInfo) error {
	if err := m.match(dir, rest, nil); err != nil || rest == "" {
		return err
	}
	info, err := m.tree.stat(m.ctx, dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return nil
	}
	if err := acyclic(dir, info, above); err != nil {
		return err
	}
	entries, err := m.entries(dir)
	if err != nil {
		return err
	}
	above = append(above[:len(above):len(above)], info)
	for _, e := range entries {
		if hidden(e.Name()) || e.Type().IsRegular() {
			continue
		}
		if err := m.matchAllDepths(joinPath(dir, e.Name()), rest, above); err != nil {
			return err
		}
	}
	return nil
}

// entries lists a folder. For a file it returns none.
func (m *matcher) entries(dir string) ([]fs.DirEntry, error) {
	if err := m.ctx.Err(); err != nil {
		return nil, err
	}
	if info, err := m.tree.stat(m.ctx, dir); err != nil || !info.IsDir() {
		return nil, err
	}
	return m.tree.readDir(m.ctx, dir)
}

func (m *matcher) addFound(path string) error {
	info, err := m.tree.stat(m.ctx, path)
	if err != nil {
		return err
	}
	path = m.prefix + path
	m.found[path] = entry(path, info)
	return nil
}

// outermost returns the found entries, sorted by path. Entries inside a found folder are
// left out.
func (m *matcher) outermost() []Info {
	var list []Info
	for path, info := range m.found {
		if !m.inFound(path) {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Path, b.Path) })
	return list
}

func (m *matcher) inFound(path string) bool {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '/' {
			continue
		}
		if above, ok := m.found[path[:i]]; ok && above.Dir {
			return true
		}
	}
	return false
}

func joinPath(dir, name string) string {
	if dir == "" || strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

func orDefault(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
