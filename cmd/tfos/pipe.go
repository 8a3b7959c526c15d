package main

import (
	"errors"
	"io"
	"syscall"
)

// exitPipe is 128 plus SIGPIPE's number: the exit code that a shell reports for
// a program that SIGPIPE ended because its reader went away.
const exitPipe = 128 + int(syscall.SIGPIPE)

// pipeWriter is standard output, whose reader may stop early, as head does.
// Output after that is dropped without an error. A run continues to its end.
type pipeWriter struct {
	to     io.Writer
	closed bool
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	if w.closed {
		return len(p), nil
	}
	n, err := w.to.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		w.closed, n, err = true, len(p), nil
	}
	return n, err
}

// exitCode returns the exit code of a program that ended with code. A success
// whose output was not read to the end is exitPipe.
func (w *pipeWriter) exitCode(code int) int {
	if w.closed && code == 0 {
		return exitPipe
	}
	return code
}
