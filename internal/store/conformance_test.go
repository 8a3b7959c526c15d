package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// conformance tests what every Store must do. root is an existing empty folder of the
// store, without a trailing slash.
func conformance(t *testing.T, s Store, root func(t *testing.T) string) {
	tests := map[string]func(t *testing.T, s Store, root string){
		"write and read":        testWriteRead,
		"read a range":          testReadRange,
		"read at places":        testHandle,
		"append":                testAppend,
		"abort leaves nothing":  testAbort,
		"list":                  testList,
		"list what is not":      testListMissing,
		"stat, mkdir, remove":   testStat,
		"stat is as listed":     testStatIsListed,
		"publish a folder":      testPublish,
		"publish onto existing": testPublishExisting,
		"publish a file":        testPublishFile,
		"publish nothing":       testPublishMissing,
		"link":                  testLink,
		"assemble":              testAssemble,
		"lock":                  testLock,
		"cancelled":             testCancelled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, s, root(t)) })
	}
}

// testStatIsListed: callers compare what Stat and Match say of a file by ==.
func testStatIsListed(t *testing.T, s Store, root string) {
	write(t, s, root+"/a", "text")
	stat, err := s.Stat(t.Context(), root+"/a")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := s.Match(t.Context(), Literal(root)+"/*")
	if err != nil || len(listed) != 1 || listed[0] != stat {
		t.Errorf("listed %+v, %v; stat %+v", listed, err, stat)
	}
}

func write(t *testing.T, s Store, path, content string) {
	t.Helper()
	if err := s.Mkdir(t.Context(), path[:strings.LastIndex(path, "/")]); err != nil {
		t.Fatal(err)
	}
	file, err := s.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, content); err != nil {
		t.Fatal(err)
	}
	if err := file.Commit(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s Store, path string) string {
	t.Helper()
	file, err := s.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return drain(t, file)
}

func drain(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func listed(t *testing.T, s Store, root, pattern string) string {
	t.Helper()
	found, err := s.List(t.Context(), root+pattern)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, info := range found {
		if info.Dir {
			t.Errorf("List returned the folder %s", info.Path)
		}
		names = append(names, strings.TrimPrefix(info.Path, root))
	}
	return strings.Join(names, " ")
}

func testWriteRead(t *testing.T, s Store, root string) {
	file, err := s.Create(t.Context(), root+"/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), root+"/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit the file can be seen: %v", err)
	}
	if err := file.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := file.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	write(t, s, root+"/a", "two")
	if got := content(t, s, root+"/a"); got != "two" {
		t.Errorf("read %q, want the second content", got)
	}
	if _, err := s.Open(t.Context(), root+"/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of an absent file: %v", err)
	}
}

func testReadRange(t *testing.T, s Store, root string) {
	write(t, s, root+"/a", "0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, 3, "012"}, {4, 2, "45"}, {8, 100, "89"}, {10, 1, ""}, {7, -1, "789"}, {3, 0, ""}} {
		r, err := s.ReadRange(t.Context(), root+"/a", c.offset, c.length)
		if err != nil {
			t.Fatal(err)
		}
		if got := drain(t, r); got != c.want {
			t.Errorf("range %d+%d: %q, want %q", c.offset, c.length, got, c.want)
		}
	}
	if _, err := s.ReadRange(t.Context(), root+"/a", -1, 1); err == nil {
		t.Error("a negative offset was accepted")
	}
}

