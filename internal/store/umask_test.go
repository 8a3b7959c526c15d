package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A store for the owner gives others no permissions, whatever the umask.
func TestOwnerOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	root := t.TempDir()
	s, err := ForOwner("file://" + root)
	if err != nil {
		t.Fatal(err)
	}
	conformance(t, s, func(t *testing.T) string { return t.TempDir() })
	write(t, s, root+"/a/b/file", "x")
	if err := s.Append(t.Context(), root+"/a/log", nil); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{"/a": 0o700, "/a/b": 0o700, "/a/b/file": 0o600, "/a/log": 0o600} {
		info, err := os.Stat(root + path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

// New files and folders have the permissions that the umask allows, as with other
// programs.
func TestUmask(t *testing.T) {
	ctx := context.Background()
	for _, mask := range []int{0o022, 0o002, 0o077} {
		before := syscall.Umask(mask)
		dir := filepath.Join(t.TempDir(), "a", "b")
		err := Local{}.Mkdir(ctx, dir)
		if err == nil {
			var f File
			if f, err = (Local{}).Create(ctx, dir+"/file"); err == nil {
				err = f.Commit()
			}
		}
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		for path, most := range map[string]fs.FileMode{dir: 0o777, filepath.Dir(dir): 0o777, dir + "/file": 0o666} {
			info, err := os.Stat(path)
			if want := most &^ fs.FileMode(mask); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %s is %v (%v), want %v", mask, path, info.Mode().Perm(), err, want)
			}
		}
	}
}
