package shellglob

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// List returns the paths in a folder that a pattern names, sorted. ** passes over links,
// and over folders called as one of skip. What cannot be read has no matches, as in a
// shell. The error is Check's.
func List(folder, pattern string, skip []string) ([]string, error) {
	if err := Check(pattern); err != nil {
		return nil, err
	}
	l := lister{skip: skip}
	l.list(folder, split(pattern))
	slices.Sort(l.found)
	return slices.Compact(l.found), nil
}

type lister struct {
	skip  []string
	found []string
}

func (l *lister) list(path string, pattern []string) {
	if len(pattern) == 0 {
		l.found = append(l.found, path)
		return
	}
	for _, e := range entries(path, pattern[0]) {
		deep := e.IsDir() && !slices.Contains(l.skip, e.Name())
		for _, rest := range next(pattern, e.Name(), deep) {
			l.list(filepath.Join(path, e.Name()), rest)
		}
	}
}

// entries are those of a folder that name may match. A name without wildcards is looked
// up: its folder may be one that cannot be listed.
func entries(folder, name string) []fs.DirEntry {
	if !HasWildcard(name) {
		info, err := os.Lstat(filepath.Join(folder, name))
		if err != nil {
			return nil
		}
		return []fs.DirEntry{fs.FileInfoToDirEntry(info)}
	}
	all, _ := os.ReadDir(folder)
	return all
}
