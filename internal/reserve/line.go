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
	"tfos/internal/infer"
)

// commandLine is any command of the driver.
type commandLine struct {
	Cmd    string    `json:"cmd"`
	Feed   string    `json:"feed"`
	Epoch  int       `json:"epoch"`
	Rows   int64     `json:"rows"`
	Last   bool      `json:"last"`
	Code   exit.Code `json:"code"`
	Phase  string    `json:"phase"`
	Cause  string    `json:"cause"`
	Reason string    `json:"reason"`

	Retryable bool `json:"retryable"`

	infer.Table
	ExecutorDied
}

func parseCommand(line []byte) (Command, error) {
	var l commandLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("reserve: read a command: %w", err)
	}
	switch l.Cmd {
	case "feed_end":
		return FeedEnded{l.Feed, l.Epoch, l.Rows, l.Last}, nil
	case "fail":
		if l.Code == exit.Done {
			l.Code = exit.Failed
		}
		return Fail{l.Code, l.Phase, l.Cause, l.Retryable}, nil
	case "spark_failed":
		return SparkFailed{l.Phase, l.Cause}, nil
	case "executor_died":
		l.ExecutorDied.Reason = l.Reason
		return l.ExecutorDied, nil
	case "partitions":
		return Partitions{l.Table}, nil
	case "stop":
		return StopRun{l.Reason}, nil
	}
	return nil, fmt.Errorf("reserve: read a command: unknown cmd %q", l.Cmd)
}

// commands hands the driver's commands to the roster until its input ends. A
// line that cannot be understood fails the run: what it asked for is not done.
func (p *process) commands(ctx context.Context, lines *bufio.Reader) {
	defer close(p.hungUp)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.log.Warn("the driver's commands cannot be read", "error", err)
			}
			return
		}
		c, err := parseCommand(line)
		if err != nil {
			c = Fail{Code: exit.Internal, Phase: "driver", Cause: err.Error()}
		}
		if c, ok := c.(Partitions); ok {
			p.partitions(ctx, c.Table)
			continue
		}
		p.command(ctx, c)
	}
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

// maxBehind is how many events may wait before those that repeat themselves
// are left out.
const maxBehind = 64

func newWriter(out io.Writer) *writer {
	w := &writer{out: out}
	w.more = sync.NewCond(&w.mu)
	return w
}

// put queues an event; it never blocks.
func (w *writer) put(e Event) {
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

// flush writes events in their order until close. After a failed write it
// drops them: the driver is gone, which its closed input tells.
func (w *writer) flush() error {
	broken := false
	for {
		e, ok := w.next()
		if !ok {
			return nil
		}
		line, err := encodeEvent(e)
		if err != nil {
			return fmt.Errorf("reserve: write event %s: %w", e.event(), err)
		}
		if broken {
			continue
		}
		_, err = w.out.Write(append(line, '\n'))
		broken = err != nil
	}
}

func (w *writer) next() (Event, bool) {
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
