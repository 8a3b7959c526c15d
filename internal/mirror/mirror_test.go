package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/store"
)

// TestManager: the store has the checkpoints that the program keeps, and a later run goes
// on from the newest. Older ones stay at the store until the program no longer keeps them.
func TestManager(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	for step := 1; step <= 5; step++ {
		p.save(step)
		pass(t, m)
		readable(t, url)
	}
	wantTree(t, url, ckpt(3, 4, 5))

	m = fetched(t, store.Local{}, url, nil)
	wantTree(t, m.Dir, ckpt(5))
	if got := m.Status(); got.Stored != "ckpt-5" || len(got.Brought.Checkpoints) != 1 || got.Brought.Files != 2 {
		t.Errorf("status %+v", got)
	}
	p = resume(t, m.Dir, 3)
	p.save(6)
	pass(t, m)
	wantTree(t, url, ckpt(4, 5, 6))
	p.save(7)
	p.save(8)
	finish(t, m)
	wantTree(t, url, ckpt(6, 7, 8))
	readable(t, url)
	if got := m.Status(); got.Stored != "ckpt-8" || got.Local != "ckpt-8" || got.Files != 2 || got.Deleted == 0 {
		t.Errorf("status %+v", got)
	}
}

// TestKilledAtEachStep: wherever the process is killed while it uploads, a reader of the
// store finds whole checkpoints. The next run goes on from the newest of them, and leaves
// nothing of the dead one.
func TestKilledAtEachStep(t *testing.T) {
	for at := 0; ; at++ {
		url := filepath.Join(t.TempDir(), "store")
		first := fetched(t, store.Local{}, url, nil)
		p := resume(t, first.Dir, 2)
		p.save(1)
		p.save(2)
		p.checkpoint("best", 2)
		finish(t, first)

		f := &faulty{Store: store.Local{}, at: at, after: func() { readable(t, url) }}
		m := fetched(t, store.Local{}, url, nil)
		m.Store = f
		p = resume(t, m.Dir, 2)
		var err error
		for step := 3; step <= 4 && err == nil; step++ {
			p.save(step)
			p.checkpoint("best", step)
			err = m.pass(t.Context())
		}
		readable(t, url)
		if t.Failed() {
			t.Fatalf("killed at call %d", at)
		}

		if err := Sweep(t.Context(), store.Local{}, url); err != nil {
			t.Fatal(err)
		}
		readable(t, url)
		whole := tree(t, url)
		if n := strings.Count(whole, ".index"); n < 3 && !strings.Contains(whole, "ckpt-4.index") && strings.Contains(whole, "best.index") {
			t.Fatalf("killed at call %d: older checkpoints are lost, the store has %s", at, whole)
		}
		last := fetched(t, store.Local{}, url, nil)
		p = resume(t, last.Dir, 2)
		if newest := p.all[len(p.all)-1]; strings.Contains(whole, fmt.Sprintf("ckpt-%c.index", newest[5]+1)) {
			t.Fatalf("killed at call %d: it goes on from %s, though the store has %s", at, newest, whole)
		}
		p.save(10)
		p.save(11)
		p.checkpoint("best", 11)
		finish(t, last)
		readable(t, url)
		newest := fetched(t, store.Local{}, url, nil)
		if got := resume(t, newest.Dir, 2).all; strings.Join(got, " ") != "ckpt-10 ckpt-11" {
			t.Fatalf("killed at call %d: the state file names %v", at, got)
		}
		wantTree(t, url, "best"+oneData+" best.index "+ckpt(10, 11))
		if t.Failed() {
			t.Fatalf("killed at call %d", at)
		}
		if err == nil {
			if at < 20 {
				t.Fatalf("only %d calls were tried", at)
			}
			return
		}
	}
}

// TestSweepOfAnOldNote: a note does not bring back a state file that another run, which does
// not read notes, has replaced since.
func TestSweepOfAnOldNote(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	p.save(1)
	p.save(2)
	pass(t, m)
	n := note{Saving: []string{"ckpt-2"}, State: string(stateFile{newest: "ckpt-2", all: []string{"ckpt-1", "ckpt-2"}}.text()), Before: []string{"ckpt-1"}, Deleting: []string{"ckpt-1"}}
	if err := newMirror(m.Config).writeNote(t.Context(), "", n); err != nil { // its process is dead
		t.Fatal(err)
	}
	p.save(3)
	finish(t, m)
	if err := Sweep(t.Context(), store.Local{}, url); err != nil {
		t.Fatal(err)
	}
	wantTree(t, url, ckpt(1, 2, 3))
	if got := resume(t, fetched(t, store.Local{}, url, nil).Dir, 3).all; strings.Join(got, " ") != "ckpt-1 ckpt-2 ckpt-3" {
		t.Errorf("the state file names %v", got)
	}
}

