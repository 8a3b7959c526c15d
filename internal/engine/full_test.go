package engine_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fullFolder returns a folder of a file system of one page, which a file takes. Only root
// can make one: without the right to, the test is skipped, unless TFOS_REQUIRE has mount.
func fullFolder(t *testing.T) string {
	t.Helper()
	system, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		if strings.Contains(os.Getenv("TFOS_REQUIRE"), "mount") {
			t.Fatalf("TFOS_REQUIRE=mount, but no file system can be made: %v", err)
		}
		t.Skipf("SKIPPED: no full file system here: %v: it needs CAP_SYS_ADMIN", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(system)
	err = errors.Join(unix.FsconfigSetString(system, "size", "4096"), unix.FsconfigCreate(system))
	if err != nil {
		t.Fatal(err)
	}
	mounted, err := unix.Fsmount(system, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(mounted) })
	folder := fmt.Sprintf("/proc/self/fd/%d", mounted)
	if err := os.WriteFile(folder+"/all", make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// A checkpoint that finds no room is the system's error, without TensorFlow's hints.
func TestNoRoomForACheckpoint(t *testing.T) {
	needTensorFlow(t)
	err := begun(t, "mlp").Save(t.Context(), fullFolder(t)+"/ckpt")
	if !errors.Is(err, syscall.ENOSPC) || strings.ContainsAny(err.Error(), "\n") {
		t.Error(err)
	}
}
