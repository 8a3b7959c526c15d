package main

import (
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/launch"
)

func main() {
	out := &pipeWriter{to: os.Stdout}
	c := newCLI(payload())
	c.out = out
	os.Exit(out.exitCode(c.run(os.Args[1:])))
}

// newCLI returns the program with its environment. No other function accesses
// the environment.
func newCLI(payload fs.FS) *cli {
	// A closed standard output must not end a run: see pipeWriter.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup, or a shell's background job
			signal.Notify(signals, s)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	_, err = unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return &cli{
		in:       os.Stdin,
		out:      os.Stdout,
		err:      os.Stderr,
		terminal: err == nil,
		env:      launch.Environ(os.Environ()),
		dir:      dir,
		tmp:      os.TempDir(),
		now:      time.Now,
		signals:  signals,
		payload:  payload,
		cores:    runtime.GOMAXPROCS(0), // respects CPU affinity and a container's limits
	}
}