func testHandle(t *testing.T, s Store, root string) {
	write(t, s, root+"/a", "0123456789")
	h, err := s.OpenAt(t.Context(), root+"/a")
	if err != nil {
		t.Fatal(err)
	}
	if h.Size() != 10 {
		t.Errorf("size %d, want 10", h.Size())
	}
	for _, c := range []struct {
		offset int64
		length int
		want   string
		err    error
	}{{4, 3, "456", nil}, {0, 10, "0123456789", nil}, {8, 5, "89", io.EOF}, {10, 1, "", io.EOF}, {2, 0, "", nil}} {
		p := make([]byte, c.length)
		n, err := h.ReadAt(t.Context(), p, c.offset)
		if string(p[:n]) != c.want || err != c.err {
			t.Errorf("%d bytes at %d: %q, %v, want %q, %v", c.length, c.offset, p[:n], err, c.want, c.err)
		}
	}
	if _, err := h.ReadAt(t.Context(), make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("a negative offset: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.ReadAt(ctx, make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled read: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.OpenAt(t.Context(), root+"/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := s.OpenAt(t.Context(), root); err == nil {
		t.Error("a folder was opened")
	}
}

func testAbort(t *testing.T, s Store, root string) {
	write(t, s, root+"/a", "kept")
	file, err := s.Create(t.Context(), root+"/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, "lost"); err != nil {
		t.Fatal(err)
	}
	if err := file.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := file.Commit(); err == nil {
		t.Error("Commit after Abort succeeded")
	}
	if got := content(t, s, root+"/a"); got != "kept" {
		t.Errorf("content after Abort: %q", got)
	}
}

// sampleTree has every kind of name that patterns and readers treat differently.
var sampleTree = []string{
	"/b.x", "/a.x", "/c/d.x", "/c/_meta", "/_SUCCESS", "/.crc", "/_tmp/e.x", "/f[1].x", "/f1.x", "/{z}.x", "/p%20 q.x",
	"/c/.ipynb_checkpoints/g.x", "/c/e/h.x", "/c/e/_quarantine/i.x", "/half.x._COPYING_", "/_col=1/j.x", "/g[2]/k.x", "/g2/l.x",
}

func testList(t *testing.T, s Store, root string) {
	for _, name := range sampleTree {
		write(t, s, root+name, name)
	}
	const all = "/_col=1/j.x /a.x /b.x /c/d.x /c/e/h.x /f1.x /f[1].x /g2/l.x /g[2]/k.x /p%20 q.x /{z}.x"
	for pattern, want := range map[string]string{
		"":                   all,
		"/":                  all,
		"/c":                 "/c/d.x /c/e/h.x",
		"/a.x":               "/a.x",
		"/*":                 all,
		"/**":                all,
		"/**/*.x":            all,
		"/**/h.x":            "/c/e/h.x",
		"/c/**":              "/c/d.x /c/e/h.x",
		"/**/e":              "/c/e/h.x",
		"/**/e/**/*":         "/c/e/h.x",
		"/*.x":               "/a.x /b.x /f1.x /f[1].x /p%20 q.x /{z}.x",
		"/*/*":               "/_col=1/j.x /c/d.x /c/e/h.x /g2/l.x /g[2]/k.x",
		"/*/*.x":             "/_col=1/j.x /c/d.x /g2/l.x /g[2]/k.x",
		"/*/*/*.x":           "/c/e/h.x",
		"/[ab].*":            "/a.x /b.x",
		"/[^a].x":            "/b.x",
		"/[!a].x":            "/b.x",
		"/[a-b].x":           "/a.x /b.x",
		"/?":                 "/c/d.x /c/e/h.x",
		"/{a,b}.x":           "/a.x /b.x",
		"/{a,c/d}.x":         "/a.x /c/d.x",
		"/{a,{b,nothing}}.x": "/a.x /b.x",
		"/{c,c/e}":           "/c/d.x /c/e/h.x", // once
		"/c/{e,.}/*.x":       "/c/./d.x /c/e/h.x",
		"/f[1].x":            "/f[1].x", // exists: literal
		`/f\[1\].x`:          "/f[1].x",
		"/f[12].x":           "/f1.x",
		"/{z}.x":             "/{z}.x",
		"/g[2]/*.x":          "/g[2]/k.x",
		"/[a-f][12].x":       "/f1.x",
		"/p%20 q.x":          "/p%20 q.x",
		"/p*":                "/p%20 q.x",
		"/_tmp":              "/_tmp/e.x",
		"/_tmp/*.x":          "/_tmp/e.x",
		"/_*/e.x":            "/_tmp/e.x",
		"/{_tmp,c}/*.x":      "/_tmp/e.x /c/d.x",
		"/c/.ipynb*":         "/c/.ipynb_checkpoints/g.x",
		"/**/_quarantine/*":  "/c/e/_quarantine/i.x",
		"/?tmp/*":            "",
		"/[_]tmp/*":          "",
		"/nothing*":          "",
		"/{no,none}.x":       "",
		"/a.x/*":             "",
	} {
		if got := listed(t, s, root, pattern); got != want {
			t.Errorf("List(%q) = %q, want %q", pattern, got, want)
		}
	}
	found, err := s.List(t.Context(), root+"/c/d*")
	if err != nil || len(found) != 1 || found[0].Size != int64(len("/c/d.x")) {
		t.Errorf("sizes: %v %v", found, err)
	}
	for _, pattern := range []string{"/[a", "/{a,b", "/{a,[}.x", "/[]x"} {
		if _, err := s.List(t.Context(), root+pattern); !errors.Is(err, errPattern) {
			t.Errorf("List(%q): %v, want that it is no pattern", pattern, err)
		}
	}
}

func testListMissing(t *testing.T, s Store, root string) {
	if _, err := s.List(t.Context(), root+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent path: %v", err)
	}
	if err := s.Mkdir(t.Context(), root+"/empty"); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, root, "/empty"); got != "" {
		t.Errorf("empty folder: %q", got)
	}
}

func testStat(t *testing.T, s Store, root string) {
	write(t, s, root+"/d/e/f", "12345")
	if info, err := s.Stat(t.Context(), root+"/d/e/f"); err != nil || info.Size != 5 || info.Dir || info.Modified.IsZero() {
		t.Errorf("file: %+v %v", info, err)
	}
	if info, err := s.Stat(t.Context(), root+"/d"); err != nil || !info.Dir || info.Size != 0 {
		t.Errorf("folder: %+v %v", info, err)
	}
	for range 2 { // the second finds nothing, which is no error
		if err := s.Remove(t.Context(), root+"/d"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Stat(t.Context(), root+"/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func testPublish(t *testing.T, s Store, root string) {
	write(t, s, root+"/stage/x/1", "one")
	write(t, s, root+"/stage/_SUCCESS", "")
	if err := s.Publish(t.Context(), root+"/stage", root+"/new/final", false); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, root+"/new/final/x/1"); got != "one" {
		t.Errorf("published %q", got)
	}
	if _, err := s.Stat(t.Context(), root+"/stage"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("staging after Publish: %v", err)
	}
}

func testPublishExisting(t *testing.T, s Store, root string) {
	write(t, s, root+"/final/old", "old")
	write(t, s, root+"/stage/new", "new")
	if err := s.Publish(t.Context(), root+"/stage", root+"/final", false); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("existing final: %v", err)
	}
	if got := content(t, s, root+"/final/old") + content(t, s, root+"/stage/new"); got != "oldnew" {
		t.Errorf("a refused Publish changed something: %q", got)
	}
	if err := s.Publish(t.Context(), root+"/stage", root+"/final", true); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, root, ""); got != "/final/new" {
		t.Errorf("after replacing: %q", got)
	}
	if err := s.Mkdir(t.Context(), root+"/void"); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), root+"/final", root+"/void", false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an empty folder did not count as existing: %v", err)
	}
}

