package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"sync"
	"time"

	"tfos/internal/store"
)

// Config is the record of one run.
type Config struct {
	Store store.Store
	Dir   string // the record's folder, which must not exist
	// Run has ID, Kind, Job, Master and Writer; the rest is the Writer's to fill.
	Run   Run
	Files map[string][]byte // such as plan.json and command.txt
	Now   func() time.Time
	// Warn hears, once, that events or run.json could not be written. It is called
	// from another goroutine.
	Warn func(error)
}

// Writer keeps the record of one run. Its methods may be called from any goroutine.
// Finish ends it.
type Writer struct {
	c    Config
	wake chan struct{} // there is something to write; closed by Finish
	done chan struct{} // closed when the goroutine has ended
	torn bool          // the goroutine's: events.jsonl may end within a line
	warn sync.Once     // for the first error

	mu      sync.Mutex
	run     Run
	changed bool      // run.json is out of date
	pending []byte    // lines to append
	held    []byte    // the newest event that repeats itself, if it was left out
	shown   time.Time // of the last such event that was not
	closed  bool      // no event is taken any more
}

// Events that repeat themselves (repeats) are written this far apart, and again
// before any other event. A run of days with many members must not fill the disk.
const repeatEvery = 10 * time.Second

// maxPending is how many bytes may wait for a slow store before events that repeat
// themselves are left out.
const maxPending = 1 << 20

// Create makes the record, in one step: readers find it whole, in state running, or
// not at all. An existing one is fs.ErrExist. A writer that is killed meanwhile may
// leave a hidden folder beside it.
func Create(ctx context.Context, c Config) (*Writer, error) {
	c.Dir = strings.TrimSuffix(c.Dir, "/")
	w := &Writer{c: c, run: c.Run, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.run.Version, w.run.State, w.run.Started, w.run.Outputs = Version, Running, c.Now(), []Artifact{}
	parent, name := path.Split(c.Dir)
	staging := fmt.Sprintf("%s.%s.new-%d-%d", parent, name, c.Run.Writer.PID, w.run.Started.UnixNano())
	files := map[string][]byte{}
	maps.Copy(files, c.Files)
	var err error
	if files[runFile], err = indented(w.run); err == nil {
		err = c.Store.Mkdir(ctx, staging+"/"+logsFolder)
	}
	for name, data := range files { // Publish makes them durable: Create would do it twice, at 2 ms each
		if err == nil {
			err = c.Store.Append(ctx, staging+"/"+name, data)
		}
	}
	if err == nil {
		err = c.Store.Publish(ctx, staging, c.Dir, false)
	}
	if err != nil {
		err = errors.Join(err, c.Store.Remove(context.WithoutCancel(ctx), staging))
		return nil, fmt.Errorf("record: make %s: %w", c.Dir, err)
	}
	go w.follow(context.WithoutCancel(ctx))
	return w, nil
}

// Event appends an event. It never blocks and never fails.
func (w *Writer) Event(e Event) {
	now := w.c.Now()
	line, err := encodeEntry(now, e)
	if err != nil {
		w.failed(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if repeats(e) && (now.Sub(w.shown) < repeatEvery || len(w.pending) > maxPending) {
		w.held = line
		return
	}
	if repeats(e) {
		w.shown, w.held = now, nil
	}
	w.takeHeld()
	w.pending = append(w.pending, line...)
	if up, ok := e.(Context); ok {
		w.run.Application, w.run.Master, w.run.TrackingURL = up.Application, up.Master, up.TrackingURL
		w.changed = true
	}
	w.signal()
}

// Finish writes what is left, the verdict, and how the run ended into run.json.
// A verdict that could not be written leaves run.json to tell of it.
func (w *Writer) Finish(ctx context.Context, v Verdict) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		w.takeHeld()
		w.signal()
		close(w.wake)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		return fmt.Errorf("record: finish %s: %w", w.c.Dir, context.Cause(ctx))
	}
	run := w.run // the goroutine has ended
	run.State, run.Ended = stateOf(v.Code), w.c.Now()
	run.Outputs = append(run.Outputs, v.Artifacts...)
	err := putJSON(ctx, w.c.Store, w.c.Dir+"/"+verdictFile, v)
	if err = errors.Join(err, putJSON(ctx, w.c.Store, w.c.Dir+"/"+runFile, run)); err != nil {
		return fmt.Errorf("record: finish %s: %w", w.c.Dir, err)
	}
	return nil
}

// repeats tells whether the next event of the same name has all that e has.
func repeats(e Event) bool {
	switch e.(type) {
	case Progress, Waiting:
		return true
	}
	return false
}

// takeHeld appends the event that was left out; the caller has the lock.
func (w *Writer) takeHeld() {
	w.pending = append(w.pending, w.held...)
	w.held = nil
}

// signal wakes the goroutine; the caller has the lock.
func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it will see this too
	}
}

// follow writes events until Finish.
func (w *Writer) follow(ctx context.Context) {
	defer close(w.done)
	for range w.wake {
		w.write(ctx)
	}
}

// write appends what is pending. What cannot be written is given up: a full disk
// must not end a run.
func (w *Writer) write(ctx context.Context) {
	w.mu.Lock()
	lines, run, changed := w.pending, w.run, w.changed
	w.pending, w.changed = nil, false
	w.mu.Unlock()
	if len(lines) > 0 {
		if w.torn {
			lines = append([]byte("\n"), lines...)
		}
		err := w.c.Store.Append(ctx, w.c.Dir+"/"+eventsFile, lines)
		if w.torn = err != nil; w.torn {
			w.failed(err)
		}
	}
	if changed {
		if err := putJSON(ctx, w.c.Store, w.c.Dir+"/"+runFile, run); err != nil {
			w.failed(err)
		}
	}
}

func (w *Writer) failed(err error) {
	w.warn.Do(func() { w.c.Warn(fmt.Errorf("record: write %s: %w", w.c.Dir, err)) })
}

// timeLayout is that of an event's time, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// encodeEntry is a line of events.jsonl.
func encodeEntry(at time.Time, e Event) ([]byte, error) {
	line, err := encode(e, `{"time":"`+at.UTC().Format(timeLayout)+`","event":"`+e.EventName()+`"`)
	return append(line, '\n'), err
}

// putJSON writes a file that is complete or absent.
func putJSON(ctx context.Context, s store.Store, path string, v any) error {
	data, err := indented(v)
	if err != nil {
		return err
	}
	file, err := s.Create(ctx, path)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err != nil {
		return errors.Join(err, file.Abort())
	}
	return file.Commit()
}

func indented(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}
