package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// throughResets returns a store of the same file system whose connections are reset: those
// to the name node, or those to data nodes.
func throughResets(t *testing.T, root string, nameNode bool, after int64, count int64) (HDFS, *resets) {
	t.Helper()
	s, err := openHDFS(root, Settings{"dfs.blocksize": "1m"})
	if err != nil {
		t.Fatal(err)
	}
	h := s.(HDFS)
	r := &resets{to: func(address string) bool { return (address == h.nameNodes[0]) == nameNode }, after: after}
	r.left.Store(count)
	h.dial = r.dial
	return h, r
}

// randomBytes are bytes that show where they come from.
func randomBytes(n int) []byte {
	data := make([]byte, n)
	generator := rand.NewChaCha8([32]byte{1})
	_, _ = generator.Read(data)
	return data
}

// writeIn writes a file in pieces of different sizes.
func writeIn(s Store, path string, data []byte) error {
	file, err := s.Create(context.Background(), path)
	if err != nil {
		return err
	}
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 1+len(rest)/3+rand.IntN(100_000))
		if _, err := file.Write(rest[:n]); err != nil {
			return errors.Join(err, file.Abort())
		}
		rest = rest[n:]
	}
	return file.Commit()
}

// namesIn lists a folder, hidden names too.
func namesIn(t *testing.T, s HDFS, folder string) string {
	t.Helper()
	infos, err := s.readDir(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name())
	}
	return strings.Join(names, " ")
}

// TestHDFSResetWhileWriting: a file whose connections to data nodes are reset, in the
// first block and later, has all bytes, and nothing is left beside it.
func TestHDFSResetWhileWriting(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	data := randomBytes(3<<20 + 12345)
	for name, c := range map[string]struct{ skip, after int64 }{
		"at once": {0, 10}, "in a block": {0, 700_000}, "at the end of a block": {0, 1 << 20}, "in the third block": {2, 500_000},
	} {
		folder := newFolder(direct, root)(t)
		s, r := throughResets(t, root, false, c.after, 2)
		r.skip.Store(c.skip)
		if err := writeIn(s, folder+"/a", data); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.done.Load() != 2 {
			t.Errorf("%s: %d resets", name, r.done.Load())
		}
		if got := content(t, direct, folder+"/a"); got != string(data) {
			t.Errorf("%s: %d bytes, which differ", name, len(got))
		}
		if got := namesIn(t, direct, folder); got != "a" {
			t.Errorf("%s: left %q", name, got)
		}
	}
}

// TestHDFSWriteFails: without data nodes a write fails within the policy's time, names the
// file, and leaves nothing.
func TestHDFSWriteFails(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	folder := newFolder(direct, root)(t)
	write(t, direct, folder+"/a", "old")
	s, _ := throughResets(t, root, false, 1000, 1<<40)
	s.retry.total = 3 * time.Second
	begin := time.Now()
	err := writeIn(s, folder+"/a", randomBytes(1<<20))
	if err == nil || !strings.Contains(err.Error(), "store: write "+folder+"/a") {
		t.Errorf("the error is %v", err)
	}
	if spent := time.Since(begin); spent > 20*time.Second {
		t.Errorf("it took %s", spent)
	}
	if got := content(t, direct, folder+"/a") + " " + namesIn(t, direct, folder); got != "old a" {
		t.Errorf("left %q", got)
	}
}

