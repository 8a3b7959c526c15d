package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// Config is one application to run. Times of zero mean the defaults named.
type Config struct {
	Run    string
	Argv   []string // spark-submit and its arguments, or NoSpark's driver
	Env    Environ
	Dir    string // working folder of spark-submit; "": this process's
	Record string // folder for spark.log, which is there already

	// NoSpark says that Argv is itself the driver: there is no SparkContext to
	// wait for, and nothing is Spark's fault.
	NoSpark bool

	// Formation bounds the time until the SparkContext is up; 0: no bound. A
	// queue that has no room for the application does not end by itself.
	Formation time.Duration
	Grace     time.Duration // from SIGTERM to SIGKILL; 15 s
	Settle    time.Duration // for the group to be empty once spark-submit has ended; 5 s
	Stop      time.Duration // for spark-submit to end after the verdict; 60 s

	// Started is told the process group of spark-submit as soon as there is one;
	// nil: nobody is.
	Started func(group int)
	// Event is told of each event, in order, from Run's own goroutine.
	Event func(record.Event)
	// Output gets what the driver prints beside events; nil: only the record.
	Output io.Writer
	// SparkLog gets Spark's log as it comes; nil: only the record.
	SparkLog io.Writer
	// Kill ends everything at once when a value comes or it is closed: the
	// second Ctrl-C.
	Kill <-chan struct{}
}

func (c *Config) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Grace, 15*time.Second)
	set(&c.Settle, 5*time.Second)
	set(&c.Stop, time.Minute)
	if c.Started == nil {
		c.Started = func(int) {}
	}
	if c.Event == nil {
		c.Event = func(record.Event) {}
	}
}

// Run starts spark-submit, follows the driver's events and returns when no
// process of the group is left. When ctx is cancelled, the driver is asked to
// end in an orderly way; a cause of type Signal decides the exit code.
//
// The error is not nil only when nothing was run, or the machine failed under
// it; the verdict says everything about the run itself.
func Run(ctx context.Context, c Config) (record.Verdict, error) {
	if ctx.Err() != nil {
		return record.Verdict{}, context.Cause(ctx)
	}
	c.defaults()
	begin := time.Now()
	pipes, err := openPipes(c)
	if err != nil {
		return record.Verdict{}, fail(exit.Internal, "submit", "%w", err)
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	cmd.Stdout, cmd.Stderr = pipes.stdout.write, pipes.stderr()
	g, err := startGroup(cmd)
	pipes.started()
	if err != nil {
		return record.Verdict{}, errors.Join(c.notStarted(err), pipes.wait(), pipes.file.Close())
	}
	c.Started(g.id)
	w := newWatch(c, g, begin)
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		g.settle(c.Settle)
		pipes.end(c.Settle)
	}()
	w.loop(ctx, pipes.events, settled)
	err = pipes.wait()
	if lost := pipes.file.Close(); lost != nil {
		c.Event(record.Warning{Message: fmt.Sprintf("%s lacks a part of the run's output: %v", c.sparkLog(), lost)})
	}
	return w.verdict(&pipes.program), err
}

// notStarted says that the child could not be started.
func (c *Config) notStarted(err error) error {
	if c.NoSpark {
		return fail(exit.Internal, "submit", "start %s: %w: if its folder is mounted noexec, set TMPDIR to another", c.Argv[0], err)
	}
	return fail(exit.NoSpark, "submit", "start %s: %w", c.Argv[0], err)
}

// pipes carries the child's output: standard output to events and the record,
// standard error to the record.
type pipes struct {
	stdout, log pipe // log is used only when Spark's log is shown as well
	file        *lossyFile
	program     digest // of what the driver printed beside events
	events      chan record.Event
	done        chan error // one value for each reader
	readers     int
}

type pipe struct{ read, write *os.File }

// openPipes opens the log and starts the readers.
//
// Spark's log goes straight to the file where nobody wants to see it: if the
// launcher is killed, the driver and Spark can still say why they end.
func openPipes(c Config) (*pipes, error) {
	opened, err := os.OpenFile(c.sparkLog(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	file := &lossyFile{File: opened}
	p := &pipes{file: file, events: make(chan record.Event), done: make(chan error, 2)}
	if p.stdout.read, p.stdout.write, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if c.SparkLog != nil {
		if p.log.read, p.log.write, err = os.Pipe(); err != nil {
			return nil, errors.Join(err, file.Close(), p.stdout.read.Close(), p.stdout.write.Close())
		}
		p.readers++
		go func() {
			_, err := io.Copy(io.MultiWriter(file, lenient{c.SparkLog}), p.log.read)
			p.done <- notDeadline(err)
		}()
	}
	rest := io.MultiWriter(file, &p.program)
	if c.Output != nil {
		rest = io.MultiWriter(rest, lenient{c.Output})
	}
	p.readers++
	go func() {
		defer close(p.events)
		p.done <- notDeadline(scanEvents(p.stdout.read, rest, func(e record.Event) { p.events <- e }))
	}()
	return p, nil
}

// stderr is what the child writes its log to.
func (p *pipes) stderr() *os.File {
	if p.log.write != nil {
		return p.log.write
	}
	return p.file.File
}

// started closes our copies of the child's ends: the readers see the end of
// input when the last process that has them is gone.
func (p *pipes) started() {
	_ = p.stdout.write.Close()
	if p.log.write != nil {
		_ = p.log.write.Close()
	}
}

// end makes the readers end although a process outside of the group still
// holds the child's ends.
func (p *pipes) end(patience time.Duration) {
	deadline := time.Now().Add(min(patience, time.Second))
	_ = p.stdout.read.SetReadDeadline(deadline)
	if p.log.read != nil {
		_ = p.log.read.SetReadDeadline(deadline)
	}
}

// wait is for the readers; all events must have been taken. The file is left open.
func (p *pipes) wait() error {
	var err error
	for range p.readers {
		err = errors.Join(err, <-p.done)
	}
	p.program.end()
	for _, f := range []*os.File{p.stdout.read, p.log.read} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return fail(exit.Internal, "record", "read the run's output: %w", err)
	}
	return nil
}

func notDeadline(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// lenient hides a terminal's failure: a closed window must not end the run.
type lenient struct{ w io.Writer }

func (l lenient) Write(p []byte) (int, error) {
	_, _ = l.w.Write(p)
	return len(p), nil
}
