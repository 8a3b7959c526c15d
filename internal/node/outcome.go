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

// judgeChild says what became of a child. What the program has told of its end
// counts, however its process then ended; else an exit status of 0 is success of a
// program that has attached and is not being imported.
// Place, host, log path and row counts are the caller's to add.
func judgeChild(kind string, end childEnd, said programSummary, stderr []string, host string) reserve.Outcome {
	o := reserve.Outcome{
		Kind: reserve.Failed, Phase: said.phase, ExitCode: end.Exit, Signal: end.Signal,
		Stderr: stderr, Result: said.result,
	}
	if said.failure != nil {
		o.VerdictCode = said.failure.Code
		if said.failure.Phase != "" {
			o.Phase = said.failure.Phase
		}
	}
	library := ""
	if kind == childEngine && !said.attached {
		library = libraryFailure(end, stderr, host)
	}
	switch {
	case said.failure == nil && said.phase == reserve.PhaseEnded:
		o.Kind, o.VerdictCode, o.ExitCode, o.Signal = reserve.Succeeded, 0, 0, 0
	case end.GuardLost:
		o.Kind = reserve.Lost
		o.Cause = "the child's guard process was killed"
	case said.failure == nil && end.clean() && !said.attached:
		o.Cause = "exit status 0 of a process that started no program: correct app.python.interpreter"
	case said.failure == nil && end.clean() && said.phase == phaseImporting:
		o.Cause = "exit status 0 while the program was imported (os._exit?): its function never ran"
	case said.failure == nil && end.clean():
		o.Kind, o.Phase, o.VerdictCode = reserve.Succeeded, reserve.PhaseEnded, 0
	case library != "":
		o.Cause = library
	case end.Error != "":
		o.Cause = "the program cannot be started: " + end.Error
	case said.failure != nil && said.failure.Cause != "":
		o.Cause = said.failure.Cause
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

// oneLine makes text fit for a report's cause: one line, bounded, UTF-8.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(printable(text)), " ")
	if len(text) > longestCause {
		text = strings.ToValidUTF8(text[:longestCause], "") + " ..."
	}
	return text
}
