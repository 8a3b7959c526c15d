// Package proctest makes processes that no signal ends, for tests of what waits for them.
package proctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FrozenFile returns a file whose writers no signal ends, until the test does: its file system
// is frozen. Such a writer looks like a process in the driver of a device that hangs, or one
// that waits for a server of files. The test is skipped where there are no loop devices, and
// without CAP_SYS_ADMIN unless TFOS_REQUIRE has mount.
func FrozenFile(t *testing.T) string {
	t.Helper()
	for _, args := range [][]string{{"losetup", "-f"}, {"which", "mkfs.ext4", "fsfreeze"}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: %q: %v: %s", args, err, out)
		}
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "at")
	run := func(args ...string) {
		t.Helper()
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		switch {
		case err == nil:
		case strings.Contains(os.Getenv("TFOS_REQUIRE"), "mount"):
			t.Fatalf("%q: %v: %s", args, err, out)
		default:
			t.Skipf("SKIPPED: %q: %v: %s: it needs CAP_SYS_ADMIN", args, err, out)
		}
	}
	run("mkdir", at)
	run("truncate", "-s", "16M", image)
	run("mkfs.ext4", "-q", image)
	run("mount", "-o", "loop", image, at)
	t.Cleanup(func() {
		late := time.Now().Add(10 * time.Second) // the writers have to end
		for exec.Command("umount", at).Run() != nil && time.Now().Before(late) {
			time.Sleep(10 * time.Millisecond)
		}
	})
	file := filepath.Join(at, "file")
	run("touch", file)
	run("fsfreeze", "-f", at)
	t.Cleanup(func() { _ = exec.Command("fsfreeze", "-u", at).Run() })
	return file
}
