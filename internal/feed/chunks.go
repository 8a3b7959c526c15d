package feed

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// trainedEvery is the least time between two TRAINED frames. A program may take
// thousands of small batches a second, and a frame for each would cost both
// sides more than the batches.
const trainedEvery = 50 * time.Millisecond

// Chunk is rows as a program receives them. Rows of the record batch in Data,
// from its first, are rows of Partition of the input, from FirstRow on. Schema
// is their Arrow IPC schema message; equal schemas that follow each other share
// their bytes. Data is 8-byte aligned. It is the caller's until Release, and
// must not be written.
type Chunk struct {
	Epoch     int
	Rows      int
	Partition int
	FirstRow  int64
	Schema    []byte
	Data      []byte
	release   func()
}

// Release gives Data back. It is called once, by any goroutine, also after
// Chunks.Close.
func (c *Chunk) Release() { c.release() }

// WithData returns a chunk of the same rows whose bytes are data. release is called
// by its Release.
func (c Chunk) WithData(data []byte, release func()) *Chunk {
	c.Data, c.release = data, release
	return &c
}

// Chunks is a program's connection for one feed: scripts/tfos/connection.py in
// Go. A goroutine reads the connection. Chunks in shared memory or in the
// member's cache are read in place. Next is for one goroutine at a time. The
// other methods are safe for concurrent use.
type Chunks struct {
	child  *Child
	config Config
	done   chan struct{} // closed when the reader has ended
	// answers has the answer to PERMIT.
	answers   chan Permitted
	asking    sync.Mutex // one PERMIT at a time
	asked     bool       // guarded by asking: an answer is on its way
	permitted int64      // guarded by asking: steps
	refused   bool       // guarded by asking: the step after permitted, and all later ones

	mu      sync.Mutex // guards all fields below
	arrived []any      // *Chunk or EpochEnd
	signal  chan struct{}
	err     error // why nothing more arrives
	ended   bool  // Next has returned the last EpochEnd
	freed   []int // slots that the member does not know to be free
	taken   int   // chunks that the member was not asked for again
	askFrom int   // ask when so many are taken, because each request wakes the member
	waited  time.Duration
	trained map[int]int64 // rows handed out, by epoch
	untold  map[int]bool  // epochs in trained of which the member does not know all
	toldAt  time.Time
}

// OpenChunks attaches a new connection for a feed. At most ahead chunks (at
// least 1) are on their way ahead of Next. ctx bounds the attempt only.
func OpenChunks(ctx context.Context, socketPath, feed string, ahead int) (*Chunks, error) {
	return openChunks(ctx, socketPath, feed, NextChunks{Feed: feed, Chunks: max(ahead, 1), Shared: true})
}

func openChunks(ctx context.Context, socketPath, feed string, first NextChunks) (*Chunks, error) {
	child, err := Attach(ctx, socketPath)
	if err != nil {
		return nil, err
	}
	c := &Chunks{
		child: child, done: make(chan struct{}), answers: make(chan Permitted, 1), signal: make(chan struct{}, 1),
		askFrom: max(1, first.Chunks/2), trained: map[int]int64{}, untold: map[int]bool{},
	}
	if c.config, err = findFeed(child.Context().Feeds, feed); err == nil {
		err = child.send(TypeNext, first)
	}
	if err != nil {
		_ = child.Close()
		return nil, err
	}
	go c.read()
	return c, nil
}

func findFeed(feeds []Config, name string) (Config, error) {
	for _, cfg := range feeds {
		if cfg.Name == name {
			return cfg, nil
		}
	}
	return Config{}, fmt.Errorf("feed: this member takes no feed %q", name)
}

// Config returns the feed's configuration.
func (c *Chunks) Config() Config { return c.config }

// Context returns the member's answer to ATTACH.
func (c *Chunks) Context() ProgramContext { return c.child.Context() }

// Next returns the next chunk, or the end of an epoch (chunk nil). After the
// last epoch's end the error is io.EOF. What arrived before the connection
// ended is returned before its error.
func (c *Chunks) Next(ctx context.Context) (*Chunk, EpochEnd, error) {
	event, err := c.takeArrived(ctx)
	if err != nil {
		return nil, EpochEnd{}, err
	}
	if end, ok := event.(EpochEnd); ok {
		return nil, end, nil
	}
	// A failure means that the connection has ended. A later call says so.
	_ = c.askMore()
	return event.(*Chunk), EpochEnd{}, nil
}

