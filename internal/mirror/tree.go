package mirror

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tfos/internal/store"
)

// Tree is a local folder whose program has ended, and the folder of a store that gets what
// is in it.
type Tree struct {
	Store store.Store
	Dir   string // absolute
	URL   string // without a slash at its end
	// Name is what the names of the entries begin with that are uploaded. "": all are.
	Name string
	// Last are names of files that say that the folder around them is complete, as
	// saved_model.pb does. They go up after all other files.
	Last []string
	// Moved is called with the number of bytes that were copied, by several goroutines. It may be
	// nil.
	Moved func(bytes int)
}

// Size is how much a tree has.
type Size struct {
	Files int
	Bytes int64
}

// treeFile is a regular file of a tree.
type treeFile struct {
	name string // below the folder, with slashes
	step int    // files of a lower step are at the store first
	size int64
}

// stepFiles is how many files are open at a time.
const stepFiles = 64

// Upload copies the tree's files and folders as they are, hidden ones too. Each file appears
// whole. Files of folders inside an entry come first, those of the entry itself after them,
// and Last at the end. After an error some files are there. Links to files are followed.
func (t Tree) Upload(ctx context.Context) (Size, error) {
	files, folders, err := t.look()
	if err != nil {
		return Size{}, err
	}
	m := newMirror(Config{Store: t.Store, URL: t.URL, Dir: t.Dir, Moved: t.Moved})
	for _, folder := range folders {
		if err := m.makeFolder(ctx, folder); err != nil {
			return Size{}, err
		}
	}
	var done Size
	for len(files) > 0 {
		n := 0
		for n < min(len(files), stepFiles) && files[n].step == files[0].step {
			n++
		}
		var names []string
		for _, f := range files[:n] {
			names = append(names, f.name)
			done.Files, done.Bytes = done.Files+1, done.Bytes+f.size
		}
		if err := m.sendNamed(ctx, names); err != nil {
			return Size{}, err
		}
		files = files[n:]
	}
	return done, nil
}

// sendNamed uploads local files, each on its own.
func (m *Mirror) sendNamed(ctx context.Context, names []string) error {
	var sources []source
	defer func() { closeAll(sources) }()
	for _, name := range names {
		s, ok, err := m.open(name)
		if err == nil && !ok {
			err = fmt.Errorf("mirror: upload %s: %w", m.at(name), fs.ErrNotExist)
		}
		if err != nil {
			return err
		}
		sources = append(sources, s)
	}
	return m.send(ctx, sources)
}

// Size returns how much of the tree would be uploaded.
func (t Tree) Size() (size Size, err error) {
	files, _, err := t.look()
	for _, f := range files {
		size.Files, size.Bytes = size.Files+1, size.Bytes+f.size
	}
	return size, err
}

// Others returns the entries of the folder whose names do not begin with Name.
func (t Tree) Others() (names []string) {
	entries, _ := os.ReadDir(t.Dir) // look says why it cannot be read
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), t.Name) {
			names = append(names, e.Name())
		}
	}
	return names
}

// look returns the tree's files, in the order in which they go up, and its folders.
func (t Tree) look() (files []treeFile, folders []string, err error) {
	err = filepath.WalkDir(t.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == t.Dir {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), t.Dir+"/")
		if !strings.HasPrefix(name, t.Name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			folders = append(folders, name)
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
		files = append(files, treeFile{name, t.step(name), info.Size()})
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("mirror: upload %s: %w", t.URL, err)
	}
	slices.SortStableFunc(files, func(a, b treeFile) int { return cmp.Compare(a.step, b.step) })
	return files, folders, nil
}

// step returns when a file goes up.
func (t Tree) step(name string) int {
	_, inside, found := strings.Cut(name, "/")
	switch {
	case !found:
		return 1
	case slices.Contains(t.Last, inside):
		return 2
	case strings.Contains(inside, "/"):
		return 0
	}
	return 1
}
