package launch

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tfos/internal/exit"
)

func TestArchive(t *testing.T) {
	from := t.TempDir()
	script := filepath.Join(from, "run.sh")
	when := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(script, when, when.Add(300*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(from, "link.sh")
	if err := os.Symlink(script, link); err != nil {
		t.Fatal(err)
	}
	scratch := Scratch{Dir: t.TempDir()}
	files := []Packed{{link, "bin/link.sh"}, {script, "run.sh"}}
	for _, name := range []string{"one.tar", "two.tar"} {
		if err := scratch.WriteArchive(name, files); err != nil {
			t.Fatal(err)
		}
	}
	one, err := os.ReadFile(scratch.Path("one.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if two, err := os.ReadFile(scratch.Path("two.tar")); err != nil || !bytes.Equal(one, two) {
		t.Errorf("two archives of the same files differ (%v)", err)
	}
	r := tar.NewReader(bytes.NewReader(one))
	for _, want := range []string{"bin/link.sh", "run.sh"} {
		header, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		if header.Name != want || header.Typeflag != tar.TypeReg || header.Mode != 0o755 || !header.ModTime.Equal(when) || string(content) != "#!/bin/sh\n" {
			t.Errorf("%+v with %q, want %s", header, content, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last file: %v", err)
	}
	if err := scratch.WriteArchive("three.tar", []Packed{{filepath.Join(from, "none"), "none"}}); CodeOf(err) != exit.Internal {
		t.Errorf("a file that is gone: %v", err)
	}
}
