package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/record"
	"tfos/internal/store"
)

// cli is everything outside the program that a command may use.
type cli struct {
	out, err io.Writer // results, and messages for people
	terminal bool      // whether err is a terminal
	env      launch.Environ
	dir      string // current folder, absolute
	in       io.Reader
	tmp      string // folder for scratch folders
	now      func() time.Time
	signals  <-chan os.Signal
	payload  fs.FS // tfos-node.s2, tfos-engine.s2
	cores    int   // CPU cores that this machine allows a run

	kill <-chan struct{} // closed at the second signal
}

// run is the whole program. It returns the exit code.
func (c *cli) run(args []string) int {
	ctx, stop := c.watchSignals()
	defer stop()
	root := newRootCommand(c)
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var done *reportedError
	if errors.As(err, &done) {
		return int(done.code)
	}
	if !started { // an error of cobra: unknown command, unknown flag, wrong arguments
		if other := otherTool(args); other != "" {
			err = errors.New(other)
		}
		err = usageError("%w", err)
	}
	return int(c.conclude(record.Verdict{}, err, wantsJSON(args)))
}

// usageError is the error of a command line that cannot be run: exit code 2.
func usageError(format string, args ...any) error {
	return &launch.Error{Code: exit.Usage, Phase: "command line", Err: fmt.Errorf(format, args...)}
}

// watchSignals cancels the returned context at the first signal, with the
// signal as cause, and closes c.kill at the second. The returned function stops
// watching.
func (c *cli) watchSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	kill, quit, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.kill = kill
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case s := <-c.signals:
				switch n {
				case 0:
					cancel(signalCause(s))
				case 1:
					close(kill)
				}
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		close(quit)
		<-done
		cancel(nil)
	}
}

// signalCause maps a signal to a cause. A closed terminal ends a run like
// SIGTERM.
func signalCause(s os.Signal) launch.Signal {
	if s == syscall.SIGINT {
		return launch.Signal{Signal: syscall.SIGINT}
	}
	return launch.Signal{Signal: syscall.SIGTERM}
}

// reportedError is the error of a command that has already reported its
// failure.
type reportedError struct{ code exit.Code }

func (e *reportedError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// conclude reports how a command ended: an error on standard error, and with
// asJSON a verdict as the last line of standard output. v holds what is known
// besides err.
func (c *cli) conclude(v record.Verdict, err error, asJSON bool) exit.Code {
	if err != nil {
		v = withError(v, err)
		c.printError(err)
	}
	if asJSON {
		line, jerr := json.Marshal(v)
		if jerr != nil {
			c.talk("tfos: write the verdict: %v", jerr)
			return exit.Internal
		}
		if _, werr := c.out.Write(append(line, '\n')); werr != nil {
			c.talk("tfos: write the verdict: %v", werr)
		}
	}
	return v.Code
}

// withError returns the verdict of a failure, with what v knows of the run.
func withError(v record.Verdict, err error) record.Verdict {
	f := launch.Failure(err, v.Run)
	f.Kind, f.Record, f.Cause = v.Kind, v.Record, store.HideSecrets(f.Cause)
	var faults job.Faults
	if errors.As(err, &faults) {
		f.Code, f.Phase = faults.Code(), "validate"
		f.Cause = faults[0].Error()
		if n := len(faults); n > 1 {
			f.Cause += fmt.Sprintf(" (and %d more)", n-1)
		}
		for _, fault := range faults {
			f.Faults = append(f.Faults, fault.Error())
		}
	}
	return f
}

// printError writes an error for people: each fault of a job on its own line,
// any other error after the program's name.
func (c *cli) printError(err error) {
	var faults job.Faults
	var e *launch.Error
	switch {
	case errors.As(err, &faults):
		c.talk("%v", faults)
	case errors.As(err, &e) && e.Phase == "command line":
		c.talk("tfos: %s\nRun 'tfos --help' or 'tfos COMMAND --help' for how to use it.", store.HideSecrets(err.Error()))
	default:
		c.talk("tfos: %s", store.HideSecrets(err.Error()))
	}
}

// talk writes a line to standard error. It ignores errors: a closed terminal
// does not end a run.
func (c *cli) talk(format string, args ...any) {
	_, _ = fmt.Fprintf(c.err, strings.TrimRight(format, "\n")+"\n", args...)
}

// wantsJSON looks for --output json in a command line that cannot be parsed.
func wantsJSON(args []string) bool {
	for i, a := range args {
		if a == "--" {
			return false
		}
		if a == "--output=json" || a == "--output" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}
