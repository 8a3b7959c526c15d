package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stamp identifies the state of a local file: a file that changes gets another stamp.
type stamp struct {
	inode    uint64
	size     int64
	modified time.Time
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), modified: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// scan returns the stamps of the regular files of the local folder, by name. Temporary and
// hidden files are left out, and links are not followed. sub limits it to one folder
// without those below; "*": all.
func (m *Mirror) scan(sub string) (map[string]stamp, error) {
	root := m.Dir
	if sub != allFolders {
		root = m.here(sub)
	}
	found := map[string]stamp{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was deleted meanwhile
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(file), m.Dir), "/")
		if d.IsDir() {
			if file != root && (sub != allFolders || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || kindOf(name) == ignored {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			found[name] = stampOf(info)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("mirror: look through the local folder of %s: %w", m.URL, err)
	}
	return found, nil
}

// allFolders has scan look through all folders.
const allFolders = "*"

// source is a local file that is open, so that its bytes stay while the program deletes
// or replaces it.
type source struct {
	name string
	file *os.File
	stamp
}

// errChanged says that a local file was written to while it was read.
var errChanged = errors.New("the program has written to it meanwhile")

// open opens a local file. ok is false if it is gone.
func (m *Mirror) open(name string) (s source, ok bool, err error) {
	file, err := os.Open(m.here(name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("mirror: upload %s: %w", m.at(name), err)
	}
	info, err := file.Stat()
	if err != nil {
		return s, false, errors.Join(fmt.Errorf("mirror: upload %s: %w", m.at(name), err), file.Close())
	}
	return source{name, file, stampOf(info)}, true, nil
}

// unchanged returns errChanged if the file was written to since it was opened.
func (s source) unchanged() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if stampOf(info) != s.stamp {
		return errChanged
	}
	return nil
}
