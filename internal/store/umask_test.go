package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// New files and folders have the permissions that the umask leaves, as those of
// other programs.
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
