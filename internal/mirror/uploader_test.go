package mirror

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/store"
)

// served returns an UploadProcess whose other end is in this process.
func served(t *testing.T) *UploadProcess {
	t.Helper()
	here, there, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- ServeUploads(t.Context(), there) }()
	p, err := NewUploadProcess(here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestUploaders: what holds of an Uploader, in this process and over a socket.
func TestUploaders(t *testing.T) {
	for name, uploader := range map[string]func() Uploader{
		"direct":  func() Uploader { return Direct{store.Local{}} },
		"process": func() Uploader { return served(t) },
	} {
		t.Run(name, func(t *testing.T) {
			folder, text := t.TempDir(), strings.Repeat("checkpoint ", 1<<18)
			local, u := filepath.Join(t.TempDir(), "local"), uploader()
			if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(local)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if err := os.Remove(local); err != nil { // the program deletes what it no longer keeps
				t.Fatal(err)
			}
			size, moved := int64(len(text)), 0
			upload := func(ctx context.Context, name string, size int64, see func(int)) (Staged, error) {
				return u.Upload(ctx, filepath.Join(folder, name), file, size, see)
			}
			empty := func(when string) {
				t.Helper()
				if names := tree(t, folder); names != "" {
					t.Errorf("%s: the store has %s", when, names)
				}
			}

			staged, err := upload(t.Context(), "a", size, func(n int) { moved += n })
			if err != nil || moved != len(text) {
				t.Fatalf("%d bytes moved, %v", moved, err)
			}
			if _, err := os.Stat(filepath.Join(folder, "a")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it has a name before its commit: %v", err)
			}
			if err := staged.Abort(); err != nil {
				t.Error(err)
			}
			empty("after Abort")

			if _, err := upload(t.Context(), "a", size+1, func(int) {}); !errors.Is(err, ErrShort) {
				t.Errorf("a file that became shorter: %v", err)
			}
			empty("after ErrShort")

			zeros, err := os.Open("/dev/zero")
			if err != nil {
				t.Fatal(err)
			}
			defer zeros.Close()
			const long = 256 << 20
			ctx, cancel := context.WithCancel(t.Context())
			moved = 0
			if _, err := u.Upload(ctx, filepath.Join(folder, "a"), zeros, long, func(n int) { moved += n; cancel() }); !errors.Is(err, context.Canceled) || moved == long {
				t.Errorf("cancelled in its middle: after %d bytes, %v", moved, err)
			}
			empty("after the end of the context")
			ctx, cancel = context.WithCancel(t.Context()) // the process may have ended it before it hears
			if _, err := upload(ctx, "a", size, func(int) { cancel() }); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled at its beginning: %v", err)
			}
			empty("after an early end of the context")

			ctx, cancel = context.WithCancel(t.Context())
			staged, err = upload(ctx, "a", size, func(int) {})
			cancel()
			if err = errors.Join(err, staged.Abort()); err != nil {
				t.Errorf("Abort after the end of the context: %v", err)
			}
			empty("after a late Abort")

			if _, err := upload(t.Context(), "no/folder/a", size, func(int) {}); err == nil || !strings.Contains(err.Error(), "no/folder") {
				t.Errorf("the store refuses it: %v", err)
			}

			staged, err = upload(t.Context(), "a", size, func(int) {})
			if err == nil {
				err = staged.Commit()
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(folder, "a")); err != nil || string(got) != text {
				t.Errorf("%d bytes at the store, %v", len(got), err)
			}
		})
	}
}

// TestFinishUploadsItself: while the program runs the Uploader copies its checkpoints, and
// Finish needs none.
func TestFinishUploadsItself(t *testing.T) {
	u := served(t)
	url, m, p := begin(t, 3, func(c *Config) { c.Uploader = u })
	p.save(1)
	pass(t, m)
	wantTree(t, url, ckpt(1))
	u.Close()
	p.save(2)
	if err := m.pass(t.Context()); !errors.Is(err, errNoProcess) {
		t.Fatalf("a pass without its process: %v", err)
	}
	readable(t, url)
	finish(t, m)
	wantTree(t, url, ckpt(1, 2))
	readable(t, url)
}