func testPublishFile(t *testing.T, s Store, root string) {
	write(t, s, root+"/stage", "new")
	write(t, s, root+"/final", "old")
	if err := s.Publish(t.Context(), root+"/stage", root+"/final", false); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("existing file: %v", err)
	}
	if err := s.Publish(t.Context(), root+"/stage", root+"/final", true); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, root+"/final"); got != "new" {
		t.Errorf("published %q", got)
	}
}

func testPublishMissing(t *testing.T, s Store, root string) {
	write(t, s, root+"/final/old", "old")
	if err := s.Publish(t.Context(), root+"/stage", root+"/final", true); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("absent staging: %v", err)
	}
	if got := listed(t, s, root, ""); got != "/final/old" {
		t.Errorf("after a failed Publish: %q", got)
	}
}

func testAssemble(t *testing.T, s Store, root string) {
	write(t, s, root+"/a/x", "0123456789")
	write(t, s, root+"/a/y", "abcdef")
	write(t, s, root+"/b/there", "old")
	pieces := []Piece{{root + "/a/x", 8, 2}, {root + "/a/y", 1, -1}, {root + "/a/x", 3, 0}, {root + "/a/x", 1, 2}}
	for _, name := range []string{"/b/new", "/b/there"} {
		if err := s.Assemble(t.Context(), pieces, root+name); err != nil {
			t.Fatal(err)
		}
		if got := content(t, s, root+name); got != "89bcdef12" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := s.Assemble(t.Context(), nil, root+"/b/empty"); err != nil || content(t, s, root+"/b/empty") != "" {
		t.Errorf("of no pieces: %v", err)
	}
	if err := s.Assemble(t.Context(), []Piece{{root + "/a/x", 8, 3}}, root+"/b/short"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("beyond the end of a file: %v", err)
	}
	if err := s.Assemble(t.Context(), []Piece{{root + "/a/none", 0, -1}}, root+"/b/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an absent file: %v", err)
	}
	if got := listed(t, s, root+"/b", ""); got != "/empty /new /there" {
		t.Errorf("left %q", got)
	}
}

