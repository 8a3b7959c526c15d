package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// frozenFile returns a file whose writers no signal ends: its file system is frozen. That is
// what a process in the driver of a device that hangs looks like. A test is skipped where
// there are no loop devices.
func frozenFile(t *testing.T) string {
	t.Helper()
	for _, args := range [][]string{{"losetup", "-f"}, {"which", "mkfs.ext4", "fsfreeze"}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: %q: %v: %s", args, err, out)
		}
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "at")
	for _, args := range [][]string{
		{"mkdir", at},
		{"truncate", "-s", "16M", image},
		{"mkfs.ext4", "-q", image},
		{"mount", "-o", "loop", image, at},
		{"touch", filepath.Join(at, "file")},
		{"fsfreeze", "-f", at},
	} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			if strings.Contains(os.Getenv("TFOS_REQUIRE"), "mount") {
				t.Fatalf("%q: %v: %s", args, err, out)
			}
			t.Skipf("SKIPPED: %q: %v: %s: it needs CAP_SYS_ADMIN", args, err, out)
		}
		if args[0] == "mount" {
			t.Cleanup(func() {
				late := time.Now().Add(10 * time.Second) // the writers have to end
				for exec.Command("umount", at).Run() != nil && time.Now().Before(late) {
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		if args[0] == "fsfreeze" {
			t.Cleanup(func() { _ = exec.Command("fsfreeze", "-u", at).Run() })
		}
	}
	return filepath.Join(at, "file")
}

// TestRunOfAProcessThatCannotBeKilled: it is left behind, and that is said.
func TestRunOfAProcessThatCannotBeKilled(t *testing.T) {
	file := frozenFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	err := Run(ctx, exec.CommandContext(ctx, "dd", "if=/dev/zero", "of="+file, "count=1", "status=none"))
	if !errors.Is(err, ErrUnkillable) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestSMIThatHangs: nvidia-smi is given up, also if it cannot be killed.
func TestSMIThatHangs(t *testing.T) {
	file := frozenFile(t)
	for hang, want := range map[string]string{
		"echo one > " + file: "nvidia-smi -L: a device hangs: not even SIGKILL ends it: reboot the host",
		"exec sleep 60":      "nvidia-smi -L gave no answer within 10s: a device may hang",
	} {
		t.Run(strings.Fields(hang)[0], func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte("#!/bin/sh\n"+hang+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", fmt.Sprint(bin, ":", os.Getenv("PATH")))
			began := time.Now()
			_, err := Acquire(t.Context(), Place{Source: Host, Host: "h"}, 1, "r")
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
