package node

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tfos/internal/reserve"
)

// longestCause bounds a cause in bytes: it is one line of a message to people.
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
	case program.failure == nil && end.clean() && !program.attached:
		o.Cause = "exit status 0 of a process that started no program: correct app.python.interpreter"
	case program.failure == nil && end.clean() && program.phase == phaseImporting:
		o.Cause = "exit status 0 while the program was imported (os._exit?): its function never ran"
	case program.failure == nil && end.clean():
		o.Kind, o.Phase, o.VerdictCode = reserve.Succeeded, reserve.PhaseEnded, 0
	case library != "":
		o.Cause = library
	case end.Error != "":
		o.Cause = "the program cannot be started: " + end.Error
	case program.failure != nil && program.failure.Cause != "":
		o.Cause = program.failure.Cause
	default:
		o.Cause = end.how()
		if line := fatalLine(stderr); end.Signal != 0 && line != "" {
			o.Cause += ": " + line
		}
	}
	o.Cause = oneLine(o.Cause)
	return o
}

// fatal is a line of the log of TensorFlow or absl after which the process aborts,
// or of an exception that C++ ends with.
var fatal = regexp.MustCompile(`(^|\s)F(\d{4})?\s.*\.(cc|h):\d+\]|^\s*what\(\): `)

// isFatal is fatal for a line of bytes, and fast for lines that cannot be.
func isFatal(line []byte) bool {
	return (bytes.Contains(line, []byte("]")) || bytes.Contains(line, []byte("what(): "))) && fatal.Match(line)
}

// fatalLine is the last such line of standard error; "": there is none.
func fatalLine(stderr []string) string {
	for _, line := range slices.Backward(stderr) {
		if fatal.MatchString(line) {
			return line
		}
	}
	return ""
}

// clean says that the process ended by itself, with exit status 0.
func (e childEnd) clean() bool { return e.Error == "" && e.Exit == 0 && e.Signal == 0 }

// how is the end of a process in a few words.
func (e childEnd) how() string {
	if e.Signal != 0 {
		return signalCause(syscall.Signal(e.Signal))
	}
	return fmt.Sprintf("exit status %d", e.Exit)
}

func signalCause(s syscall.Signal) string {
	cause := fmt.Sprintf("killed by signal %d (%s)", int(s), unix.SignalName(s))
	if s == unix.SIGKILL {
		// The kernel leaves no other trace where its log cannot be read.
		cause += ": often the out-of-memory killer; see the host's kernel log and give the role more memory"
	}
	return cause
}

// oneLine makes text fit for a report's cause: one line of UTF-8, at most
// longestCause bytes.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(printable(text)), " ")
	if len(text) > longestCause {
		text = strings.ToValidUTF8(text[:longestCause], "") + " ..."
	}
	return text
}
