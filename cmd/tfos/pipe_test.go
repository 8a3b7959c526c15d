package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// A reader that goes away is not an error. The exit code of a success is then
// that of a program that SIGPIPE ended.
func TestClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &pipeWriter{to: w}
	if n, err := out.Write([]byte("read")); n != 4 || err != nil || out.exitCode(0) != 0 {
		t.Fatalf("an open pipe: %d, %v, exit %d", n, err, out.exitCode(0))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := fmt.Fprint(out, "not read"); n != 8 || err != nil {
			t.Fatalf("a closed pipe: %d, %v", n, err)
		}
	}
	if out.exitCode(0) != 141 || out.exitCode(6) != 6 {
		t.Errorf("exit %d and %d, want 141 and 6", out.exitCode(0), out.exitCode(6))
	}
	full := &pipeWriter{to: failing{syscall.ENOSPC}}
	if _, err := full.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
