package node

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"tfos/internal/oneline"
	"tfos/internal/reserve"
)

// longestCause is the longest cause in bytes. People read a cause as one line.
const longestCause = 1000

// judgeChild returns the outcome of a child. If the program has reported its end,
// that report decides, however its process then ended. Otherwise exit status 0 is
// success if the program has attached and is not being imported.
// The caller adds place, host, log path and row counts.
func judgeChild(kind string, end childEnd, program programSummary, stderr []string, host string) reserve.Outcome {
	o := reserve.Outcome{
		Kind: reserve.Failed, Phase: program.phase, ExitCode: end.Exit, Signal: end.Signal,
		Stderr: stderr, Result: program.result,
	}
	if program.failure != nil {
		o.VerdictCode = program.failure.Code
		if program.failure.Phase != "" {
			o.Phase = program.failure.Phase
		}
	}
	library := ""
	if kind == childEngine && !program.attached {
		library = libraryFailure(end, stderr, host)
	}
	switch {
	case program.failure == nil && program.phase == reserve.PhaseEnded:
		o.Kind, o.VerdictCode, o.ExitCode, o.Signal = reserve.Succeeded, 0, 0, 0
	case end.GuardLost:
		o.Kind = reserve.Lost
		o.Cause = "the child's guard process was killed"
	case program.failure == nil && end.isClean() && !program.attached:
		o.Cause = "exit status 0 of a process that started no program: correct app.python.interpreter"
	case program.failure == nil && end.isClean() && program.phase == phaseImporting:
		o.Cause = "exit status 0 while the program was imported (os._exit?): its function never ran"
	case program.failure == nil && end.isClean():
		o.Kind, o.Phase, o.VerdictCode = reserve.Succeeded, reserve.PhaseEnded, 0
	case library != "":
		o.Cause = library
	case end.Error != "":
		o.Cause = "the program cannot be started: " + end.Error
	case program.failure != nil && program.failure.Cause != "":
		o.Cause = program.failure.Cause
	default:
		o.Cause = end.describe()
		if line := fatalLine(stderr); end.Signal != 0 && line != "" {
			o.Cause += ": " + line
		}
	}
	o.Cause = oneLine(o.Cause)
	return o
}

// fatal matches a line of TensorFlow's or absl's log after which the process aborts. It
// also matches the message of an exception that ends a C++ program.
var fatal = regexp.MustCompile(`(^|\s)F(\d{4})?\s.*\.(cc|h):\d+\]|^\s*what\(\): `)

// isFatal reports whether fatal matches a line. It first excludes most lines cheaply.
func isFatal(line []byte) bool {
	return (bytes.Contains(line, []byte("]")) || bytes.Contains(line, []byte("what(): "))) && fatal.Match(line)
}

// fatalLine returns the last fatal line of standard error, or "".
func fatalLine(stderr []string) string {
	for _, line := range slices.Backward(stderr) {
		if fatal.MatchString(line) {
			return line
		}
	}
	return ""
}

// isClean reports whether the process ended by itself with exit status 0.
func (e childEnd) isClean() bool { return e.Error == "" && e.Exit == 0 && e.Signal == 0 }

// describe returns the end of a process in a few words.
func (e childEnd) describe() string {
	if e.OutOfMemory != nil {
		return e.OutOfMemory.cause()
	}
	if e.Signal != 0 {
		return signalCause(syscall.Signal(e.Signal))
	}
	return fmt.Sprintf("exit status %d", e.Exit)
}

// cause says that memory ran out, and where.
func (o outOfMemory) cause() string {
	if o.Limit == 0 {
		return "killed by the kernel: memory: its host had no more: give the role more memory, or the host fewer members"
	}
	return fmt.Sprintf("killed by the kernel: memory: all processes of its container had %.1f GiB together: give the role more memory",
		float64(o.Limit)/(1<<30))
}

func signalCause(s syscall.Signal) string {
	cause := fmt.Sprintf("killed by signal %d (%s)", int(s), unix.SignalName(s))
	if s == unix.SIGKILL {
		// This is often the only trace: the kernel's log may not be readable.
		cause += ": often the out-of-memory killer; see the host's kernel log and give the role more memory"
	}
	return cause
}

// oneLine makes text one line of printable UTF-8, and cuts it at longestCause bytes.
func oneLine(text string) string {
	return oneline.Of(printable(text), longestCause)
}
