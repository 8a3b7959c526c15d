package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// folder is the working directory of a Python program. Each program has its own:
// members may share the folder where Spark puts the job's files (local[n]), and Spark
// itself writes there. folder has links to the job's files.
type folder struct {
	path   string           // absolute
	before map[string]stamp // the stamps of its files when the program started
}

// stamp identifies the state of a file: a file that changes gets another stamp.
type stamp struct {
	inode    uint64
	size     int64
	modified time.Time
}

// openFolder makes the folder of the member called name (worker-0) in files. It links
// the entries of files into the folder, and unpacks the job's archive there; archive
// "": there is none. Files of an earlier attempt stay. If the folder cannot be made,
// files itself is the folder.
func openFolder(ctx context.Context, files, name, archive string) (folder, error) {
	f := folder{path: filepath.Join(files, "tfos-"+name)}
	switch err := os.MkdirAll(f.path, 0o755); {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.path = files
	case err != nil:
		return folder{}, fmt.Errorf("node: make the program's folder: %w", err)
	default:
		if err := f.link(files); err != nil {
			return folder{}, fmt.Errorf("node: put the job's files into the program's folder: %w", err)
		}
	}
	if archive != "" {
		if err := unpack(ctx, archive, f.path); err != nil {
			return folder{}, err
		}
	}
	before, err := f.stamps()
	if err != nil {
		return folder{}, fmt.Errorf("node: list the program's folder: %w", err)
	}
	f.before = before
	return f, nil
}

// notLinked are the members' own folders, models and logs, and what an executor prints on a
// standalone worker.
var notLinked = regexp.MustCompile(`^(tfos-(ps|chief|worker|evaluator)-\d+(\.log|\.model)?|stdout|stderr)$`)

// link makes a link in the folder for every entry of files: a hard link for a file,
// a symbolic link for a folder, for a link, and for a file that the system refuses to
// link.
func (f folder) link(files string) error {
	entries, err := os.ReadDir(files)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if notLinked.MatchString(e.Name()) {
			continue
		}
		from, to := filepath.Join(files, e.Name()), filepath.Join(f.path, e.Name())
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		err := errors.ErrUnsupported
		if e.Type().IsRegular() {
			err = os.Link(from, to)
		}
		if err != nil {
			err = os.Symlink(from, to)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// stamps returns the stamps of the regular files below the folder, by path with
// slashes. Links are not followed. Folders of compiled Python files are skipped.
func (f folder) stamps() (map[string]stamp, error) {
	out := map[string]stamp{}
	err := filepath.WalkDir(f.path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission) && name != f.path:
			return nil // it was removed meanwhile, or is not readable
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "__pycache__":
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		rel, err := filepath.Rel(f.path, name)
		if err != nil {
			return err
		}
		one := stamp{size: info.Size(), modified: info.ModTime()}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			one.inode = st.Ino
		}
		out[filepath.ToSlash(rel)] = one
		return nil
	})
	return out, err
}

// written returns the sizes, by path, of the files that are new or have changed since
// the program started.
func (f folder) written() (map[string]int64, error) {
	now, err := f.stamps()
	out := map[string]int64{}
	for name, s := range now {
		if f.before[name] != s {
			out[name] = s.size
		}
	}
	return out, err
}
