package reserve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// commandLine is any command of the driver.
type commandLine struct {
	Cmd     string    `json:"cmd"`
	Feed    string    `json:"feed"`
	Epoch   int       `json:"epoch"`
	Rows    int64     `json:"rows"`
	Last    bool      `json:"last"`
	Stopped bool      `json:"stopped"`
	Code    exit.Code `json:"code"`
	Phase   string    `json:"phase"`
	Cause   string    `json:"cause"`
	Reason  string    `json:"reason"`

	Retryable bool `json:"retryable"`

	ExecutorDied
}

// parseCommand reads a command. It is nil, with its name, where it is for the
// run's work.
func parseCommand(line []byte) (c Command, name string, err error) {
	var l commandLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, "", fmt.Errorf("reserve: read a command: %w", err)
	}
	return l.command(), l.Cmd, nil
}

func (l commandLine) command() Command {
	switch l.Cmd {
	case "feed_end":
		return FeedEnded{l.Feed, l.Epoch, l.Rows, l.Last, l.Stopped}
	case "fail":
		if l.Code == exit.Done {
			l.Code = exit.Failed
		}
		return Fail{l.Code, l.Phase, l.Cause, l.Retryable}
	case "spark_failed":
		return SparkFailed{l.Phase, l.Cause}
	case "executor_died":
		l.ExecutorDied.Reason = l.Reason
		return l.ExecutorDied
	case "stop":
		return StopRun{l.Reason}
	}
	return nil
}

// readCommands passes the driver's commands to the roster or to the work until the
// driver's input ends. A line that cannot be parsed fails the run: its command is
// not carried out.
func (p *process) readCommands(ctx context.Context, lines *bufio.Reader) {
	defer close(p.hungUp)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.log.Warn("the driver's commands cannot be read", "error", err)
			}
			return
		}
		c, name, err := parseCommand(line)
		switch {
		case err != nil:
			p.postCommand(ctx, Fail{Code: exit.Internal, Phase: "driver", Cause: err.Error()})
		case c != nil:
			p.postCommand(ctx, c)
		default:
			p.workCommand(ctx, name, line)
		}
	}
}

// workCommand passes a command to the work unless the work has finished.
func (p *process) workCommand(ctx context.Context, name string, line []byte) {
	p.working.Lock()
	defer p.working.Unlock()
	if p.ended {
		return
	}
	start, known := p.work.Command(ctx, name, line)
	if !known {
		start.End = Fail{Code: exit.Internal, Phase: "driver", Cause: fmt.Sprintf("reserve: read a command: unknown cmd %q", name)}
	}
	p.applyStart(ctx, start)
}

// writer writes events from a goroutine of its own: a driver that does not
// read must not keep members from renewing.
type writer struct {
	out    io.Writer
	mu     sync.Mutex
	more   *sync.Cond
	queue  []Event
	closed bool
}

// maxBehind is how many events may wait before Progress and Waiting are dropped.
const maxBehind = 64

func newWriter(out io.Writer) *writer {
	w := &writer{out: out}
	w.more = sync.NewCond(&w.mu)
	return w
}

// queueEvent queues an event. It never blocks.
func (w *writer) queueEvent(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.(type) {
	case Progress, Waiting:
		if len(w.queue) >= maxBehind {
			return
		}
	}
	w.queue = append(w.queue, e)
	w.more.Signal()
}

// close lets flush end once the queue is empty.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.more.Signal()
}

// flush writes events in their order until close. After a failed write it drops
// them: the driver is gone, and its input ends.
func (w *writer) flush() error {
	broken := false
	for {
		e, ok := w.nextEvent()
		if !ok {
			return nil
		}
		line, err := record.Encode(e)
		if err != nil {
			return fmt.Errorf("reserve: %w", err)
		}
		if broken {
			continue
		}
		_, err = w.out.Write(append(line, '\n'))
		broken = err != nil
	}
}

func (w *writer) nextEvent() (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.closed {
		w.more.Wait()
	}
	if len(w.queue) == 0 {
		return nil, false
	}
	e := w.queue[0]
	w.queue = w.queue[1:]
	return e, true
}
