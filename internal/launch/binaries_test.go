package launch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// broken fails a test that unpacks a binary again.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("unpacked again") }

// put puts a binary into a new scratch folder, and returns its path there.
func put(t *testing.T, b Binaries, digest string, packed io.Reader) (string, error) {
	t.Helper()
	s, err := NewScratch(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	return s.Path("tfos-node"), b.Put(s, "tfos-node", digest, packed)
}

func TestBinariesAreUnpackedOnce(t *testing.T) {
	b := BinariesIn(t.TempDir())
	for _, packed := range []io.Reader{strings.NewReader("one"), broken{}} {
		path, err := put(t, b, "d1", packed)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(content) != "one" || info.Mode()&0o100 == 0 {
			t.Errorf("%q, %v, %v", content, info.Mode(), err)
		}
	}
	path, err := put(t, b, "d2", strings.NewReader("two")) // another tfos
	if content, _ := os.ReadFile(path); err != nil || string(content) != "two" {
		t.Errorf("%q, %v", content, err)
	}
}

// TestBinariesOfOthersAreNotRun: what others may have changed is replaced.
func TestBinariesOfOthersAreNotRun(t *testing.T) {
	b := BinariesIn(t.TempDir())
	if _, err := put(t, b, "d1", strings.NewReader("mine")); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(b.Dir, "d1")
	if err := errors.Join(os.WriteFile(kept, []byte("theirs"), 0o755), os.Chmod(kept, 0o777)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		path, err := put(t, b, "d1", strings.NewReader("mine"))
		if content, _ := os.ReadFile(path); err != nil || string(content) != "mine" {
			t.Errorf("%q, %v", content, err)
		}
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	if err := errors.Join(os.WriteFile(target, []byte("theirs"), 0o755), os.Symlink(target, kept)); err != nil {
		t.Fatal(err)
	}
	path, err := put(t, b, "d1", strings.NewReader("mine"))
	if content, _ := os.ReadFile(path); err != nil || string(content) != "mine" {
		t.Errorf("a link: %q, %v", content, err)
	}
}

// TestBinariesOfNobodyAreDeleted: old binaries go when a new one comes. A run that has one
// keeps it.
func TestBinariesOfNobodyAreDeleted(t *testing.T) {
	b := BinariesIn(t.TempDir())
	used, err := put(t, b, "old", strings.NewReader("old"))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-binaryAge - time.Hour)
	if err := os.Chtimes(filepath.Join(b.Dir, "old"), long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, b, "new", strings.NewReader("new")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.Dir, "old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is there: %v", err)
	}
	if content, err := os.ReadFile(used); err != nil || string(content) != "old" {
		t.Errorf("its run has %q, %v", content, err)
	}
}

// TestBinariesWithoutAPlace: a state folder that cannot be written stops no run.
func TestBinariesWithoutAPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := put(t, BinariesIn(file), "d1", strings.NewReader("one"))
	if content, _ := os.ReadFile(path); err != nil || string(content) != "one" {
		t.Errorf("%q, %v", content, err)
	}
}
