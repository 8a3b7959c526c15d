package mirror

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/store"
)

// hdf5 is a file with the superblock of a closed HDF5 file of size bytes.
func hdf5(size int) []byte {
	file := make([]byte, size)
	copy(file, "\x89HDF\r\n\x1a\n")
	binary.LittleEndian.PutUint64(file[40:], uint64(size))
	return file
}

// TestFiles: a file goes up when its format says that it is whole, or when it has not
// changed for a time. Hidden and temporary files stay. Deleted files are deleted.
func TestFiles(t *testing.T) {
	url, m, p := begin(t, 1, nil)
	p.write("backup/latest.weights.h5", hdf5(100))
	p.write("backup/training_metadata.json", []byte(`{"epoch": 3}`))
	p.write("half.weights.h5", hdf5(100)[:80])
	p.write("half.json", []byte(`{"epoch": `))
	p.write("half.keras", []byte("PK"))
	p.write("notes.txt", []byte("just written"))
	p.write("settled.txt", []byte("written an hour ago"))
	p.write(".hidden", []byte("x"))
	p.write("a/.tmp/x", []byte("x"))
	p.old("settled.txt", ".hidden", "a/.tmp/x", "half.weights.h5")
	pass(t, m)
	first := "backup/latest.weights.h5 backup/training_metadata.json settled.txt"
	wantTree(t, url, first)
	if got := m.Status(); got.Stored != "backup/latest.weights.h5" || got.Local != got.Stored || got.Bytes != 100 {
		t.Errorf("status %+v", got)
	}

	if err := m.Finish(t.Context(), false); err != nil { // killed: what may be half a file stays
		t.Fatal(err)
	}
	wantTree(t, url, first)
	if err := os.RemoveAll(m.here("backup")); err != nil {
		t.Fatal(err)
	}
	p.write("half.weights.h5", hdf5(80))
	finish(t, m)
	wantTree(t, url, "half.json half.keras half.weights.h5 notes.txt settled.txt")
}

// TestFileThatNeverSettles: a file that changes all the time goes up all the same.
func TestFileThatNeverSettles(t *testing.T) {
	url, m, p := begin(t, 1, func(c *Config) { c.EventsEvery = 50 * time.Millisecond })
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); {
		p.write("log.txt", []byte(time.Now().String()))
		pass(t, m)
		if _, err := os.Stat(url + "/log.txt"); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("log.txt never went up")
}

