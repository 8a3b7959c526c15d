package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestHDFSLockOfADeadProcess: the lock of a killed process is free within the time that
// the documents state.
func TestHDFSLockOfADeadProcess(t *testing.T) {
	if path := os.Getenv("TFOS_TEST_HOLD_LOCK"); path != "" {
		holdLock(t, path)
		return
	}
	s, root := realHDFS(t)
	t.Parallel()
	path := newFolder(s, root)(t) + "/lock"
	holder := exec.Command(os.Args[0], "-test.run=^TestHDFSLockOfADeadProcess$")
	holder.Env = append(os.Environ(), "TFOS_TEST_HOLD_LOCK="+path)
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len(heldMark))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if _, err := s.Lock(t.Context(), path); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second holder: %v", err)
	}
	killed := time.Now()
	_ = errors.Join(holder.Process.Kill(), holder.Wait()) // it was killed, says Wait
	for {
		lock, err := s.Lock(t.Context(), path)
		if err == nil {
			_ = lock.Close()
			break
		}
		if !errors.Is(err, ErrLocked) || time.Since(killed) > hdfsLeaseTime+10*time.Second {
			t.Fatalf("%s after its holder was killed: %v", time.Since(killed), err)
		}
		time.Sleep(time.Second)
	}
	t.Logf("free after %s", time.Since(killed).Round(time.Second))
}

const heldMark = "held\n"

func holdLock(t *testing.T, path string) {
	s, err := For(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	fmt.Print(heldMark)
	time.Sleep(5 * time.Minute)
}
