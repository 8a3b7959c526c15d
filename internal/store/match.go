package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Match implements Store.
func (s Local) Match(ctx context.Context, pattern string) ([]Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	prefix := pattern[:len(pattern)-len(local(pattern))]
	trimmed := strings.TrimRight(local(pattern), "/")
	info, err := os.Stat(local(pattern))
	switch {
	case err == nil && !strings.ContainsAny(trimmed, "*?"):
		return []Info{entry(prefix+rooted(trimmed, pattern), info)}, nil
	case err != nil && !IsPattern(pattern):
		return nil, fmt.Errorf("store: list: %w", err)
	}
	m := &matcher{ctx: ctx, prefix: prefix, found: map[string]Info{}}
	dir, names := "", trimmed
	if strings.HasPrefix(trimmed, "/") {
		dir, names = "/", strings.TrimLeft(trimmed, "/")
	}
	if err := m.match(dir, names, nil); err != nil {
		return nil, fmt.Errorf("store: list %s: %w", pattern, err)
	}
	return m.outermost(), nil
}

// rooted is a path without the slashes at its end, but for the root's.
func rooted(trimmed, pattern string) string {
	if trimmed == "" && strings.HasSuffix(pattern, "/") {
		return "/"
	}
	return trimmed
}

// matcher goes down folders along a pattern.
type matcher struct {
	ctx    context.Context
	prefix string // of the paths that the caller gave
	found  map[string]Info
	tried  int // alternatives
}

// match finds what pattern names in dir; above are the folders that ** came by.
func (m *matcher) match(dir, pattern string, above []fs.FileInfo) error {
	if pattern == "" {
		return m.add(dir)
	}
	name, rest := cutName(pattern)
	if name == "" {
		return m.match(dir, rest, nil)
	}
	if name == "**" {
		return m.everywhere(dir, rest, above)
	}
	if !strings.ContainsAny(name, "*?") {
		if _, err := os.Stat(under(dir, name)); err == nil {
			return m.match(under(dir, name), rest, nil)
		}
	}
	all, err := alternatives(name)
	if m.tried += len(all); m.tried > mostAlternatives {
		err = fmt.Errorf("its braces stand for more than %d patterns", mostAlternatives)
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
	return m.names(dir, name, rest)
}

// names follows the names in dir that match name.
func (m *matcher) names(dir, name, rest string) error {
	if !strings.ContainsAny(name, "*?[") {
		path := under(dir, unescape(name))
		switch _, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
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
		if err := m.match(under(dir, e.Name()), rest, nil); err != nil {
			return err
		}
	}
	return nil
}

// everywhere follows the pattern behind ** in dir and in the folders below it.
func (m *matcher) everywhere(dir, rest string, above []fs.FileInfo) error {
	if err := m.match(dir, rest, nil); err != nil || rest == "" {
		return err
	}
	info, err := os.Stat(or(dir, "."))
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
		if err := m.everywhere(under(dir, e.Name()), rest, above); err != nil {
			return err
		}
	}
	return nil
}

// entries are those of a folder; none of what is no folder.
func (m *matcher) entries(dir string) ([]fs.DirEntry, error) {
	if err := m.ctx.Err(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(or(dir, ".")); err != nil || !info.IsDir() {
		return nil, err
	}
	return os.ReadDir(or(dir, "."))
}

func (m *matcher) add(path string) error {
	info, err := os.Stat(or(path, "."))
	if err != nil {
		return err
	}
	path = m.prefix + path
	m.found[path] = entry(path, info)
	return nil
}

// outermost is what was found, sorted, without what lies in a folder that was
// found too.
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

func under(dir, name string) string {
	if dir == "" || strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