// TestSweepBeforeTheNewest: a mirror that died before what its state file names went up leaves a
// checkpoint of an earlier pass, which no state file names. It is the newest then, though the
// note says that it was to be deleted.
func TestSweepBeforeTheNewest(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	p.save(1)
	pass(t, m)
	p.save(12)
	pass(t, m)
	first := stateFile{newest: "ckpt-1", all: []string{"ckpt-1"}}
	if err := os.WriteFile(filepath.Join(url, stateName), first.text(), 0o600); err != nil {
		t.Fatal(err)
	}
	next := stateFile{newest: "ckpt-14", all: []string{"ckpt-13", "ckpt-14"}}
	n := note{Saving: []string{"ckpt-13", "ckpt-14"}, State: string(next.text()), Before: first.all, Deleting: []string{"ckpt-1", "ckpt-12", "ckpt-9"}}
	if err := newMirror(m.Config).writeNote(t.Context(), "", n); err != nil { // its process is dead
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), store.Local{}, url); err != nil {
		t.Fatal(err)
	}
	wantTree(t, url, ckpt(1, 12))
	if got := resume(t, fetched(t, store.Local{}, url, nil).Dir, 3).all; strings.Join(got, " ") != "ckpt-1 ckpt-12" {
		t.Errorf("the state file names %v", got)
	}
}

// TestSweepAfterTheStateFile: a mirror that died after it had replaced the state file, which
// names a checkpoint that was deleted before it went up, has its deletions finished.
func TestSweepAfterTheStateFile(t *testing.T) {
	url, m, p := begin(t, 2, nil)
	p.save(1)
	p.save(2)
	pass(t, m)
	p.save(3)
	p.save(4)
	p.remove("ckpt-3"+oneData, "ckpt-3.index")
	m.Store = keeps{store.Local{}}
	if err := m.pass(t.Context()); !errors.Is(err, errKeeps) {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), store.Local{}, url); err != nil {
		t.Fatal(err)
	}
	wantTree(t, url, ckpt(4))
	readable(t, url)
}

// TestFaultInMidUpload: one failed call fails its pass. The next pass does the rest, and
// nothing temporary stays.
func TestFaultInMidUpload(t *testing.T) {
	for at := 0; ; at++ {
		url := filepath.Join(t.TempDir(), "store")
		f := &faulty{Store: store.Local{}, at: at, times: 1, after: func() { readable(t, url) }}
		m := fetched(t, store.Local{}, url, nil)
		m.Store = f
		p := resume(t, m.Dir, 1)
		failed := false
		for step := 1; step <= 3; step++ {
			p.save(step)
			if err := m.pass(t.Context()); err != nil {
				if !errors.Is(err, errFault) || !strings.Contains(err.Error(), url) {
					t.Fatalf("error %v", err)
				}
				failed = true
			}
		}
		finish(t, m)
		wantTree(t, url, ckpt(3))
		readable(t, url)
		if t.Failed() {
			t.Fatalf("fault at call %d", at)
		}
		if !failed {
			if at < 10 {
				t.Fatalf("only %d calls were tried", at)
			}
			return
		}
	}
}

// TestIncomplete: half a checkpoint does not go up, running or at the end.
func TestIncomplete(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	p.save(1)
	pass(t, m)
	p.write("ckpt-2"+oneData, content(t, 2, oneData))
	p.write("ckpt-2_temp/part-00000-of-00001"+oneData, content(t, 2, oneData))
	pass(t, m)
	wantTree(t, url, ckpt(1))
	p.write("ckpt-2.index", content(t, 2, ".index")[:100])
	finish(t, m)
	wantTree(t, url, ckpt(1))
	p.save(2)
	pass(t, m)
	if got := m.Status().Stored; got != "ckpt-2" {
		t.Errorf("stored %q", got)
	}
}

