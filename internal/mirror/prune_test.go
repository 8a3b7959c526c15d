package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/store"
)

// saveLazily is save of a program that deletes old checkpoints later: it returns how.
func (p *program) saveLazily(step int) (prune func()) {
	p.t.Helper()
	keep := p.keep
	p.keep = 1 << 30
	p.save(step)
	p.keep = keep
	old := p.all[:max(0, len(p.all)-p.keep)]
	p.all = p.all[len(old):]
	p.write(stateName, stateFile{newest: p.all[len(p.all)-1], all: p.all}.text())
	return func() {
		for _, o := range old {
			p.remove(o+".index", o+oneData)
		}
	}
}

// TestPrunedAfterThePass: checkpoints of an earlier run are deleted at the store, though a
// pass comes between the program's state file, which no longer names them, and the
// program's deletion of the one that it has.
func TestPrunedAfterThePass(t *testing.T) {
	for _, keep := range []int{0, 1} {
		url, m, p := begin(t, 3, nil)
		for step := 1; step <= 3; step++ {
			p.save(step)
		}
		finish(t, m)
		m = fetched(t, store.Local{}, url, func(c *Config) { c.Keep = keep })
		p = resume(t, m.Dir, 1)
		prune := p.saveLazily(4)
		pass(t, m)
		readable(t, url)
		prune()
		finish(t, m)
		wantTree(t, url, ckpt(4))
		readable(t, url)
		if err := Sweep(t.Context(), store.Local{}, url); err != nil {
			t.Fatal(err)
		}
		wantTree(t, url, ckpt(4))
	}
}

// TestUnnamedStayHere: a checkpoint that the state file does not name, because the program is
// about to delete it or has not come to the state file, does not go up: a mirror that is killed
// after the pass would leave it at the store. A CheckpointManager's program may keep one.
func TestUnnamedStayHere(t *testing.T) {
	for _, keep := range []int{0, 2} {
		url := filepath.Join(t.TempDir(), "store")
		m := fetched(t, store.Local{}, url, func(c *Config) { c.Keep = keep })
		p := resume(t, m.Dir, 2)
		p.save(1)
		p.save(2)
		p.saveLazily(3)
		p.checkpoint("ckpt-4", 4)
		p.checkpoint("best", 9)
		best := "best" + oneData + " best.index "
		pass(t, m)
		wantTree(t, url, best+ckpt(2, 3))
		p.old("ckpt-1.index", "ckpt-1"+oneData)
		pass(t, m)
		if keep == 0 {
			wantTree(t, url, best+ckpt(1, 2, 3))
		} else {
			wantTree(t, url, best+ckpt(2, 3))
		}
	}
}

// TestFoldersAlike: checkpoints of one folder are not those of another whose name differs in a
// number: no note stays.
func TestFoldersAlike(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	m := fetched(t, store.Local{}, url, func(c *Config) { c.Keep = 2 })
	for step := 1; step <= 2; step++ {
		for worker := range 2 {
			(&program{t: t, dir: fmt.Sprintf("%s/worker-%d", m.Dir, worker), keep: 1}).save(step + 10*worker)
		}
		pass(t, m) // both folders
	}
	if got := tree(t, url); strings.Contains(got, notePrefix) {
		t.Errorf("a note stays: %s", got)
	}
}

// TestKilledAfterAnAbandonedPass: a pass does not come to its state file, because a checkpoint
// changes while it goes up, and the mirror is killed after that pass, or after the next. What
// came is named, or deleted.
func TestKilledAfterAnAbandonedPass(t *testing.T) {
	for _, keep := range []int{0, 2} {
		url := filepath.Join(t.TempDir(), "store")
		f := &faulty{Store: store.Local{}, at: 1 << 30}
		m := fetched(t, f, url, func(c *Config) { c.Keep = keep })
		p := resume(t, m.Dir, 2)
		p.save(1)
		pass(t, m)
		f.after = func() {
			if strings.Contains(tree(t, url), "ckpt-2.index") {
				f.after = nil
				if err := os.WriteFile(m.here("ckpt-3"+oneData), nil, 0o600); err != nil {
					t.Error(err)
				}
			}
		}
		p.save(2)
		p.save(3)
		pass(t, m)
		if got := tree(t, url); !strings.Contains(got, notePrefix) || !strings.HasSuffix(got, ckpt(1, 2)) {
			t.Fatalf("keep %d: the pass was not abandoned: %s", keep, got)
		}
		wantSwept(t, url, 1, 2)
		p.save(3)
		prune := p.saveLazily(4)
		pass(t, m)
		wantSwept(t, url, 3, 4)
		prune()
	}
}

// wantSwept wants that a copy of a store's folder has these checkpoints, and names them, after
// Sweep, as if the mirror had died.
func wantSwept(t *testing.T, url string, steps ...int) {
	t.Helper()
	dead := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dead, os.DirFS(url)); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), store.Local{}, dead); err != nil {
		t.Fatal(err)
	}
	readable(t, dead)
	wantTree(t, dead, ckpt(steps...))
	var names []string
	for _, step := range steps {
		names = append(names, fmt.Sprintf("ckpt-%d", step))
	}
	if got := resume(t, fetched(t, store.Local{}, dead, nil).Dir, len(steps)).all; !slices.Equal(got, names) {
		t.Errorf("the state file names %v, want %v", got, names)
	}
}

