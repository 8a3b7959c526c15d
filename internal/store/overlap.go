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

// Overlap is how a folder that is written lies to the files that a pattern lists.
type Overlap int

// Values of Overlap.
const (
	Apart  Overlap = iota
	Inside         // what is written there would be listed
	Around         // files that are listed lie in the folder
)

// OverlapByName is Overlap as far as names tell, whatever is there now. Both
// paths are absolute.
func OverlapByName(pattern, folder string) Overlap {
	names := strings.FieldsFunc(local(folder), func(r rune) bool { return r == '/' })
	return byName(strings.Trim(local(pattern), "/"), names, false)
}

// byName is OverlapByName below a folder that was found by wildcards, if wild.
func byName(pattern string, names []string, wild bool) Overlap {
	if pattern == "" {
		if slices.ContainsFunc(names, hidden) {
			return Apart
		}
		return Inside
	}
	name, rest := cutName(pattern)
	switch {
	case name == "":
		return byName(rest, names, wild)
	case len(names) == 0 && (rest == "" && (name == "*" || name == "**") || wild && written(pattern)):
		return Inside
	case len(names) == 0 && wild:
		return Apart
	case len(names) == 0:
		return Around
	case name == "**":
		o := byName(rest, names, true)
		if o == Apart && !hidden(names[0]) {
			o = byName(pattern, names[1:], true)
		}
		return o
	case name == names[0]:
		return byName(rest, names[1:], wild)
	}
	if all, err := alternatives(name); err != nil || all != nil {
		for _, one := range all {
			if o := byName(strings.TrimSuffix(one+"/"+rest, "/"), names, wild); o != Apart {
				return o
			}
		}
		return Apart
	}
	if ok, err := matchName(name, names[0]); err != nil || !ok {
		return Apart
	}
	return byName(rest, names[1:], true)
}

// written tells whether a pattern may match what a run writes into a folder: a
// last name without wildcards matches one name, and runs call their files part-….
func written(pattern string) bool {
	last := path.Base(pattern)
	return strings.ContainsAny(last, `*?[{\`) || strings.HasPrefix(last, "part-")
}

// OverlapOf is the Overlap of a pattern and a folder by whatever links, mounts
// and spellings. A pattern that lists nothing yet is judged by its names. Both
// paths are absolute.
func OverlapOf(ctx context.Context, pattern, folder string) (Overlap, error) {
	real := resolve(local(folder))
	if o := OverlapByName(resolvePattern(local(pattern)), real); o != Apart {
		return o, nil
	}
	roots, err := Local{}.Match(ctx, pattern)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return Apart, err
	}
	p := newPlace(real)
	for _, root := range roots {
		found := Apart
		err := walk(ctx, root.Path, func(path string, info fs.FileInfo, linked bool) error {
			switch {
			case info.IsDir() && p.in(info):
				found = Inside
			case linked && p.holds(local(path)):
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

// place is where a folder is, or will be.
type place struct {
	self  fs.FileInfo   // nil: it is not there
	above []fs.FileInfo // itself and the folders above it that are there
}

func newPlace(real string) *place {
	p := &place{}
	p.self, _ = os.Stat(real)
	p.above = chain(real)
	return p
}

// chain are path and the folders above it, as far as they are there.
func chain(real string) (infos []fs.FileInfo) {
	for at := real; ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil {
			infos = append(infos, info)
		}
		if at == filepath.Dir(at) {
			return infos
		}
	}
}

// in tells whether the place is this folder or in it.
func (p *place) in(folder fs.FileInfo) bool {
	for _, info := range p.above {
		if os.SameFile(info, folder) {
			return true
		}
	}
	return false
}

// holds tells whether path, once its links are followed, is in the place.
func (p *place) holds(path string) bool {
	if p.self == nil {
		return false
	}
	for _, info := range chain(resolve(path)) {
		if os.SameFile(info, p.self) {
			return true
		}
	}
	return false
}

// resolve follows the links of a path as far as it is there.
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

// resolvePattern follows the links of the folders before the first wildcard.
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
