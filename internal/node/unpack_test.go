package node

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func archiveOf(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "files.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, h := range headers {
		h.Size = int64(len(h.Name))
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(h.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

var shippedFiles = []tar.Header{
	{Typeflag: tar.TypeReg, Name: "config.json", Mode: 0o444, ModTime: time.Unix(1700000000, 0)},
	{Typeflag: tar.TypeReg, Name: "pkg/sub/run.sh", Mode: 0o755, ModTime: time.Unix(1700000001, 0)},
}

// Several members may unpack into one folder at the same time. Each attempt unpacks
// again: a file that a program has changed is replaced by the shipped one.
func TestUnpack(t *testing.T) {
	archive, folder := archiveOf(t, shippedFiles...), t.TempDir()
	unpackAll := func() {
		var members sync.WaitGroup
		for range 4 {
			members.Go(func() {
				if err := unpack(t.Context(), archive, folder); err != nil {
					t.Error(err)
				}
			})
		}
		members.Wait()
	}
	unpackAll()
	if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte("as-long-as."), 0o644); err != nil {
		t.Fatal(err)
	}
	unpackAll()
	for _, h := range shippedFiles {
		path := filepath.Join(folder, h.Name)
		content, err := os.ReadFile(path)
		info, serr := os.Stat(path)
		if err != nil || serr != nil || string(content) != h.Name || !info.ModTime().Equal(h.ModTime) || info.Mode().Perm()&0o111 != os.FileMode(h.Mode)&0o111 {
			t.Errorf("%s: %q, %v, %v", h.Name, content, info, errors.Join(err, serr))
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 {
		t.Errorf("in the folder: %v (%v)", entries, err)
	}
}

// An unchanged file is not replaced, because another member may use it.
func TestUnpackLeavesWhatIsThere(t *testing.T) {
	archive, folder := archiveOf(t, shippedFiles...), t.TempDir()
	if err := unpack(t.Context(), archive, folder); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "pkg/sub/run.sh")
	before, _ := os.Stat(path)
	if err := unpack(t.Context(), archive, folder); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("it was written again")
	}
}

func TestUnpackRefuses(t *testing.T) {
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "../out", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "/tmp/out", Mode: 0o644},
		{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/etc"},
	} {
		folder := t.TempDir()
		if err := unpack(t.Context(), archiveOf(t, h), folder); err == nil {
			t.Errorf("%s was unpacked", h.Name)
		}
		if entries, _ := os.ReadDir(folder); len(entries) > 0 {
			t.Errorf("%s left %v", h.Name, entries)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := unpack(ctx, archiveOf(t, shippedFiles...), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