// prunes are ways in which a program replaces checkpoints: between says at which call of
// the store the program deletes the old ones.
var prunes = []struct {
	name string
	keep int // of the mirror's Config
	// run saves step, and returns what the program does later; nil: nothing.
	run func(p *program, step int) (later func())
}{
	{"CheckpointManager", 0, func(p *program, step int) func() { p.save(step); return nil }},
	{"graph program, while files go up", 2, func(p *program, step int) func() { return p.saveLazily(step) }},
	{"no state file", 0, func(p *program, step int) func() {
		p.remove(fmt.Sprintf("best-%d.index", step-1), fmt.Sprintf("best-%d%s", step-1, oneData))
		p.checkpoint(fmt.Sprintf("best-%d", step), step)
		return nil
	}},
	{"the folder is deleted", 0, func(p *program, step int) func() {
		sub := &program{t: p.t, dir: p.dir + "/backup", keep: 1, all: nil}
		if step%2 == 1 {
			sub.save(step)
		} else {
			sub.remove(stateName, fmt.Sprintf("ckpt-%d.index", step-1), fmt.Sprintf("ckpt-%d%s", step-1, oneData))
		}
		p.save(step)
		return nil
	}},
}

// TestKilledWhilePruning: wherever a mirror is killed while checkpoints are deleted, and
// wherever the Sweep after it is, the last Sweep and run leave whole checkpoints alone, and
// no more of them than the program keeps.
func TestKilledWhilePruning(t *testing.T) {
	for _, way := range prunes {
		t.Run(way.name, func(t *testing.T) {
			for deletes := 0; deletes < 12; deletes += 4 {
				for at := 0; ; at++ {
					done := killedWhilePruning(t, way.keep, way.run, at, deletes)
					if t.Failed() {
						t.Fatalf("killed at call %d; the program deletes at call %d", at, deletes)
					}
					if done {
						if at < 8 {
							t.Fatalf("only %d calls were tried", at)
						}
						break
					}
				}
				if way.keep == 0 {
					break
				}
			}
		})
	}
}

// killedWhilePruning kills a mirror at its call at, after the program has deleted at its
// call deletes what it no longer names. done: the mirror was not killed.
func killedWhilePruning(t *testing.T, keep int, run func(*program, int) func(), at, deletes int) (done bool) {
	url := filepath.Join(t.TempDir(), "store")
	with := func(c *Config) { c.Keep = keep }
	m := fetched(t, store.Local{}, url, with)
	p := resume(t, m.Dir, 2)
	for step := 1; step <= 3; step++ {
		if later := run(p, step); later != nil {
			later()
		}
		pass(t, m)
	}
	calls, later := 0, func() {}
	f := &faulty{Store: store.Local{}, at: at}
	f.after = func() {
		readable(t, url)
		if calls++; calls == deletes {
			later()
		}
	}
	m.Store = f
	if l := run(p, 4); l != nil {
		later = l
	}
	err := m.pass(t.Context())
	if err == nil {
		later()
		err = m.pass(t.Context())
	}
	for again := 0; ; again++ { // Sweep is killed too
		if Sweep(t.Context(), &faulty{Store: store.Local{}, at: again, after: func() { readable(t, url) }}, url) == nil {
			break
		}
	}
	readable(t, url)
	found := tree(t, url)
	named := resume(t, fetched(t, store.Local{}, url, nil).Dir, 2).all
	for _, name := range strings.Fields(found) {
		switch prefix := prefixOf(name); {
		case kindOf(name) == ignored:
			t.Errorf("%s is left over", name)
		case kindOf(name) == data && !strings.Contains(found, prefix+".index"):
			t.Errorf("%s is half a checkpoint", name)
		case kindOf(name) == index && folderOf(name) == "" && strings.HasPrefix(name, "ckpt") && !strings.Contains(strings.Join(named, " ")+" ", prefix+" "):
			t.Errorf("%s is left, and the state file names %v", prefix, named)
		}
	}
	return err == nil
}

// pruning is a store on which somebody else changes what is there when a file is opened.
type pruning struct {
	store.Store
	opened func(path string)
}

func (s pruning) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	s.opened(path)
	return s.Store.Open(ctx, path)
}

// TestFetchWhileAnotherPrunes: a member that begins while the chief saves and deletes
// checkpoints gets the newest. It does not begin without one.
func TestFetchWhileAnotherPrunes(t *testing.T) {
	url, chief, p := begin(t, 1, nil)
	p.save(1)
	pass(t, chief)
	step := 1
	busy := pruning{store.Local{}, func(path string) {
		if step < 4 && strings.HasSuffix(path, oneData) {
			step++
			p.save(step)
			pass(t, chief)
		}
	}}
	m := fetched(t, busy, url, func(c *Config) { c.Mode = Events })
	if got := resume(t, m.Dir, 1).all; strings.Join(got, " ") != "ckpt-4" {
		t.Errorf("it begins with %v", got)
	}
	wantTree(t, m.Dir, ckpt(4))
	readable(t, m.Dir)

	busy.opened = func(path string) {
		if strings.HasSuffix(path, oneData) {
			step++
			p.save(step)
			pass(t, chief)
		}
	}
	late, err := New(Config{Store: busy, URL: url, Dir: filepath.Join(t.TempDir(), "model"), Mode: Events, Log: m.Log})
	if err == nil {
		err = late.Fetch(t.Context())
	}
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), url) {
		t.Errorf("without an end: %v", err)
	}
}

// TestFolderDeletedAtTheEnd: checkpoints and their state file that the program deletes as its
// last deed are deleted by the last upload, after which nothing comes.
func TestFolderDeletedAtTheEnd(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	sub := &program{t: t, dir: m.Dir + "/backup", keep: 2}
	p.save(1)
	sub.save(1)
	sub.save(2)
	pass(t, m)
	sub.remove(stateName, "ckpt-1.index", "ckpt-1"+oneData, "ckpt-2.index", "ckpt-2"+oneData)
	finish(t, m)
	wantTree(t, url, ckpt(1))
}