// TestEventFiles: an event file goes up whole, as it has grown, and not in every pass.
func TestEventFiles(t *testing.T) {
	url, m, p := begin(t, 1, nil)
	name := "train/events.out.tfevents.1.host.1.v2"
	size := func() int64 {
		info, err := os.Stat(url + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	p.write(name, make([]byte, 10))
	pass(t, m)
	p.write(name, make([]byte, 20))
	pass(t, m)
	if got := size(); got != 10 {
		t.Errorf("%d bytes before it is due", got)
	}
	m.due[name] = time.Now()
	pass(t, m)
	if got := size(); got != 20 {
		t.Errorf("%d bytes when it is due", got)
	}
	p.write(name, make([]byte, 30))
	if err := m.Finish(t.Context(), false); err != nil || size() != 30 {
		t.Errorf("%d bytes at the end, %v", size(), err)
	}
}

// TestFetchChooses: which files come down.
func TestFetchChooses(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	at := &program{t: t, dir: url, keep: 2}
	at.save(1)
	at.save(2)
	at.checkpoint("best", 1)
	at.checkpoint("epochs/e-9", 1)
	at.checkpoint("epochs/e-10", 2)
	at.checkpoint("epochs/e-11", 3)
	at.remove("epochs/e-11" + oneData)
	for i, name := range []string{"w.01.weights.h5", "w.10.weights.h5", "w.02.weights.h5"} {
		at.write(name, hdf5(60+i))
	}
	at.old("w.10.weights.h5")
	at.write("model.keras", []byte("x"))
	at.write("vocabulary.txt", []byte("x"))
	at.write("_METADATA", []byte("x"))
	at.write("train/events.out.tfevents.1", []byte("x"))
	at.write("export/saved_model.pb", []byte("x"))
	at.write("export/variables/variables.index", []byte("x"))
	at.write("export/assets/words.txt", []byte("x"))
	m := fetched(t, store.Local{}, url, nil)
	wantTree(t, m.Dir, "_METADATA best"+oneData+" best.index "+ckpt(2)+" epochs/e-10"+oneData+" epochs/e-10.index "+
		"model.keras vocabulary.txt w.02.weights.h5")
	if resume(t, m.Dir, 2).all[0] != "ckpt-1" {
		t.Error("the state file does not name the older checkpoint")
	}
	pass(t, m)
	finish(t, m)
	if got := m.Status(); got.AllFiles != 0 || got.Deleted != 0 {
		t.Errorf("what came down went up again: %+v", got)
	}
	want := fetched(t, store.Local{}, url, func(c *Config) { c.Want = "ckpt-1" })
	if _, err := os.Stat(want.here("ckpt-1.index")); err != nil {
		t.Error(err)
	}
}

// TestFollow: an evaluator gets each new checkpoint, whole and before the state file names
// it, and loses those that the chief deletes. Its own files go up; the chief's do not.
func TestFollow(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	chief := fetched(t, store.Local{}, url, nil)
	p := resume(t, chief.Dir, 2)
	p.save(1)
	finish(t, chief)
	m := fetched(t, store.Local{}, url, func(c *Config) { c.Mode = Follow })
	wantTree(t, m.Dir, ckpt(1))
	own := &program{t: t, dir: m.Dir}
	own.write("eval/events.out.tfevents.7", []byte("evaluation"))
	own.checkpoint("best/b-1", 1)
	p.save(2)
	p.write("config.json", []byte("{}"))
	finish(t, chief)
	pass(t, m)
	readable(t, m.Dir)
	wantTree(t, m.Dir, "best/b-1"+oneData+" best/b-1.index "+ckpt(1, 2)+" config.json eval/events.out.tfevents.7")
	p.save(3)
	p.save(4)
	finish(t, chief)
	if err := m.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	readable(t, m.Dir)
	wantTree(t, m.Dir, "best/b-1"+oneData+" best/b-1.index "+ckpt(3, 4)+" config.json eval/events.out.tfevents.7")
	own.remove("ckpt-3.index", "config.json")
	finish(t, m)
	wantTree(t, url, "best/b-1"+oneData+" best/b-1.index "+ckpt(3, 4)+" config.json eval/events.out.tfevents.7")
}

// TestEventsMode: of a worker that is no chief only event files go up.
func TestEventsMode(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	(&program{t: t, dir: url, keep: 1}).save(1)
	m := fetched(t, store.Local{}, url, func(c *Config) { c.Mode = Events })
	p := resume(t, m.Dir, 1)
	p.save(2)
	p.write("workertemp_1/events.out.tfevents.1", []byte("thrown away"))
	p.write("logs/events.out.tfevents.1", []byte("x"))
	p.write("model.keras", []byte("x"))
	finish(t, m)
	wantTree(t, url, ckpt(1)+" logs/events.out.tfevents.1")
}

// TestBoard: event files of others come down for a TensorBoard here, and stay theirs.
func TestBoard(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	at := &program{t: t, dir: url}
	at.write("eval/events.out.tfevents.1", []byte("one"))
	m := fetched(t, store.Local{}, url, func(c *Config) { c.Board = true })
	p := &program{t: t, dir: m.Dir}
	p.write("train/events.out.tfevents.2", []byte("mine"))
	pass(t, m)
	at.write("eval/events.out.tfevents.1", []byte("one, two"))
	m.looked = time.Time{}
	pass(t, m)
	if got, err := os.ReadFile(m.here("eval/events.out.tfevents.1")); err != nil || string(got) != "one, two" {
		t.Errorf("%q, %v", got, err)
	}
	p.remove("eval/events.out.tfevents.1")
	finish(t, m)
	wantTree(t, url, "eval/events.out.tfevents.1 train/events.out.tfevents.2")
}

// TestNewEmptiesTheFolder: what an attempt that was killed has left does not count.
func TestNewEmptiesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	(&program{t: t, dir: dir, keep: 1}).save(7)
	m, err := New(Config{Store: store.Local{}, URL: t.TempDir(), Dir: dir, Mode: Write})
	if err == nil {
		err = m.Fetch(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, "")
}

// TestNames: what a file is, by its name.
func TestNames(t *testing.T) {
	for name, want := range map[string]kind{
		"checkpoint": state, "a/checkpoint": state, "ckpt-1.index": index, "ckpt-1.data-00000-of-00002": data,
		"ckpt-1.meta": meta, "x/events.out.tfevents.1.h": events, "a.weights.h5": weights, "m.keras": weights,
		".hidden": ignored, "a/.b/c": ignored, "ckpt-1_temp/part-00000-of-00001.index": ignored,
		"checkpoint.tmp0f3a": ignored, "ckpt-1.data-00000-of-00001.tempstate123": ignored, "index": ordinary, "my_temp/x": ordinary,
	} {
		if got := kindOf(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// BenchmarkScan looks through a folder of 10,000 files, as each pass does.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	for i := range 100 {
		sub := fmt.Sprintf("%s/d%d", dir, i)
		err := os.Mkdir(sub, 0o755)
		for j := range 100 {
			err = errors.Join(err, os.WriteFile(fmt.Sprintf("%s/f%d", sub, j), nil, 0o600))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	m := newMirror(Config{Store: store.Local{}, URL: filepath.Join(b.TempDir(), "store"), Dir: dir})
	for b.Loop() {
		if files, err := m.scan(allFolders); err != nil || len(files) != 10_000 {
			b.Fatal(len(files), err)
		}
	}
}

// TestErrorNamesTheURL: an error says which file at the store, once.
func TestErrorNamesTheURL(t *testing.T) {
	url := filepath.Join(t.TempDir(), "store")
	m := fetched(t, store.Local{}, url, nil)
	m.Store = &faulty{Store: store.Local{}}
	(&program{t: t, dir: m.Dir}).write("a.json", []byte("{}"))
	err := m.Finish(t.Context(), true)
	if err == nil || !strings.Contains(err.Error(), url+"/a.json") || m.Status().Error == nil {
		t.Errorf("error %v", err)
	}
}
