package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// After the launcher was killed, the group is ended and the folder removed,
// although a process still writes to the folder for a while.
func TestCaretake(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scratch")
	if err := os.MkdirAll(filepath.Join(folder, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	left := exec.Command("sh", "-c", "sleep 0.5; mkdir -p \"$0/late\"; exec sleep 0.5", folder)
	left.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = left.Wait() }()
	began := time.Now()
	if err := Caretake(strings.NewReader("group "+strconv.Itoa(left.Process.Pid)+"\n"), folder, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("the folder is there still")
	}
	if err := syscall.Kill(-left.Process.Pid, 0); err == nil {
		t.Error("the group is there still")
	}
	if took := time.Since(began); took > caretakeGroup {
		t.Errorf("took %v although the group ended by itself", took)
	}
}

func TestCaretakeDismissed(t *testing.T) {
	folder := t.TempDir()
	if err := Caretake(strings.NewReader("group 99999999\ndone\n"), folder, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Error("a folder whose launcher lives was removed")
	}
}

// The orders end before a process was started, or in the middle of an order.
func TestCaretakeWithoutGroup(t *testing.T) {
	for _, orders := range []string{"", "group", "group 1\n", "group x\n", "don"} {
		t.Run(orders, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), "scratch")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := Caretake(strings.NewReader(orders), folder, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(folder); err == nil {
				t.Error("the folder is there still")
			}
		})
	}
}
