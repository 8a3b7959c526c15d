package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocal(t *testing.T) {
	conformance(t, Local{}, func(t *testing.T) string { return t.TempDir() })
}

func TestLocalURI(t *testing.T) {
	conformance(t, Local{}, func(t *testing.T) string { return "file://" + t.TempDir() })
}

func TestFor(t *testing.T) {
	for path, want := range map[string]string{
		"/data/x": "", "data/x": "", "file:///data/x": "",
		"wasb://c@a.blob.core.windows.net/x": "store: wasb://: not supported yet. Write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/…, or let Spark read it: read_by: spark",
		"webhdfs://a/x":                      "store: webhdfs://: not supported yet. Spark may know it: read_by: spark",
		"s3n://a/x":                          "store: s3n://: not supported yet. Write s3a:// or s3://",
		"viewfs://cluster/x":                 "store: viewfs://: not supported yet. Spark may know it: read_by: spark",
	} {
		s, err := For(path)
		switch {
		case want == "" && (err != nil || s == nil):
			t.Errorf("For(%q): %v", path, err)
		case want != "" && (!errors.Is(err, ErrUnsupported) || err.Error() != want):
			t.Errorf("For(%q): %v, want %q", path, err, want)
		}
	}
}

// TestLocalLeavesNoNames looks at the folder itself, because List hides temporary names.
func TestLocalLeavesNoNames(t *testing.T) {
	root := t.TempDir()
	write(t, Local{}, root+"/stage/a", "1")
	write(t, Local{}, root+"/final/b", "2")
	if err := (Local{}).Publish(t.Context(), root+"/stage", root+"/final", true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(root + "/final/a"); err != nil || info.Mode() != 0o644 {
		t.Errorf("a committed file is not for all to read: %v %v", info.Mode(), err)
	}
	file, err := Local{}.Create(t.Context(), root+"/c")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Abort(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 || entries[0].Name() != "final" {
		t.Errorf("left in the folder: %v %v", entries, err)
	}
}

// TestLocalPublishMovesBack makes the rename fail after the old folder was moved aside. It
// uses that a folder cannot be renamed into itself.
func TestLocalPublishMovesBack(t *testing.T) {
	root := t.TempDir()
	write(t, Local{}, root+"/final/stage/a", "1")
	if err := (Local{}).Publish(t.Context(), root+"/final/stage", root+"/final", true); err == nil {
		t.Fatal("a folder was published onto its own parent")
	}
	if got := listed(t, Local{}, root, ""); got != "/final/stage/a" {
		t.Errorf("after the failure: %q", got)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside it: %v %v", entries, err)
	}
}

func TestLocalListLinks(t *testing.T) {
	root := t.TempDir()
	write(t, Local{}, root+"/real/a", "1")
	for link, target := range map[string]string{"data": "real", "file": "real/a"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, Local{}, root, ""); got != "/data/a /file /real/a" {
		t.Errorf("links: %q", got)
	}
	if got := listed(t, Local{}, root, "/data"); got != "/data/a" {
		t.Errorf("a linked root: %q", got)
	}
	if err := os.Symlink("..", filepath.Join(root, "real", "loop")); err != nil {
		t.Fatal(err)
	}
	if _, err := (Local{}).List(t.Context(), root); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf("a loop: %v", err)
	}
	if err := os.Symlink("gone", filepath.Join(root, "dangling")); err != nil {
		t.Fatal(err)
	}
	if _, err := (Local{}).List(t.Context(), root+"/dangl*"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dangling link: %v", err)
	}
}

// TestLocalCopies tests Link if the file system has no links.
func TestLocalCopies(t *testing.T) {
	root := t.TempDir()
	write(t, Local{}, root+"/a", "one")
	if err := (Local{}).copy(t.Context(), root+"/a", root+"/b"); err != nil {
		t.Fatal(err)
	}
	if err := (Local{}).copy(t.Context(), root+"/a", root+"/b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto an existing file: %v", err)
	}
	if err := (Local{}).copy(t.Context(), root+"/none", root+"/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an absent file: %v", err)
	}
	if got := listed(t, Local{}, root, "") + content(t, Local{}, root+"/b"); got != "/a /bone" {
		t.Errorf("copied %q", got)
	}
}

// TestLocalLockOfADeadProcess: the lock of a process ends with the process. A lock on a
// removed file keeps nobody out.
func TestLocalLockOfADeadProcess(t *testing.T) {
	path := t.TempDir() + "/lock"
	held, err := (Local{}).Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if hasItsName(held.(localLock).File) {
		t.Error("a file without a name passes for the lock")
	}
	child := exec.Command("flock", "--no-fork", path, "sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for locked := false; !locked; {
		l, err := (Local{}).Lock(t.Context(), path)
		if locked = errors.Is(err, ErrLocked); err == nil {
			err = l.Close()
		}
		if err != nil && !locked {
			t.Fatal(err)
		}
	}
	_ = errors.Join(child.Process.Kill(), child.Wait()) // it was killed, says Wait
	after, err := (Local{}).Lock(t.Context(), path)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	_ = after.Close()
}

// TestAssembleLarge: a file of several ranges is copied whole, in the kernel and through
// this process, with permissions that are not wider than its source's.
func TestAssembleLarge(t *testing.T) {
	folder := t.TempDir()
	source, err := os.OpenFile(folder+"/source", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for i := range int64(5) { // with holes
		if _, err := source.WriteAt([]byte{byte('a' + i)}, i*20_000_001); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Local{}).Assemble(t.Context(), []Piece{{folder + "/source", 0, -1}}, folder+"/copy"); err != nil {
		t.Fatal(err)
	}
	through, err := os.Create(folder + "/through")
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	size := int64(4*20_000_001 + 1)
	if err := (&copyRange{source, through, 0, 0, size}).copyBytes(); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(folder + "/source")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/copy", "/through"} {
		if got, err := os.ReadFile(folder + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
	if info, err := os.Stat(folder + "/copy"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := (&copyRange{source, through, size - 1, 0, 2}).copyBytes(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("beyond the end: %v", err)
	}
}
