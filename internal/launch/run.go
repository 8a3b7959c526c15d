package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
)

// Config describes one application to run. A time of zero means the default
// named with it.
type Config struct {
	Run    string
	Argv   []string // spark-submit and its arguments, or NoSpark's driver
	Env    Environ
	Input  []byte // for standard input; nil: none. It may have secrets
	Dir    string // working folder of spark-submit; "": this process's
	Record string // existing folder for spark.log

	// NoSpark says that Argv is the driver itself. Then there is no
	// SparkContext to wait for, and no failure is Spark's.
	NoSpark bool

	// Manager is asked how the application is when the run has failed. nil: nobody is.
	Manager cluster.Manager

	// Formation bounds the time until the SparkContext is up; 0: no bound. The
	// wait in a queue without room for the application has no other end.
	Formation time.Duration
	Grace     time.Duration // from SIGTERM to SIGKILL; default 15 s
	Settle    time.Duration // from the end of spark-submit until the group is empty; default 5 s
	Stop      time.Duration // from the verdict to the end of spark-submit; default 60 s

	// Started receives the process group of spark-submit as soon as it exists.
	// It may be nil.
	Started func(group int)
	// Event receives each event, in order, from Run's own goroutine. It may be
	// nil.
	Event func(record.Event)
	// Output receives the driver's output without events. nil: only the record
	// has it.
	Output io.Writer
	// SparkLog receives Spark's log as it is written. nil: only the record has
	// it.
	SparkLog io.Writer
	// Kill kills all processes at once when it receives a value or is closed:
	// the second Ctrl-C.
	Kill <-chan struct{}
}

func (c *Config) setDefaults() {
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
	if c.Manager == nil {
		c.Manager = cluster.Unasked{}
	}
	if c.Event == nil {
		c.Event = func(record.Event) {}
	}
}

// Run starts spark-submit, follows the driver's events, and returns when no
// process of the group is left. If ctx is cancelled, it asks the driver to end
// in an orderly way. A cause of type Signal then decides the exit code.
//
// The error is not nil only if nothing was started, or if the run's output
// could not be read or written. Everything about the run itself is in the
// verdict.
func Run(ctx context.Context, c Config) (record.Verdict, error) {
	if ctx.Err() != nil {
		return record.Verdict{}, context.Cause(ctx)
	}
	c.setDefaults()
	begin := time.Now()
	p, err := c.start()
	if err != nil {
		return record.Verdict{}, err
	}
	w := newWatch(c, p.group, begin)
	endFollow := w.followManager()
	w.follow(ctx, p.events, p.settled)
	err = c.finish(p)
	endFollow()
	return w.verdict(&p.program), err
}

// start starts the child, and what reads its output and waits for its group.
func (c *Config) start() (*pipes, error) {
	p, err := openPipes(*c)
	if err != nil {
		return nil, fail(exit.Internal, "submit", "%w", err)
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	if c.Input != nil {
		cmd.Stdin = bytes.NewReader(c.Input)
	}
	cmd.Stdout, cmd.Stderr = p.stdout.write, p.stderr()
	p.group, err = startGroup(cmd)
	p.closeWriteEnds()
	if err != nil {
		return nil, errors.Join(c.notStarted(err), p.waitReaders(), p.file.Close())
	}
	c.Started(p.group.id)
	settled := make(chan struct{})
	p.settled = settled
	go func() {
		defer close(settled)
		p.group.settle(c.Settle)
		p.expireReads(c.Settle)
	}()
	return p, nil
}

// finish waits until the child's output is read. A log that lacks a part is only a warning:
// the run is what it is.
func (c *Config) finish(p *pipes) error {
	err := p.waitReaders()
	if lost := p.file.Close(); lost != nil {
		c.Event(record.Warning{Message: fmt.Sprintf("%s lacks a part of the run's output: %v", c.sparkLog(), lost)})
	}
	return err
}

// notStarted returns the error of a child that could not be started.
func (c *Config) notStarted(err error) error {
	if c.NoSpark {
		return fail(exit.Internal, "submit", "start %s: %w: if its folder is mounted noexec, set TMPDIR to another", c.Argv[0], err)
	}
	return fail(exit.NoSpark, "submit", "start %s: %w", c.Argv[0], err)
}

// pipes is a child with its output: standard output goes to events and the record,
// standard error to the record.
type pipes struct {
	group   *group
	settled <-chan struct{} // closed when no process of the group is left

	stdout, log pipe // log is used only if Spark's log is also shown
	file        *lossyFile
	program     digest // the driver's output without events
	events      chan record.Event
	done        chan error // one value per reader
	readers     int
}

type pipe struct{ read, write *os.File }

// openPipes opens the log and starts the readers.
//
// Unless Spark's log is shown, the child writes it directly to the file. Then
// the driver and Spark can still log why they end after the launcher was
// killed.
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
			_, err := io.Copy(io.MultiWriter(file, lenientWriter{c.SparkLog}), p.log.read)
			p.done <- ignoreDeadline(err)
		}()
	}
	rest := io.MultiWriter(file, &p.program)
	if c.Output != nil {
		rest = io.MultiWriter(rest, lenientWriter{c.Output})
	}
	p.readers++
	go func() {
		defer close(p.events)
		p.done <- ignoreDeadline(scanEvents(p.stdout.read, rest, func(e record.Event) { p.events <- e }))
	}()
	return p, nil
}

// stderr returns the file to which the child writes its log.
func (p *pipes) stderr() *os.File {
	if p.log.write != nil {
		return p.log.write
	}
	return p.file.File
}

// closeWriteEnds closes this process's copies of the child's ends. The readers
// then see the end of input when the last process with such an end is gone.
func (p *pipes) closeWriteEnds() {
	_ = p.stdout.write.Close()
	if p.log.write != nil {
		_ = p.log.write.Close()
	}
}

// expireReads ends the readers within at most a second, even if a process
// outside the group still holds the child's ends.
func (p *pipes) expireReads(patience time.Duration) {
	deadline := time.Now().Add(min(patience, time.Second))
	_ = p.stdout.read.SetReadDeadline(deadline)
	if p.log.read != nil {
		_ = p.log.read.SetReadDeadline(deadline)
	}
}

// waitReaders waits for the readers. All events must have been received. It
// leaves the file open.
func (p *pipes) waitReaders() error {
	var err error
	for range p.readers {
		err = errors.Join(err, <-p.done)
	}
	p.program.flush()
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

func ignoreDeadline(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// lenientWriter ignores a terminal's errors: a closed window must not end the
// run.
type lenientWriter struct{ w io.Writer }

func (l lenientWriter) Write(p []byte) (int, error) {
	_, _ = l.w.Write(p)
	return len(p), nil
}