func testLink(t *testing.T, s Store, root string) {
	write(t, s, root+"/a/x", "one")
	write(t, s, root+"/b/y", "two")
	if err := s.Link(t.Context(), root+"/a/x", root+"/b/x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Link(t.Context(), root+"/a/x", root+"/b/y"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto an existing file: %v", err)
	}
	if err := s.Link(t.Context(), root+"/a/none", root+"/b/z"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an absent file: %v", err)
	}
	write(t, s, root+"/a/x", "three") // a new file of that name
	if err := s.Remove(t.Context(), root+"/a"); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, root, "") + content(t, s, root+"/b/x") + content(t, s, root+"/b/y"); got != "/b/x /b/yonetwo" {
		t.Errorf("after its other name was removed: %q", got)
	}
}

func testAppend(t *testing.T, s Store, root string) {
	if err := s.Append(t.Context(), root+"/none/log", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in an absent folder: %v", err)
	}
	for _, data := range []string{"one\n", "", "two\n"} {
		if err := s.Append(t.Context(), root+"/log", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, s, root+"/log"); got != "one\ntwo\n" {
		t.Errorf("the file has %q", got)
	}
}

func testLock(t *testing.T, s Store, root string) {
	if _, err := s.Lock(t.Context(), root+"/none/lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in an absent folder: %v", err)
	}
	lock := func() Lock {
		held, err := s.Lock(t.Context(), root+"/lock")
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	first := lock()
	if _, err := s.Lock(t.Context(), root+"/lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("a second holder: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := lock()
	if err := second.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), root+"/lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove there is a file: %v", err)
	}
	third := lock()
	if err := errors.Join(s.Remove(t.Context(), root+"/lock"), third.Close()); err != nil {
		t.Fatal(err)
	}
	if err := lock().Close(); err != nil {
		t.Errorf("after its holder removed it: %v", err)
	}
}

func testCancelled(t *testing.T, s Store, root string) {
	write(t, s, root+"/a/x", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, openErr := s.Open(ctx, root+"/a/x")
	_, rangeErr := s.ReadRange(ctx, root+"/a/x", 0, 1)
	_, atErr := s.OpenAt(ctx, root+"/a/x")
	_, createErr := s.Create(ctx, root+"/b")
	_, listErr := s.List(ctx, root)
	_, statErr := s.Stat(ctx, root)
	_, lockErr := s.Lock(ctx, root+"/e")
	errs := []error{openErr, rangeErr, atErr, createErr, listErr, statErr, lockErr, s.Mkdir(ctx, root+"/c"), s.Append(ctx, root+"/a/x", []byte("y")),
		s.Link(ctx, root+"/a/x", root+"/f"), s.Assemble(ctx, nil, root+"/f"), s.Remove(ctx, root+"/a"), s.Publish(ctx, root+"/a", root+"/d", false)}
	if i := slices.IndexFunc(errs, func(err error) bool { return !errors.Is(err, context.Canceled) }); i >= 0 {
		t.Errorf("call %d went on: %v", i, errs[i])
	}
	if got := listed(t, s, root, ""); got != "/a/x" || content(t, s, root+"/a/x") != "x" {
		t.Errorf("a cancelled call had an effect: %q", got)
	}
}
