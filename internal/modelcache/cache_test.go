package modelcache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// newModel writes files into a folder "model" and returns its URL, and a cache.
func newModel(t *testing.T, files map[string]string) (url string, c Cache) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "model", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir + "/model", Cache{filepath.Join(t.TempDir(), "cache")}
}

var saved = map[string]string{
	"saved_model.pb":                          "graph",
	"variables/variables.index":               "index",
	"variables/variables.data-00000-of-00001": "values",
	"assets/_hidden.txt":                      "word",
}

// namesIn lists the files in a folder, by their names in it.
func namesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, folder+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFetchCopiesAFolderOnce(t *testing.T) {
	url, c := newModel(t, saved)
	first, err := c.Fetch(t.Context(), url+"/", Whole)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(first.Path) != "model" {
		t.Errorf("the copy %s is not named as the model", first.Path)
	}
	got := namesIn(t, first.Path)
	for name, text := range saved {
		if got[name] != text {
			t.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
	if got := first.Remote(first.Path + "/saved_model.pb"); got != url+"/saved_model.pb" {
		t.Errorf("Remote is %s", got)
	}
	second, err := c.Fetch(t.Context(), url, Whole)
	if err != nil || second != first {
		t.Errorf("the second Fetch gave %v, %v, want the first copy", second, err)
	}
}

func TestGraphCopiesHaveTheHeadsOfValues(t *testing.T) {
	const name = "variables/variables.data-00000-of-00001"
	url, c := newModel(t, map[string]string{
		"saved_model.pb": "graph", "events.out.tfevents.1.host": "events",
		name: strings.Repeat("v", headBytes) + "tail",
	})
	copied, err := c.Fetch(t.Context(), url, Graph)
	if err != nil {
		t.Fatal(err)
	}
	got := namesIn(t, copied.Path)
	if want := strings.Repeat("v", headBytes) + "\x00\x00\x00\x00"; got[name] != want {
		t.Errorf("the copy of values has %d bytes, or not the first ones alone", len(got[name]))
	}
	if len(got) != 2 || got["saved_model.pb"] != "graph" {
		t.Errorf("the copy has %d files", len(got))
	}
}

func TestACheckpointPrefixTakesItsFilesOnly(t *testing.T) {
	url, c := newModel(t, map[string]string{
		"ckpt-1.index": "1", "ckpt-1.meta": "1", "ckpt-1.data-00000-of-00001": "1", "ckpt-10.index": "10",
	})
	for _, end := range []string{"", ".index", ".meta"} {
		copied, err := c.Fetch(t.Context(), url+"/ckpt-1"+end, Whole)
		if err != nil {
			t.Fatal(err)
		}
		got := namesIn(t, filepath.Dir(copied.Path))
		if len(got) != 3 || got["ckpt-1.index"] != "1" {
			t.Errorf("ckpt-1%s: the copy has %v", end, got)
		}
	}
}

func TestAChangedModelGetsAnotherCopy(t *testing.T) {
	url, c := newModel(t, saved)
	before, err := c.Fetch(t.Context(), url, Whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimPrefix(url, "file://")+"/saved_model.pb", []byte("other graph"), 0o644); err != nil {
		t.Fatal(err)
	}
	after, err := c.Fetch(t.Context(), url, Whole)
	if err != nil {
		t.Fatal(err)
	}
	if after.Path == before.Path || namesIn(t, after.Path)["saved_model.pb"] != "other graph" {
		t.Error("the changed model did not get a copy of its own")
	}
	if namesIn(t, before.Path)["saved_model.pb"] != "graph" {
		t.Error("the copy in use has changed")
	}
}

func TestNothingThereIsNotExist(t *testing.T) {
	url, c := newModel(t, saved)
	_, err := c.Fetch(t.Context(), url+"-2", Whole)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), url+"-2") {
		t.Errorf("the error is %v", err)
	}
}

func TestManyAtOnceDownloadOnce(t *testing.T) {
	url, c := newModel(t, saved)
	var group sync.WaitGroup
	var paths sync.Map
	for range 8 {
		group.Go(func() {
			copied, err := c.Fetch(t.Context(), url, Whole)
			if err != nil {
				t.Error(err)
			}
			paths.Store(copied.Path, true)
		})
	}
	group.Wait()
	n := 0
	paths.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("there are %d copies", n)
	}
}

func TestCleanDeletesOldCopiesThatNobodyHolds(t *testing.T) {
	url, c := newModel(t, saved)
	copied, err := c.Fetch(t.Context(), url, Whole)
	if err != nil {
		t.Fatal(err)
	}
	used := filepath.Dir(copied.Path)
	unused := filepath.Join(c.Root, "unused")
	if err := os.MkdirAll(unused, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unused+lockSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.clean(time.Now(), maxBytes)
	if _, err := os.Stat(unused); err != nil {
		t.Errorf("a copy that was just used is gone: %v", err)
	}
	c.clean(time.Now().Add(maxAge+time.Hour), maxBytes)
	if _, err := os.Stat(unused); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old copy is there: %v", err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Errorf("a copy that this process holds is gone: %v", err)
	}
}

func TestCleanKeepsTheLimit(t *testing.T) {
	_, c := newModel(t, saved)
	for i, name := range []string{"old", "new"} {
		if err := os.MkdirAll(filepath.Join(c.Root, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Root, name, "file"), make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		lock, at := filepath.Join(c.Root, name)+lockSuffix, time.Now().Add(time.Duration(i-2)*time.Hour)
		if err := errors.Join(os.WriteFile(lock, nil, 0o600), os.Chtimes(lock, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	c.clean(time.Now(), 150)
	if _, err := os.Stat(filepath.Join(c.Root, "old")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the least recently used copy is there")
	}
	if _, err := os.Stat(filepath.Join(c.Root, "new")); err != nil {
		t.Error("the copy that was used last is gone")
	}
}

func TestAFolderOfOthersIsRefused(t *testing.T) {
	url, c := newModel(t, saved)
	if err := os.MkdirAll(c.Root, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.Root, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), url, Whole); err == nil || !strings.Contains(err.Error(), "TFOS_CACHE_DIR") {
		t.Errorf("the error is %v", err)
	}
}
