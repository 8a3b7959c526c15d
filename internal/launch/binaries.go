package launch

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Binaries are the unpacked binaries of earlier runs of this user: a folder of files that
// have the digest of their packed form as name. A run links to them. To unpack both
// binaries takes 0.3 s of CPU time.
type Binaries struct{ Dir string }

// binaryAge is the time after which a binary that no run has used is deleted. Runs that
// have it keep it by their links.
const binaryAge = 7 * 24 * time.Hour

// BinariesIn returns the binaries of a state folder.
func BinariesIn(state string) Binaries { return Binaries{filepath.Join(state, "bin")} }

// Put puts a binary, executable, into the scratch folder. digest is that of its packed
// form, and packed unpacks it. The binary is kept if the folder of binaries is on the
// file system of the scratch folder. If it cannot be kept, the next run unpacks it again.
func (b Binaries) Put(s Scratch, name, digest string, packed io.Reader) error {
	kept, to := filepath.Join(b.Dir, digest), s.Path(name)
	if os.Link(kept, to) == nil {
		if trusted(to) {
			now := time.Now()
			_ = os.Chtimes(kept, now, now)
			return nil
		}
		if err := os.Remove(to); err != nil {
			return err
		}
	}
	if err := s.Write(name, 0o755, packed); err != nil {
		return err
	}
	b.keep(to, kept)
	return nil
}

// trusted reports whether a file is this user's, and nobody else may write it: the state
// folder may be one that several users share. A symbolic link is not trusted: its mode is
// 0777.
func trusted(path string) bool {
	var info unix.Stat_t
	err := unix.Lstat(path, &info)
	return err == nil && info.Uid == uint32(os.Getuid()) && info.Mode&0o022 == 0
}

// keep links an unpacked binary into the folder, where its bytes are durable before it has
// a name. It deletes binaries that no run has used for long.
func (b Binaries) keep(unpacked, kept string) {
	if os.MkdirAll(b.Dir, 0o700) != nil || !sameDevice(unpacked, b.Dir) || !trusted(unpacked) {
		return
	}
	file, err := os.Open(unpacked)
	if err != nil {
		return
	}
	defer file.Close()
	if file.Sync() != nil {
		return
	}
	_ = os.Remove(kept) // not trusted
	if os.Link(unpacked, kept) != nil {
		return
	}
	entries, _ := os.ReadDir(b.Dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > binaryAge {
			_ = os.Remove(filepath.Join(b.Dir, e.Name()))
		}
	}
}

func sameDevice(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
