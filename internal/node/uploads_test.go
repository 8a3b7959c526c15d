package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tfos/internal/proc"
	"tfos/internal/store"
)

// TestUploads: files are uploaded by a process all of whose threads have the lowest
// priority, while this one keeps its own. Its secrets are neither arguments nor variables.
// After its death another one starts.
func TestUploads(t *testing.T) {
	before := proc.Descendants(os.Getpid())
	u := &uploads{settings: store.Settings{"fs.s3a.secret.key": "planted-secret"}, stderr: os.Stderr, log: testLog()}
	t.Cleanup(u.end)
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(local)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	upload := func(name string) error {
		staged, err := u.Upload(t.Context(), filepath.Join(filepath.Dir(local), name), file, 5<<20, func(int) {})
		if err == nil {
			err = staged.Commit()
		}
		return err
	}
	child := func() int {
		t.Helper()
		for _, pid := range proc.Descendants(os.Getpid()) {
			command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err == nil && string(command) == "tfos-node\x00upload\x00" {
				return pid
			}
		}
		t.Fatal("there is no process that uploads")
		return 0
	}

	if err := upload("a"); err != nil {
		t.Fatal(err)
	}
	first := child()
	for _, value := range niceValues(t, first) {
		if value != lowest {
			t.Errorf("a thread of the process has the nice value %d", value)
		}
	}
	for _, name := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", first, name)); err != nil || strings.Contains(string(text), "planted") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the death of the process is seen", func() bool { return u.process.Ended() })
	if err := upload("b"); err != nil {
		t.Fatalf("after the death of the process: %v", err)
	}
	if second := child(); second == first {
		t.Error("the process has not ended")
	}
	u.end()
	if err := upload("c"); err == nil {
		t.Error("a process starts after the end")
	}
	if now := proc.Descendants(os.Getpid()); len(now) != len(before) {
		t.Errorf("after the end there are processes: %v", now)
	}
	eventually(t, "no thread of this process has the lowest priority", func() bool { return !slices.Contains(niceValues(t, os.Getpid()), lowest) })
}

// niceValues returns those of a process's threads.
func niceValues(t *testing.T, pid int) (values []int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of %d: %v", pid, err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		_, fields, _ := strings.Cut(string(text), ") ")
		value, err := strconv.Atoi(strings.Fields(fields)[16])
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}
