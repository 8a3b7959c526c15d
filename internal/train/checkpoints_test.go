package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
)

// writeOne writes a checkpoint of TensorFlow 2.19.1, with one variable of two numbers.
func writeOne(prefix string) error {
	for _, suffix := range []string{".data-00000-of-00001", ".index"} {
		content, err := os.ReadFile("testdata/one/w" + suffix)
		if err == nil {
			err = os.WriteFile(prefix+suffix, content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func open(t *testing.T, dir string, keep int) *Checkpoints {
	t.Helper()
	c, err := OpenCheckpoints(dir, keep, []byte("a graph"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func save(t *testing.T, c *Checkpoints, steps ...int64) {
	t.Helper()
	for _, step := range steps {
		if prefix, err := c.Save(step, writeOne); err != nil || filepath.Base(prefix) != nameOf(step) {
			t.Fatalf("step %d: %s, %v", step, prefix, err)
		}
	}
}

// latest returns the newest checkpoint's name, "" for none, and what was passed over.
func latest(t *testing.T, dir string) (name string, passedOver []string) {
	t.Helper()
	at, found, passedOver, err := Newest(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range passedOver {
		passedOver[i] = strings.TrimPrefix(one, dir+"/")
	}
	if !found {
		return "", passedOver
	}
	if filepath.Dir(at.Prefix) != dir || !strings.HasSuffix(at.Prefix, fmt.Sprint("-", at.Step)) {
		t.Errorf("%+v in %s", at, dir)
	}
	return filepath.Base(at.Prefix), passedOver
}

// names returns the names in a folder, sorted, those of a checkpoint's three files as
// one.
func names(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int{}
	for _, e := range entries {
		name, _, isPart := strings.Cut(e.Name(), ".")
		if isPart && strings.HasPrefix(name, "ckpt-") {
			if files[name]++; files[name] != 3 {
				continue
			}
			delete(files, name)
			found = append(found, name)
			continue
		}
		found = append(found, e.Name())
	}
	for name, n := range files {
		t.Errorf("%s has %d files", name, n)
	}
	slices.Sort(found)
	return found
}

func equal(t *testing.T, have, want any) {
	t.Helper()
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", have, want)
	}
}

func TestSaveKeepsTheNewest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model [1]", "run*") // no pattern
	beside := filepath.Dir(dir) + "/running"
	save(t, open(t, beside, 1), 95)
	c := open(t, dir, 2)
	equal(t, must(latest(t, dir)), "")
	save(t, c, 0, 90, 100)
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-100", "ckpt-90"})
	equal(t, must(latest(t, dir)), "ckpt-100")
	save(t, open(t, dir, 2), 110) // a resumed run goes on
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-100", "ckpt-110"})
	state, err := os.ReadFile(dir + "/checkpoint")
	equal(t, string(state)+fmt.Sprint(err),
		"model_checkpoint_path: \"ckpt-110\"\nall_model_checkpoint_paths: \"ckpt-100\"\nall_model_checkpoint_paths: \"ckpt-110\"\n<nil>")
	save(t, open(t, dir, 0), 111) // at least one is kept
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-111"})
	equal(t, names(t, beside), []string{"checkpoint", "ckpt-95"})
}

func must(name string, passedOver []string) string {
	return fmt.Sprint(name, strings.Join(passedOver, "; "))
}

// TestMetaFilesAreOneFile: the graph takes the room of one, in a resumed run too.
func TestMetaFilesAreOneFile(t *testing.T) {
	dir := t.TempDir()
	save(t, open(t, dir, 3), 1, 2, 3)
	var infos []os.FileInfo
	for _, name := range []string{"ckpt-1", "ckpt-2", "ckpt-3"} {
		info, err := os.Stat(filepath.Join(dir, name+".meta"))
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	if !os.SameFile(infos[0], infos[1]) || !os.SameFile(infos[0], infos[2]) {
		t.Error("there are several")
	}
	text, err := os.ReadFile(dir + "/ckpt-3.meta")
	equal(t, string(text)+fmt.Sprint(err), "a graph<nil>")
}

// TestSaveOfTheSameStep replaces the checkpoint: under parameter servers other trainers
// may have changed the variables.
func TestSaveOfTheSameStep(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 2)
	save(t, c, 1, 2)
	_, err := c.Save(2, func(prefix string) error {
		return errors.Join(writeOne(prefix), os.WriteFile(prefix+".data-00000-of-00001", []byte("12345678"), 0o600))
	})
	data, readErr := os.ReadFile(dir + "/ckpt-2.data-00000-of-00001")
	equal(t, []any{err, readErr, string(data)}, []any{nil, nil, "12345678"})
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-1", "ckpt-2"})
}

// TestLatestPassesOver checkpoints that are not complete, by number and not by time, and
// takes those of other programs.
func TestLatestPassesOver(t *testing.T) {
	dir := t.TempDir()
	save(t, open(t, dir, 9), 20, 3, 100, 1000)
	err := errors.Join(os.Truncate(dir+"/ckpt-1000.data-00000-of-00001", 7), os.Remove(dir+"/ckpt-100.data-00000-of-00001"),
		os.WriteFile(dir+"/best.index", []byte("no step"), 0o600), os.WriteFile(dir+"/.ckpt-7000.index", nil, 0o600),
		os.WriteFile(dir+"/ckpt-4000.data-00000-of-00001", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	over := "ckpt-1000 is not complete: ckpt-1000.data-00000-of-00001 has 7 bytes of 8; " +
		"ckpt-100 is not complete: ckpt-100.data-00000-of-00001 is missing"
	equal(t, must(latest(t, dir)), "ckpt-20"+over)
	if err := writeOne(dir + "/model.ckpt-0021"); err != nil {
		t.Fatal(err)
	}
	at, found, _, err := Newest(dir)
	equal(t, []any{at, found, err}, []any{Start{dir + "/model.ckpt-0021", 21}, true, nil})
	if err := errors.Join(os.Remove(dir+"/model.ckpt-0021.index"), os.WriteFile(dir+"/ckpt-20.index", []byte("?"), 0o600),
		os.Remove(dir+"/ckpt-3.index")); err != nil {
		t.Fatal(err)
	}
	equal(t, must(latest(t, dir)), over+"; ckpt-20 is not complete: ckpt-20.index: it is damaged")
}

// TestOthersFilesStay: checkpoints without a .meta file, and of other names.
func TestOthersFilesStay(t *testing.T) {
	dir := t.TempDir()
	others := []string{"ckpt-5.index", "ckpt-5.data-00000-of-00001", "ckpt-1.keras", "model.ckpt-7.meta", "ckpt-7.meta.bak",
		"ckpt-01.meta", "ckpt-2.data-notes", "saved_model.pb", ".ckpt-3.saving", "events.out.tfevents.1.h"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, dir, 1)
	save(t, c, 1, 2, 3)
	_, err := c.Save(5, writeOne) // would take the place of another's
	equal(t, []any{exit.CodeOf(err, exit.Internal), errors.Is(err, os.ErrExist)}, []any{exit.Output, true})
	save(t, c, 6)
	for _, name := range others {
		if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != "other" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// TestLeftovers: what a killed process left is deleted by the next Save.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".ckpt-3.saving-1f", ".checkpoint.tmp-15661136537105251410"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(t, open(t, dir, 1), 4)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
	if err != nil || len(entries) != 4 { // checkpoint, and three files
		t.Errorf("%d files, %v", len(entries), err)
	}
}

// TestWriteFails: its error is returned, and nothing is left. A checkpoint that it has
// not written whole gets no name.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 2)
	save(t, c, 1)
	lost := errors.New("a parameter server is lost")
	if _, err := c.Save(2, func(prefix string) error { return errors.Join(writeOne(prefix), lost) }); !errors.Is(err, lost) || exit.CodeOf(err, exit.Failed) != exit.Failed {
		t.Error(err)
	}
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-1"})
	_, err := c.Save(2, func(prefix string) error {
		return errors.Join(writeOne(prefix), os.Truncate(prefix+".data-00000-of-00001", 7))
	})
	if exit.CodeOf(err, exit.Failed) != exit.Output || !strings.Contains(err.Error(), "has 7 bytes of 8") {
		t.Error(err)
	}
	equal(t, names(t, dir), []string{"checkpoint", "ckpt-1"})
}

// killed is a store whose process is killed: no call after the first left does
// anything.
type killed struct {
	store.Store
	left int
}

var errKilled = errors.New("killed")

func (k *killed) kills() bool { k.left--; return k.left < 0 }

func (k *killed) Mkdir(ctx context.Context, path string) error {
	if k.kills() {
		return errKilled
	}
	return k.Store.Mkdir(ctx, path)
}

func (k *killed) Create(ctx context.Context, path string) (store.File, error) {
	if k.kills() {
		return nil, errKilled
	}
	return k.Store.Create(ctx, path)
}

func (k *killed) Link(ctx context.Context, from, to string) error {
	if k.kills() {
		return errKilled
	}
	return k.Store.Link(ctx, from, to)
}

func (k *killed) Publish(ctx context.Context, staging, final string, replace bool) error {
	if k.kills() {
		return errKilled
	}
	return k.Store.Publish(ctx, staging, final, replace)
}

func (k *killed) Remove(ctx context.Context, path string) error {
	if k.kills() {
		return errKilled
	}
	return k.Store.Remove(ctx, path)
}

// full is a store without room for some of its files.
type full struct {
	store.Store
	name string
}

func (f full) Publish(ctx context.Context, staging, final string, replace bool) error {
	if strings.HasSuffix(final, f.name) {
		return &fs.PathError{Op: "rename", Path: final, Err: syscall.EDQUOT}
	}
	return f.Store.Publish(ctx, staging, final, replace)
}

// TestNoRoom: a full file system is said in one line, whoever meets it, and the newest
// checkpoint is the one before.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	save(t, open(t, dir, 2), 10)
	c := open(t, dir, 2)
	c.store = full{c.store, ".index"}
	_, published := c.Save(20, writeOne)
	_, written := open(t, dir, 2).Save(20, func(string) error { return fmt.Errorf("engine: save: %w", syscall.ENOSPC) })
	for _, err := range []error{published, written} {
		if exit.CodeOf(err, exit.Internal) != exit.Output || err.Error() != "train: no room is left for a checkpoint in "+dir+": make room there, or name another model_dir" {
			t.Error(err)
		}
	}
	if name, _ := latest(t, dir); name != "ckpt-10" {
		t.Error(name)
	}
}

// TestKilledAnywhere: wherever a run is killed while it saves, the newest complete
// checkpoint is the new one or the one before, and the file "checkpoint" names a
// complete one. The next save leaves only what it should.
func TestKilledAnywhere(t *testing.T) {
	for _, step := range []int64{30, 20} { // a new one, and the newest once more
		found := map[string]bool{}
		done := false
		for calls := 0; !done && calls < 50; calls++ {
			dir := t.TempDir()
			save(t, open(t, dir, 2), 10, 20)
			c := open(t, dir, 2)
			c.store = &killed{c.store, calls}
			_, err := c.Save(step, writeOne)
			done = err == nil
			name, over := latest(t, dir)
			found[name] = true
			prefix, err := model.FindCheckpoint(dir)
			if problem := model.CheckpointProblem(prefix); err != nil || problem != "" && step == 30 || len(over) > 0 {
				t.Errorf("step %d, killed after %d calls: %s is named, %s; %v, %v", step, calls, prefix, problem, over, err)
			}
			save(t, open(t, dir, 2), 40)
			equal(t, names(t, dir), []string{"checkpoint", must(name, nil), "ckpt-40"})
		}
		equal(t, []bool{done, found["ckpt-20"], found[nameOf(step)], found[""]}, []bool{true, true, true, false})
	}
}