// TestHDFSResetWhileReading: reads go on where a connection was reset.
func TestHDFSResetWhileReading(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	folder := newFolder(direct, root)(t)
	data := randomBytes(3<<20 + 12345)
	small, _ := throughResets(t, root, false, 0, 0)
	if err := writeIn(small, folder+"/a", data); err != nil { // of several blocks
		t.Fatal(err)
	}
	s, r := throughResets(t, root, false, 300_000, 4)
	if got := content(t, s, folder+"/a"); got != string(data) || r.done.Load() == 0 {
		t.Errorf("read %d bytes, through %d resets", len(got), r.done.Load())
	}
	s, r = throughResets(t, root, false, 300_000, 6)
	h, err := s.OpenAt(t.Context(), folder+"/a")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			offset := i * len(data) / 8
			p := make([]byte, len(data)/8)
			if n, err := h.ReadAt(t.Context(), p, int64(offset)); err != nil || !bytes.Equal(p, data[offset:offset+len(p)]) {
				t.Errorf("read %d of %d bytes at %d, %v", n, len(p), offset, err)
			}
		})
	}
	group.Wait()
	if r.done.Load() == 0 {
		t.Error("no connection was reset")
	}
}

// TestHDFSNameNodeResets: each kind of call is repeated after the name node's connection
// was reset, and has its effect once.
func TestHDFSNameNodeResets(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	for _, after := range []int64{200, 1500} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			t.Parallel()
			folder := newFolder(direct, root)(t)
			s, r := throughResets(t, root, true, after, 3)
			data := randomBytes(1<<20 + 100)
			if err := writeIn(s, folder+"/stage/a", data); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("in no folder: %v", err)
			}
			err := s.Mkdir(t.Context(), folder+"/stage")
			for _, next := range []func() error{
				func() error { return writeIn(s, folder+"/stage/a", data) },
				func() error { return s.Append(t.Context(), folder+"/stage/log", []byte("x")) },
				func() error { return s.Publish(t.Context(), folder+"/stage", folder+"/final", false) },
				func() error { return s.Link(t.Context(), folder+"/final/a", folder+"/final/b") },
				func() error { return s.Remove(t.Context(), folder+"/final/a") },
			} {
				if err == nil {
					err = next()
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.done.Load() == 0 {
				t.Error("no connection was reset")
			}
			if got := content(t, direct, folder+"/final/b"); got != string(data) {
				t.Errorf("%d bytes, which differ", len(got))
			}
			if got := namesIn(t, direct, folder) + " " + namesIn(t, direct, folder+"/final"); got != "final b log" {
				t.Errorf("left %q", got)
			}
		})
	}
}

// TestHDFSLostAnswers: the name node did what it was asked to, and its answer was lost.
func TestHDFSLostAnswers(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	for _, method := range []string{"create", "addBlock", "complete", "rename2", "delete", "mkdirs"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			folder := newFolder(direct, root)(t)
			s, r := throughResets(t, root, true, 1<<40, 1)
			r.unanswered = method
			data := randomBytes(1<<20 + 100)
			err := s.Mkdir(t.Context(), folder+"/stage")
			for _, next := range []func() error{
				func() error { return writeIn(s, folder+"/stage/a", data) },
				func() error { return s.Publish(t.Context(), folder+"/stage", folder+"/final", false) },
				func() error { return s.Link(t.Context(), folder+"/final/a", folder+"/final/b") },
				func() error { return s.Remove(t.Context(), folder+"/final/a") },
			} {
				if err == nil {
					err = next()
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.done.Load() != 1 {
				t.Errorf("%d answers were lost", r.done.Load())
			}
			if got := content(t, direct, folder+"/final/b"); got != string(data) {
				t.Errorf("%d bytes, which differ", len(got))
			}
			if got := namesIn(t, direct, folder) + " " + namesIn(t, direct, folder+"/final"); got != "final b" {
				t.Errorf("left %q", got)
			}
		})
	}
}

// TestHDFSReplacedFile: an open file never returns bytes of the one that replaced it.
func TestHDFSReplacedFile(t *testing.T) {
	t.Parallel()
	s, root := realHDFS(t)
	folder := newFolder(s, root)(t)
	write(t, s, folder+"/a", strings.Repeat("old", 1000))
	h, err := s.OpenAt(t.Context(), folder+"/a")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	write(t, s, folder+"/a", strings.Repeat("new", 1000))
	first := h.(*hdfsHandle).take(0) // the next read opens the file again
	defer first.Close()
	p := make([]byte, 6)
	if n, err := h.ReadAt(t.Context(), p, 0); err == nil || n > 0 || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("read %q, %v", p[:n], err)
	}
}

