package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tfos/internal/store"
)

// program writes checkpoints as tf.train.CheckpointManager does.
type program struct {
	t    *testing.T
	dir  string
	keep int
	all  []string
}

// resume begins where the state file of the folder is.
func resume(t *testing.T, dir string, keep int) *program {
	t.Helper()
	p := &program{t: t, dir: dir, keep: keep}
	if text, err := os.ReadFile(filepath.Join(dir, stateName)); err == nil {
		s, ok := parseState(text, dir)
		if !ok {
			t.Fatalf("state file %q", text)
		}
		p.all = s.all
		if _, err := os.Stat(filepath.Join(dir, s.newest+".index")); err != nil {
			t.Fatalf("the newest checkpoint is not here: %v", err)
		}
	}
	return p
}

// content is the checkpoint of a step: one of TensorFlow 2.19.1's in testdata.
func content(t *testing.T, step int, suffix string) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/v%d%s", step%4+1, suffix))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const oneData = ".data-00000-of-00001"

// write writes a file of the program, and makes its folder.
func (p *program) write(name string, text []byte) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file+".new", text, 0o600), os.Rename(file+".new", file)); err != nil {
		p.t.Fatal(err)
	}
}

// save writes a checkpoint of a step, the state file, and deletes old checkpoints.
func (p *program) save(step int) {
	p.t.Helper()
	name := fmt.Sprintf("ckpt-%d", step)
	p.checkpoint(name, step)
	p.all = append(p.all, name)
	old := p.all[:max(0, len(p.all)-p.keep)]
	p.all = p.all[len(old):]
	p.write(stateName, stateFile{newest: name, all: p.all}.text())
	for _, o := range old {
		p.remove(o+".index", o+oneData)
	}
}

func (p *program) checkpoint(name string, step int) {
	p.t.Helper()
	p.write(name+oneData, content(p.t, step, oneData))
	p.write(name+".index", content(p.t, step, ".index"))
}

func (p *program) remove(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.t.Fatal(err)
		}
	}
}

// old makes files look as if they had not changed for an hour.
func (p *program) old(names ...string) {
	p.t.Helper()
	for _, name := range names {
		at := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(p.dir, name), at, at); err != nil {
			p.t.Fatal(err)
		}
	}
}

// fetched returns a mirror between a store's folder and a new local folder, after Fetch.
func fetched(t *testing.T, s store.Store, url string, change func(*Config)) *Mirror {
	t.Helper()
	c := Config{Store: s, URL: url, Dir: filepath.Join(t.TempDir(), "model"), Mode: Write, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&c)
	}
	m, err := New(c)
	if err == nil {
		err = m.Fetch(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// begin returns a new folder that stands for a store's, its mirror, and a program that keeps
// so many checkpoints.
func begin(t *testing.T, keep int, change func(*Config)) (url string, m *Mirror, p *program) {
	t.Helper()
	url = filepath.Join(t.TempDir(), "store")
	m = fetched(t, store.Local{}, url, change)
	return url, m, resume(t, m.Dir, keep)
}

func pass(t *testing.T, m *Mirror) {
	t.Helper()
	if err := m.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, m *Mirror) {
	t.Helper()
	if err := m.Finish(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

// tree returns the names of the files below a folder, sorted.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(file, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func wantTree(t *testing.T, dir, want string) {
	t.Helper()
	if got := tree(t, dir); got != want {
		t.Errorf("%s has\n%s, want\n%s", filepath.Base(dir), got, want)
	}
}

// ckpt returns the names of checkpoints' files and the state file, as tree has them.
func ckpt(steps ...int) string {
	names := []string{stateName}
	for _, s := range steps {
		names = append(names, fmt.Sprintf("ckpt-%d%s", s, oneData), fmt.Sprintf("ckpt-%d.index", s))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// readable checks what a reader of the store finds: every index has the data that
// TensorFlow wrote with it, and the state file names such checkpoints alone.
func readable(t *testing.T, dir string) {
	t.Helper()
	files := map[string]bool{}
	for _, name := range strings.Fields(tree(t, dir)) {
		files[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch kindOf(name) {
		case index:
			if !pair(t, filepath.Join(dir, prefixOf(name))) {
				t.Errorf("%s: half a checkpoint", name)
			}
		case state:
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			s, ok := parseState(text, "/nowhere")
			if !ok {
				t.Errorf("state file %q", text)
			}
			for _, one := range s.all {
				if !files[one+".index"] {
					t.Errorf("the state file names %s, which is not there", one)
				}
			}
		}
	}
}

// pair reports whether index and data of a prefix were written together.
func pair(t *testing.T, prefix string) bool {
	t.Helper()
	for step := range 4 {
		a, err := os.ReadFile(prefix + ".index")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(prefix + oneData); err == nil && bytes.Equal(a, content(t, step, ".index")) {
			return bytes.Equal(b, content(t, step, oneData))
		}
	}
	return false
}

// faulty is a store that fails at its calls from the one numbered at on; for how many, or
// for ever (a killed process). Writes of a file are two calls: half of it, and the rest.
type faulty struct {
	store.Store
	at    int
	times int    // how many calls fail; 0: all
	after func() // called after each call that changes something

	mu    sync.Mutex
	calls int
}

var errFault = errors.New("the store is gone")

func (f *faulty) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.calls > f.at && (f.times == 0 || f.calls <= f.at+f.times)
}

// isDead reports whether the fault has come and is for ever.
func (f *faulty) isDead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.times == 0 && f.calls > f.at
}

func (f *faulty) do(change func() error) error {
	if f.fails() {
		return errFault
	}
	err := change()
	if f.after != nil {
		f.after()
	}
	return err
}

func (f *faulty) Remove(ctx context.Context, p string) error {
	return f.do(func() error { return f.Store.Remove(ctx, p) })
}

func (f *faulty) Mkdir(ctx context.Context, p string) error {
	return f.do(func() error { return f.Store.Mkdir(ctx, p) })
}

func (f *faulty) Create(ctx context.Context, p string) (store.File, error) {
	if f.fails() {
		return nil, errFault
	}
	file, err := f.Store.Create(ctx, p)
	return &faultyFile{file, f, ctx}, err
}

// faultyFile uses the context of Create until Commit, as files of object stores do.
type faultyFile struct {
	store.File
	f   *faulty
	ctx context.Context
}

func (w *faultyFile) Write(p []byte) (int, error) {
	half := len(p) / 2
	if n, err := w.File.Write(p[:half]); err != nil {
		return n, err
	}
	if w.f.fails() {
		return half, errFault
	}
	n, err := w.File.Write(p[half:])
	return half + n, err
}

// Commit leaves no partial file after an error, as the contract of store.File says.
func (w *faultyFile) Commit() error {
	err := w.ctx.Err()
	if err == nil {
		err = w.f.do(w.File.Commit)
	}
	if errors.Is(err, errFault) {
		err = errors.Join(err, w.Abort())
	}
	return err
}

// Abort does what a killed process does where the fault is for ever: nothing.
func (w *faultyFile) Abort() error {
	if w.f.isDead() {
		return nil
	}
	return w.File.Abort()
}
