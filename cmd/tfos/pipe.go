package main

import (
	"errors"
	"io"
	"syscall"
)

// exitPipe is how a shell reports a program that SIGPIPE ended, as others are
// when their reader goes away: 128 and the signal's number.
const exitPipe = 128 + int(syscall.SIGPIPE)

// pipeWriter is standard output, whose reader may have enough, as head has. What
// is written after that is dropped and is no error. A run goes on to its end.
type pipeWriter struct {
	to     io.Writer
	closed bool
}

// Write implements io.Writer.
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

// exitCode is the exit code of a program that ended with code: a success whose
// result nobody read to the end is exitPipe.
func (w *pipeWriter) exitCode(code int) int {
	if w.closed && code == 0 {
		return exitPipe
	}
	return code
}
