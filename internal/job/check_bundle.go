package job

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tfos/internal/shellglob"
)

// bundleBytes bounds the files in it. Each executor fetches it whole.
const bundleBytes = 1 << 30

// notShipped are folders that no program needs: what Python and git put there.
var notShipped = []string{"__pycache__", ".git", ".hg", ".svn"}

// Bundle lists the files that the job's archive brings: app.python.files, and
// the package of app.python.module. To is relative to the program's folder on
// executors, with slashes; sorted by it. It reads folders of this machine. The
// error is a Faults.
func Bundle(s *Spec) ([]Copy, error) {
	r := &rules{s: s}
	copies := r.bundle()
	return copies, Faults(r.faults).err()
}

// bundle is Bundle; it notes the faults.
func (r *rules) bundle() []Copy {
	if !r.s.bundles() {
		return nil
	}
	b := &bundler{rules: r, taken: r.s.reserved(), from: map[string]string{}}
	for _, c := range r.s.copies("") {
		b.from[filepath.Base(c.To)] = c.From
	}
	for _, path := range r.s.moduleFiles() {
		b.add("app.python.module", path)
	}
	for i, pattern := range r.s.App.Python.Files {
		b.match(indexed("app.python.files", i), pattern)
	}
	if b.bytes > bundleBytes {
		r.broken("app.python.files", fmt.Sprintf("%d MiB", b.bytes>>20), "must be %d MiB or less: every executor fetches them all. Put data where executors read it, and name what the program needs", bundleBytes>>20)
	}
	b.nested()
	slices.SortFunc(b.copies, func(x, y Copy) int { return strings.Compare(x.To, y.To) })
	return b.copies
}

// programFolder is the folder of this machine that the program's folder on
// executors stands for.
func (s *Spec) programFolder() string {
	if file := s.App.Python.File; file != "" {
		return filepath.Dir(file)
	}
	return s.dir
}

// moduleFiles are the folder or file beside the job file that app.python.module
// is in.
func (s *Spec) moduleFiles() []string {
	p := s.App.Python
	if p.Module == "" || p.File != "" {
		return nil
	}
	top, _, _ := strings.Cut(p.Module, ".")
	for _, name := range []string{top, top + ".py"} {
		path := filepath.Join(s.dir, name)
		if info, err := os.Stat(path); err == nil && info.IsDir() == (name == top) {
			return []string{path}
		}
	}
	return nil
}

// landing is where a path of this machine lands beside the program: as it lies
// in the program's folder, else in the job file's, else under its own name. ""
// is the program's folder itself.
func (s *Spec) landing(path string) string {
	for _, root := range []string{s.programFolder(), s.dir} {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			if rel == "." {
				return ""
			}
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(path)
}

// bundler collects the files of an archive.
type bundler struct {
	*rules
	taken  map[string]string // names at the top, and whose they are
	from   map[string]string // place -> file that lands there
	copies []Copy
	bytes  int64
}

func (b *bundler) match(at, pattern string) {
	if IsURL(pattern) {
		return
	}
	found, err := shellMatch(b.s.dir, pattern)
	switch {
	case err != nil:
		b.broken(at, pattern, "is no pattern: a bracket is not closed")
	case len(found) == 0:
		b.broken(at, pattern, "matches nothing: look at its spelling, and what it is relative to (the job file's folder)")
	}
	for _, path := range found {
		b.add(at, path)
	}
}

// shellMatch lists what a path of a job file names for a shell, sorted. A path that is
// there, or has no wildcard, names itself. dir is the job file's folder, whose own path
// is no pattern. The error is path.ErrBadPattern.
func shellMatch(dir, pattern string) ([]string, error) {
	if _, err := os.Lstat(pattern); err == nil || !shellglob.HasWildcard(pattern) {
		return []string{pattern}, nil // what is not there is told by who looks at it
	}
	if rel, err := filepath.Rel(dir, pattern); err == nil && filepath.IsLocal(rel) {
		return shellglob.List(dir, rel, notShipped)
	}
	return shellglob.List("/", strings.TrimPrefix(pattern, "/"), notShipped)
}

func (b *bundler) add(at, path string) { b.walk(at, path, b.s.landing(path)) }

// walk adds a file, or what is in a folder. Links are what they lead to.
func (b *bundler) walk(at, path, to string) {
	info, ok := b.stat(at, path)
	switch {
	case !ok:
	case info.IsDir() && liesIn(path, info):
		b.broken(at, path, "is a link to a folder that it lies in: remove it, or name the files beside it")
	case info.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil {
			b.broken(at, path, "cannot be read: %v", err)
		}
		for _, e := range entries {
			if !slices.Contains(notShipped, e.Name()) {
				b.walk(at, filepath.Join(path, e.Name()), strings.TrimPrefix(to+"/"+e.Name(), "/"))
			}
		}
	case !info.Mode().IsRegular():
		b.broken(at, path, "is neither a file nor a folder: it cannot be shipped")
	default:
		b.file(at, path, to, info.Size())
	}
}

// liesIn tells whether a folder, reached by a link, is one above the path.
func liesIn(path string, info fs.FileInfo) bool {
	if own, err := os.Lstat(path); err != nil || own.IsDir() {
		return false
	}
	for above := filepath.Dir(path); above != filepath.Dir(above); above = filepath.Dir(above) {
		if other, err := os.Stat(above); err == nil && os.SameFile(other, info) {
			return true
		}
	}
	return false
}

func (b *bundler) file(at, path, to string, size int64) {
	top, _, _ := strings.Cut(to, "/")
	if by, double := b.taken[top]; double {
		b.broken(at, path, "lands on %s beside the program, which is %s's: rename it", top, by)
		return
	}
	switch first, double := b.from[to]; {
	case first == path: // the program, or named twice
	case double:
		b.broken(at, path, "lands on %s beside the program, and so does %s: rename one", to, first)
	default:
		b.from[to] = path
		b.copies = append(b.copies, Copy{From: path, To: to})
		b.bytes += size
	}
}

// nested refuses a file that lands where others need a folder.
func (b *bundler) nested() {
	for _, c := range b.copies {
		for folder := filepath.Dir(c.To); folder != "."; folder = filepath.Dir(folder) {
			if file, double := b.from[folder]; double {
				b.broken("app.python.files", c.From, "lands in the folder %s beside the program, where the file %s lands: rename one", folder, file)
			}
		}
	}
}
