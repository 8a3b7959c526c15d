package modelcache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"tfos/internal/model"
	"tfos/internal/store"
)

// maxFiles bounds the files of a model. A URL with more of them names something else.
const maxFiles = 10_000

// listing is the listing of a model's files.
type listing struct {
	url     string
	base    string // name of the copy: the URL's last name
	content Content
	files   []store.Info // sorted by path
}

// values matches files with the values of variables. events matches event files.
var (
	values = regexp.MustCompile(`\.data-\d{5}-of-\d{5}$`)
	events = regexp.MustCompile(`^events\.out\.tfevents`)
)

// headBytes are copied of a file of values into a graph copy. The rest of the file is a hole.
// The object graph of a TensorFlow 2 checkpoint is a tensor among the values. TensorFlow
// writes tensors in the order of their names, and _CHECKPOINTABLE_OBJECT_GRAPH comes before
// names of small letters.
const headBytes = 16 << 20

// list lists the files of the model at a URL: those of a folder, a file, or those of a
// checkpoint whose prefix it is. For a file of a SavedModel or a checkpoint, its
// neighbours belong to it.
func list(ctx context.Context, st store.Store, url string, content Content) (listing, error) {
	m := listing{url: url, base: path.Base(url), content: content}
	info, err := st.Stat(ctx, url)
	switch {
	case err == nil && info.Dir:
		err = m.addFolder(ctx, st, url)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		err = m.addBeside(ctx, st, err)
	}
	if err != nil {
		return m, err
	}
	slices.SortFunc(m.files, func(a, b store.Info) int { return strings.Compare(a.Path, b.Path) })
	if content == Graph {
		m.files = slices.DeleteFunc(m.files, func(f store.Info) bool { return events.MatchString(path.Base(f.Path)) })
	}
	return m, nil
}

// addFolder adds all files of a folder, hidden ones included.
func (m *listing) addFolder(ctx context.Context, st store.Store, folder string) error {
	children, err := st.Match(ctx, store.Literal(folder)+"/{*,.*,_*}")
	if err != nil {
		return err
	}
	for _, child := range children {
		if child.Dir {
			if err := m.addFolder(ctx, st, child.Path); err != nil {
				return err
			}
			continue
		}
		if m.files = append(m.files, child); len(m.files) > maxFiles {
			return fmt.Errorf("it has more than %d files: name the model's own folder", maxFiles)
		}
	}
	return nil
}

// addBeside adds the files of a checkpoint's prefix, or of a model's file with its
// neighbours. missing is the error of Stat for the URL itself.
func (m *listing) addBeside(ctx context.Context, st store.Store, missing error) error {
	folder, name := store.Dir(m.url), path.Base(m.url)
	if model.IsSavedModelFile(name) {
		return m.addFolder(ctx, st, folder)
	}
	prefix := strings.TrimSuffix(strings.TrimSuffix(name, ".index"), ".meta")
	found, err := st.Match(ctx, store.Join(store.Literal(folder), store.Literal(prefix)+"{,.*}"))
	if err != nil {
		return err
	}
	for _, f := range found {
		if !f.Dir {
			m.files = append(m.files, f)
		}
	}
	if len(m.files) == 0 {
		return missing
	}
	return nil
}

// root is the folder whose files the copy has, under their names.
func (m *listing) root() string { return store.Dir(m.url) }

// key names the copy. Another state of the model has another one.
func (m *listing) key() string {
	sum := sha256.New()
	fmt.Fprintln(sum, m.url, m.content)
	for _, f := range m.files {
		fmt.Fprintln(sum, f.Path, f.Size, f.Modified.UnixNano())
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// name is a file's path in the copy.
func (m *listing) name(f store.Info) (string, error) {
	name := strings.TrimPrefix(f.Path, strings.TrimRight(m.root(), "/")+"/")
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%s has a name that no file can have here", f.Path)
	}
	return name, nil
}

// downloads is how many files are copied at once.
const downloads = 4

// copyTo copies all files into a folder.
func (m *listing) copyTo(ctx context.Context, st store.Store, folder string) error {
	if len(m.files) == 0 { // an empty folder, of which internal/model says what it lacks
		return os.MkdirAll(filepath.Join(folder, m.base), 0o700)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(downloads)
	for _, f := range m.files {
		name, err := m.name(f)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error { return copyFile(ctx, st, f, m.copied(f), filepath.Join(folder, name)) })
	}
	return group.Wait()
}

// copied returns how many bytes of a file the copy has.
func (m *listing) copied(f store.Info) int64 {
	if m.content == Graph && values.MatchString(path.Base(f.Path)) {
		return min(f.Size, headBytes)
	}
	return f.Size
}

// copyFile copies the first size bytes of a file. The copy is as long as the file.
func copyFile(ctx context.Context, st store.Store, f store.Info, size int64, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	length := int64(-1)
	if size < f.Size {
		length = size
	}
	from, err := st.ReadRange(ctx, f.Path, 0, length)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(file, from)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, and %d were listed: it is being written", f.Path, n, size)
	}
	if err == nil {
		err = file.Truncate(f.Size)
	}
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Chtimes(to, f.Modified, f.Modified) // the newest checkpoint may be found by time
}

// unchanged returns an error if the store lists other files than before.
func (m *listing) unchanged(ctx context.Context, st store.Store) error {
	now, err := list(ctx, st, m.url, m.content)
	if err == nil && now.key() != m.key() {
		err = errors.New("it was changed while it was copied: start again")
	}
	return err
}
