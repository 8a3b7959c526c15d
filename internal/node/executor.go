package node

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watchReader blocks until no process holds the read end of the pipe out any more
// (gone is true), or until ctx ends. Spark's executor reads a piped process's standard
// output. The executor's end therefore shows here at once, however it came. Nothing
// else shows it: the process gets no data and no signal.
//
// An out that is no pipe or socket cannot be watched, which is an error.
func watchReader(ctx context.Context, out *os.File) (gone bool, err error) {
	if err := watchable(out); err != nil {
		return false, err
	}
	wake, stop, err := os.Pipe()
	if err != nil {
		return false, fmt.Errorf("node: watch the executor: %w", err)
	}
	defer func() { _ = wake.Close() }()
	release := context.AfterFunc(ctx, func() { _ = stop.Close() })
	defer func() {
		if release() {
			_ = stop.Close()
		}
	}()
	fds := []unix.PollFd{{Fd: int32(out.Fd())}, {Fd: int32(wake.Fd())}} // errors and hang-ups only
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, fmt.Errorf("node: watch the executor: %w", err)
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
			return true, nil
		case fds[1].Revents != 0:
			return false, nil
		}
	}
}

func watchable(out *os.File) error {
	info, err := out.Stat()
	if err != nil {
		return fmt.Errorf("node: watch the executor: %w", err)
	}
	if info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return fmt.Errorf("node: watch the executor: standard output is no pipe (%s)", info.Mode().Type())
	}
	return nil
}