// takeArrived waits for a *Chunk or EpochEnd.
func (c *Chunks) takeArrived(ctx context.Context) (any, error) {
	began := time.Now()
	for waits := false; ; waits = true {
		c.mu.Lock()
		if waits {
			now := time.Now()
			c.waited, began = c.waited+now.Sub(began), now
		}
		if c.ended {
			c.mu.Unlock()
			return nil, io.EOF
		}
		if len(c.arrived) > 0 {
			event := c.arrived[0]
			c.arrived[0] = nil
			c.arrived = c.arrived[1:]
			end, _ := event.(EpochEnd)
			c.ended = end.Last
			c.mu.Unlock()
			return event, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-c.signal:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// askMore asks the member for a chunk in the place of one that was taken.
func (c *Chunks) askMore() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken++
	if c.taken < c.askFrom {
		return nil
	}
	next := NextChunks{Feed: c.config.Name, Chunks: c.taken, Freed: c.freed}
	c.taken, c.freed = 0, nil
	return c.child.send(TypeNext, next)
}

// Waited returns how long Next has waited for the member.
func (c *Chunks) Waited() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waited
}

// Permit waits until step (from 1) of a synchronous feed is permitted. false:
// the feed ends before the step on every worker. The member is asked once for
// each step.
func (c *Chunks) Permit(ctx context.Context, step int64) (bool, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	for c.permitted < step && !c.refused {
		if err := c.askStep(ctx, c.permitted+1); err != nil {
			return false, err
		}
	}
	return step <= c.permitted, nil
}

// AskAhead asks for the step after those permitted, and does not wait. The answer
// may then be there when Permit wants it.
func (c *Chunks) AskAhead() error {
	c.asking.Lock()
	defer c.asking.Unlock()
	return c.requestStep(c.permitted + 1)
}

// requestStep asks for a step, unless that was done or an earlier step is refused.
// The caller holds asking.
func (c *Chunks) requestStep(step int64) error {
	if c.asked || c.refused {
		return nil
	}
	c.asked = true
	return c.child.send(TypePermit, Permit{Feed: c.config.Name, Step: step})
}

// askStep waits for the answer to the step after those permitted. The caller holds
// asking.
func (c *Chunks) askStep(ctx context.Context, step int64) error {
	if err := c.requestStep(step); err != nil {
		return err
	}
	select {
	case answer := <-c.answers:
		c.asked = false
		if answer.Go {
			c.permitted = step
		} else {
			c.refused = true
		}
		return nil
	case <-c.done:
		return c.connectionError()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Chunks) connectionError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Trained reports the total of rows taken of epoch. A total below an earlier
// one changes nothing. The member is told if trainedEvery has passed since it
// was told last, else by a later report, by FlushTrained or by Close.
func (c *Chunks) Trained(epoch int, rows int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rows > c.trained[epoch] {
		c.trained[epoch] = rows
		c.untold[epoch] = true
	}
	if time.Since(c.toldAt) < trainedEvery {
		return nil
	}
	return c.flushTrained()
}

// FlushTrained tells the member of all rows that Trained has reported.
func (c *Chunks) FlushTrained() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushTrained()
}

func (c *Chunks) flushTrained() error {
	for epoch := range c.untold {
		if err := c.child.send(TypeTrained, Trained{Feed: c.config.Name, Epoch: epoch, Rows: c.trained[epoch]}); err != nil {
			return err
		}
		delete(c.untold, epoch)
	}
	c.toldAt = time.Now()
	return nil
}

// Pace reports how fast the program takes rows, in totals. Feed need not be
// set.
func (c *Chunks) Pace(p Pace) error {
	p.Feed = c.config.Name
	return c.child.send(TypePace, p)
}

// Terminate says that no further rows are wanted. Next still returns the chunks
// on their way, and then the end.
func (c *Chunks) Terminate() error {
	return c.child.send(TypeTerminate, Terminate{Feed: c.config.Name})
}

// Close reports the rows taken, and ends the connection. Rows that were not
// reported as trained count as dropped.
func (c *Chunks) Close() error {
	_ = c.FlushTrained() // the member may have closed first
	err := c.child.Close()
	<-c.done
	c.mu.Lock()
	left := c.arrived
	c.arrived = nil
	c.mu.Unlock()
	for _, event := range left {
		if chunk, ok := event.(*Chunk); ok {
			chunk.Release()
		}
	}
	return err
}