// TestHDFSAppendGrows appends in pieces that cross chunks of checksums and blocks.
func TestHDFSAppendGrows(t *testing.T) {
	t.Parallel()
	direct, root := realHDFS(t)
	folder := newFolder(direct, root)(t)
	opened, err := openHDFS(root, Settings{"dfs.blocksize": "4096"})
	if err != nil {
		t.Fatal(err)
	}
	data := randomBytes(20_000)
	for rest, n := data, 1; len(rest) > 0; n = (n*3 + 7) % 4999 {
		n = min(n, len(rest))
		if err := opened.Append(t.Context(), folder+"/log", rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if got := content(t, direct, folder+"/log"); got != string(data) {
		t.Errorf("%d bytes, which differ", len(got))
	}
}

// TestHDFSInterruptedPublish: the next run finds the old output, or replaces it.
func TestHDFSInterruptedPublish(t *testing.T) {
	t.Parallel()
	s, root := realHDFS(t)
	folder := newFolder(s, root)(t)
	final := folder + "/final"
	write(t, s, asideName(final)+"/old", "old") // killed between the renames
	write(t, s, folder+"/stage/new", "new")
	if err := s.Publish(t.Context(), folder+"/stage", final, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the old output does not count: %v", err)
	}
	if got := content(t, s, final+"/old"); got != "old" {
		t.Errorf("the old output has %q", got)
	}
	write(t, s, asideName(final)+"/older", "older") // killed before the old one was deleted
	if err := s.Publish(t.Context(), folder+"/stage", final, true); err != nil {
		t.Fatal(err)
	}
	if got := namesIn(t, s, folder) + " " + namesIn(t, s, final); got != "final new" {
		t.Errorf("left %q", got)
	}
	if err := s.Publish(t.Context(), final+"/new", final, true); err == nil {
		t.Error("a folder was replaced by what is in it")
	}
}

// TestHDFSOwner: files of ForOwner are for their owner; others have what the umask leaves.
func TestHDFSOwner(t *testing.T) {
	t.Parallel()
	s, root := realHDFS(t)
	folder := newFolder(s, root)(t)
	owner := s.forOwner()
	write(t, owner, folder+"/o/a", "x")
	write(t, s, folder+"/p/a", "x")
	wide, err := openHDFS(root, Settings{"fs.permissions.umask-mode": "002"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, wide, folder+"/q/a", "x")
	for path, want := range map[string]fs.FileMode{"/o": 0o700, "/o/a": 0o600, "/p": 0o755, "/p/a": 0o644, "/q": 0o775, "/q/a": 0o664} {
		info, err := s.stat(t.Context(), folder+path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// TestHDFSPermission: what a user may not do is said at once.
func TestHDFSPermission(t *testing.T) {
	t.Parallel()
	s, root := realHDFS(t)
	folder := newFolder(s, root)(t)
	write(t, s.forOwner(), folder+"/o/a", "x")
	opened, err := openHDFS(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := opened.(HDFS)
	other.env = func(name string) string { return map[string]string{"HADOOP_USER_NAME": "somebody"}[name] }
	begin := time.Now()
	_, readErr := other.Open(t.Context(), folder+"/o/a")
	_, createErr := other.Create(t.Context(), folder+"/b")
	_, lockErr := other.Lock(t.Context(), folder+"/lock")
	for i, err := range []error{readErr, createErr, lockErr, other.Remove(t.Context(), folder+"/o"),
		other.Mkdir(t.Context(), folder+"/c"), other.Publish(t.Context(), folder+"/o", folder+"/d", false)} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), folder) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if time.Since(begin) > 20*time.Second {
		t.Errorf("it took %s", time.Since(begin))
	}
}
