package mirror

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tfos/internal/store"
)

// recorded notes the names that files get, in their order, and fails at one of them.
type recorded struct {
	store.Store
	fail  string
	mu    sync.Mutex
	names []string
}

type recordedFile struct {
	store.File
	r    *recorded
	path string
}

func (r *recorded) Create(ctx context.Context, path string) (store.File, error) {
	f, err := r.Store.Create(ctx, path)
	return &recordedFile{f, r, path}, err
}

func (f *recordedFile) Commit() error {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	if f.r.fail != "" && strings.HasSuffix(f.path, f.r.fail) {
		return errors.Join(errors.New("quota"), f.Abort())
	}
	f.r.names = append(f.r.names, f.path)
	return f.File.Commit()
}

// TestTree: all files of the named entries go up as they are, those inside first and the
// file that says that a model is whole last. If one fails, that file is not there.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	p := &program{t: t, dir: dir}
	names := []string{"m.keras", "m/.hidden", "m/saved_model.pb", "m/variables/variables.index", "m/variables/variables.data-00000-of-00001", "m/assets.extra/.tmp/x"}
	for _, name := range append(names, "other.txt", "notes/m.txt") {
		p.write(name, []byte(name))
	}
	if err := os.Symlink("m.keras", filepath.Join(dir, "m.h5")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "m/assets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, fail := range []string{"", "variables.index", "assets.extra/.tmp/x"} {
		url := filepath.Join(t.TempDir(), "store")
		to := &recorded{Store: store.Local{}, fail: fail}
		var moved atomic.Int64
		tree := Tree{Store: to, Dir: dir, URL: url, Name: "m", Last: []string{"saved_model.pb"}, Moved: func(n int) { moved.Add(int64(n)) }}
		if others := tree.Others(); !slices.Equal(others, []string{"notes", "other.txt"}) {
			t.Errorf("others: %v", others)
		}
		size, err := tree.Upload(t.Context())
		if fail != "" {
			if err == nil || exists(url+"/m/saved_model.pb") || exists(url+"/m/"+fail) {
				t.Errorf("%s: %v, but %v are there", fail, err, to.names)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(names, "m.h5") {
			want := name
			if name == "m.h5" {
				want = "m.keras"
			}
			if text, err := os.ReadFile(filepath.Join(url, name)); err != nil || string(text) != want {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
		if !exists(url+"/m/assets") || exists(url+"/other.txt") || exists(url+"/notes") {
			t.Error("an empty folder is missing, or another name is there")
		}
		if last := to.names[len(to.names)-1]; size.Files != 7 || moved.Load() != size.Bytes || last != url+"/m/saved_model.pb" {
			t.Errorf("%+v, %d bytes moved, last %s", size, moved.Load(), last)
		}
		inside := slices.IndexFunc(to.names, func(n string) bool { return strings.HasSuffix(n, "variables.index") })
		if hidden := slices.Index(to.names, url+"/m/.hidden"); inside > hidden {
			t.Errorf("order: %v", to.names)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