// TestTornInPlace: a checkpoint that is being saved again under its own name has new data
// and the old index. It goes up when the index is new too, or when the program returned.
func TestTornInPlace(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	p.checkpoint("best", 1)
	pass(t, m)
	at := time.Now().Add(time.Second)
	p.write("best"+oneData, content(t, 2, oneData))
	if err := os.Chtimes(m.here("best"+oneData), at, at); err != nil {
		t.Fatal(err)
	}
	pass(t, m)
	if err := m.Finish(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	readable(t, url)
	p.checkpoint("best", 2)
	pass(t, m)
	readable(t, url)
	if got, _ := os.ReadFile(url + "/best" + oneData); string(got) != string(content(t, 2, oneData)) {
		t.Error("the new data is not at the store")
	}
}

// TestNewestIsDeletedMeanwhile: a program that keeps one checkpoint and saves faster than
// the store takes them still gets a state file there that names a checkpoint there.
func TestNewestIsDeletedMeanwhile(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	step := 1
	var p *program
	f := &faulty{Store: store.Local{}, at: 1 << 30}
	m := fetched(t, f, url, nil)
	p = resume(t, m.Dir, 1)
	p.save(step)
	f.after = func() {
		readable(t, url)
		step++
		p.save(step)
	}
	for range 5 {
		pass(t, m)
	}
	f.after = nil
	if got := resume(t, fetched(t, store.Local{}, url, nil).Dir, 1).all; len(got) != 1 {
		t.Errorf("the state file names %v", got)
	}
	finish(t, m)
	wantTree(t, url, ckpt(step))
}

// TestAbsoluteState: absolute names of the local folder become relative at the store, and
// foreign absolute names of a copied folder become those beside the state file.
func TestAbsoluteState(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	p.checkpoint("run/model.ckpt-7", 7)
	p.write("run/checkpoint", []byte(fmt.Sprintf("model_checkpoint_path: %q\nall_model_checkpoint_paths: %q\nlast_preserved_timestamp: 5.25\n",
		m.Dir+"/run/model.ckpt-7", m.Dir+"/run/model.ckpt-7")))
	pass(t, m)
	text, err := os.ReadFile(url + "/run/checkpoint")
	if err != nil || string(text) != "model_checkpoint_path: \"model.ckpt-7\"\nall_model_checkpoint_paths: \"model.ckpt-7\"\nlast_preserved_timestamp: 5.25\n" {
		t.Errorf("%v, %s", err, text)
	}
	if err := os.WriteFile(url+"/run/checkpoint", []byte(`model_checkpoint_path: "/old/place/model.ckpt-7"`), 0o600); err != nil {
		t.Fatal(err)
	}
	m = fetched(t, store.Local{}, url, nil)
	if got := resume(t, m.Dir+"/run", 3).all; len(got) != 1 || got[0] != "model.ckpt-7" {
		t.Errorf("the local state file names %v", got)
	}
}

// TestDamagedAtTheStore: a checkpoint that cannot be restored is passed over, and the
// state file then names the one before.
func TestDamagedAtTheStore(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	for step := 1; step <= 3; step++ {
		p.save(step)
	}
	finish(t, m)
	if err := errors.Join(os.Truncate(url+"/ckpt-3"+oneData, 3), os.Remove(url+"/ckpt-2"+oneData)); err != nil {
		t.Fatal(err)
	}
	m = fetched(t, store.Local{}, url, nil)
	wantTree(t, m.Dir, ckpt(1))
	if got := resume(t, m.Dir, 3).all; len(got) != 1 {
		t.Errorf("names %v", got)
	}
}

// continued is begin of a graph program, three of whose checkpoints are at the store. The
// program has the newest.
func continued(t *testing.T) (url string, m *Mirror, p *program) {
	t.Helper()
	url, m, p = begin(t, 3, nil)
	for step := 1; step <= 3; step++ {
		p.save(step)
	}
	finish(t, m)
	m = fetched(t, store.Local{}, url, func(c *Config) { c.Keep = 3 })
	p = &program{t: t, dir: m.Dir, keep: 3, all: []string{"ckpt-3"}} // what is here
	return url, m, p
}

// TestKeep: of a graph program as many checkpoints stay at the store as the job keeps,
// though the program has only the newest of those before.
func TestKeep(t *testing.T) {
	url, m, p := continued(t)
	p.save(4)
	pass(t, m)
	wantTree(t, url, ckpt(2, 3, 4))
	p.save(5)
	p.save(6)
	finish(t, m)
	wantTree(t, url, ckpt(4, 5, 6))
	readable(t, url)
}

// keeps is a store that deletes nothing.
type keeps struct{ store.Store }

func (keeps) Remove(context.Context, string) error { return errKeeps }

var errKeeps = errors.New("nothing is deleted")

// TestForgottenLater: a checkpoint of an earlier run that could not be deleted when the state
// file lost its name is deleted later.
func TestForgottenLater(t *testing.T) {
	url, m, p := continued(t)
	m.Store = keeps{store.Local{}}
	p.save(4)
	p.save(5)
	if err := m.pass(t.Context()); !errors.Is(err, errKeeps) {
		t.Fatal(err)
	}
	m.Store = store.Local{}
	p.save(6)
	finish(t, m)
	wantTree(t, url, ckpt(4, 5, 6))
	readable(t, url)
}

// TestSaverForgets: checkpoints of earlier runs stay where the program does not know them.
func TestSaverForgets(t *testing.T) {
	url, m, p := begin(t, 3, nil)
	for step := 1; step <= 3; step++ {
		p.save(step)
	}
	finish(t, m)
	m = fetched(t, store.Local{}, url, nil)
	p = &program{t: t, dir: m.Dir, keep: 3} // it has not read the state file
	p.save(4)
	finish(t, m)
	wantTree(t, url, ckpt(1, 2, 3, 4))
}
