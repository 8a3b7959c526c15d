package descriptors

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// pair returns the ends of a socket of a type of socket(2).
func pair(t *testing.T, kind int) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		conn, err := net.FileConn(file)
		if err = errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		ends[i] = conn.(*net.UnixConn)
	}
	return ends[0], ends[1]
}

// openOf counts the descriptors of this process that name a file.
func openOf(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		if at, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && at == path {
			count++
		}
	}
	return count
}

// TestRead: bytes come with their files, at most as many as are wanted. The others are closed.
func TestRead(t *testing.T) {
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		for sent := range 4 {
			for _, most := range []int{1, 2, 8} {
				from, to := pair(t, kind)
				path := filepath.Join(t.TempDir(), "file")
				if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
					t.Fatal(err)
				}
				var fds []int
				for range sent {
					file, err := os.Open(path)
					if err != nil {
						t.Fatal(err)
					}
					defer file.Close()
					fds = append(fds, int(file.Fd()))
				}
				if _, _, err := from.WriteMsgUnix([]byte("hello"), unix.UnixRights(fds...), nil); err != nil {
					t.Fatal(err)
				}
				if err := from.Close(); err != nil {
					t.Fatal(err)
				}
				buffer := make([]byte, 16)
				n, files, err := Read(to, buffer, most, "passed")
				if err != nil || string(buffer[:n]) != "hello" || len(files) != min(sent, most) {
					t.Fatalf("%d sent, %d wanted: %q, %d files, %v", sent, most, buffer[:n], len(files), err)
				}
				if open := openOf(t, path); open != sent+len(files) {
					t.Errorf("%d sent, %d wanted: %d are open", sent, most, open)
				}
				for _, file := range files {
					flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFD, 0)
					if err != nil || flags&unix.FD_CLOEXEC == 0 || file.Name() != "passed" {
						t.Errorf("%s: flags %d, %v", file.Name(), flags, err)
					}
					if text, err := io.ReadAll(file); err != nil || string(text) != "content" && string(text) != "" {
						t.Errorf("%q, %v", text, err)
					}
					_ = file.Close()
				}
				if n, files, err := Read(to, buffer, most, "passed"); !errors.Is(err, io.EOF) || n != 0 || files != nil {
					t.Errorf("at the end: %d, %v, %v", n, files, err)
				}
			}
		}
	}
}
