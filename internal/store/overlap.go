package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Overlap is the relation between an output folder and the files that an input
// pattern lists.
type Overlap int

// Values of Overlap.
const (
	Apart  Overlap = iota
	Inside         // the pattern would list files written into the folder
	Around         // files that the pattern lists are in the folder
)

// OverlapByName returns the Overlap by names alone, without looking at the file
// system. Both paths are absolute.
func OverlapByName(pattern, folder string) Overlap {
	names := strings.FieldsFunc(localPath(folder), func(r rune) bool { return r == '/' })
	return overlapByName(strings.Trim(localPath(pattern), "/"), names, false)
}

// overlapByName compares the rest of a pattern with the rest of a folder's names. wild
// says that wildcards have matched a name before.
func overlapByName(pattern string, names []string, wild bool) Overlap {
	if pattern == "" {
		if slices.ContainsFunc(names, hidden) {
			return Apart
		}
		return Inside
	}
	name, rest := cutName(pattern)
	switch {
	case name == "":
		return overlapByName(rest, names, wild)
	case len(names) == 0 && (rest == "" && (name == "*" || name == "**") || wild && mayMatchOutput(pattern)):
		return Inside
	case len(names) == 0 && wild:
		return Apart
	case len(names) == 0:
		return Around
	case name == "**":
		o := overlapByName(rest, names, true)
		if o == Apart && !hidden(names[0]) {
			o = overlapByName(pattern, names[1:], true)
		}
		return o
	case name == names[0]:
		return overlapByName(rest, names[1:], wild)
	}
	if all, err := alternatives(name); err != nil || all != nil {
		for _, one := range all {
			if o := overlapByName(strings.TrimSuffix(one+"/"+rest, "/"), names, wild); o != Apart {
				return o
			}
		}
		return Apart
	}
	if ok, err := matchName(name, names[0]); err != nil || !ok {
		return Apart
	}
	return overlapByName(rest, names[1:], true)
}

// mayMatchOutput reports whether a pattern may match the files that a run writes into a
// folder. A last name without wildcards matches one name only, and runs name their
// files part-….
func mayMatchOutput(pattern string) bool {
	last := path.Base(pattern)
	return strings.ContainsAny(last, `*?[{\`) || strings.HasPrefix(last, "part-")
}

// OverlapOf returns the Overlap of a pattern and a folder. It sees through links,
// mounts and different spellings of a path. If the pattern lists nothing yet, only
// names count. Both paths are absolute.
func OverlapOf(ctx context.Context, pattern, folder string) (Overlap, error) {
	real := resolve(localPath(folder))
	if o := OverlapByName(resolvePattern(localPath(pattern)), real); o != Apart {
		return o, nil
	}
	roots, err := Local{}.Match(ctx, pattern)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return Apart, err
	}
	p := newLocation(real)
	for _, root := range roots {
		found := Apart
		err := walk(ctx, root.Path, func(path string, info fs.FileInfo, linked bool) error {
			switch {
			case info.IsDir() && p.isIn(info):
				found = Inside
			case linked && p.contains(localPath(path)):
				found = Around
			default:
				return nil
			}
			return fs.SkipAll
		})
		if found != Apart {
			return found, nil
		}
		if err != nil {
			return Apart, err
		}
	}
	return Apart, nil
}

// location is where a folder is, or will be.
type location struct {
	self  fs.FileInfo   // nil: the folder does not exist
	above []fs.FileInfo // the folder and those above it, as far as they exist
}

func newLocation(real string) *location {
	p := &location{}
	p.self, _ = os.Stat(real)
	p.above = ancestors(real)
	return p
}

// ancestors returns path and the folders above it, as far as they exist.
func ancestors(real string) (infos []fs.FileInfo) {
	for at := real; ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil {
			infos = append(infos, info)
		}
		if at == filepath.Dir(at) {
			return infos
		}
	}
}

// isIn reports whether the location is this folder or inside it.
func (p *location) isIn(folder fs.FileInfo) bool {
	for _, info := range p.above {
		if os.SameFile(info, folder) {
			return true
		}
	}
	return false
}

// contains reports whether path, after following its links, is in the location.
func (p *location) contains(path string) bool {
	if p.self == nil {
		return false
	}
	for _, info := range ancestors(resolve(path)) {
		if os.SameFile(info, p.self) {
			return true
		}
	}
	return false
}

// resolve follows the links of a path, as far as the path exists.
func resolve(path string) string {
	path = filepath.Clean(path)
	for at, rest := path, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
	}
}

// resolvePattern follows the links of a pattern's folders before its first wildcard.
func resolvePattern(pattern string) string {
	if _, err := os.Stat(pattern); err == nil && !strings.ContainsAny(pattern, "*?") {
		return resolve(pattern)
	}
	at := strings.IndexAny(pattern, `*?[{\`)
	if at < 0 {
		return resolve(pattern)
	}
	slash := strings.LastIndexByte(pattern[:at], '/')
	if slash < 0 {
		return pattern
	}
	return strings.TrimSuffix(resolve(pattern[:slash+1]), "/") + pattern[slash:]
}
