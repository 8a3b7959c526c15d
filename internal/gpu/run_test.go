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

	"tfos/internal/proc/proctest"
)

// TestRunOfAProcessThatCannotBeKilled: it is left behind, and that is said.
func TestRunOfAProcessThatCannotBeKilled(t *testing.T) {
	file := proctest.FrozenFile(t)
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
	for name, want := range map[string]string{
		"killed":     "nvidia-smi -L gave no answer within 10s: a device may hang",
		"unkillable": "nvidia-smi -L: a device hangs: not even SIGKILL ends its process: reboot the host",
	} {
		t.Run(name, func(t *testing.T) {
			hang := "exec sleep 60"
			if name == "unkillable" {
				hang = "echo one > " + proctest.FrozenFile(t)
			}
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
