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

// Config configures the Writer of one record.
type Config struct {
	Store store.Store
	Dir   string // the record's folder, which must not exist
	// Run has ID, Kind, Job, Master and Writer. The Writer sets the other fields.
	Run   Run
	Files map[string][]byte // more files by name, such as plan.json and command.txt
	Now   func() time.Time
	// Warn is called once if events or run.json cannot be written. The call may come
	// from another goroutine.
	Warn func(error)
}

// Writer keeps the record of one run. Its methods may be called from any goroutine.
// Finish ends it.
type Writer struct {
	c    Config
	wake chan struct{} // signals that there is something to write; closed by Finish
	done chan struct{} // closed when the goroutine has ended
	torn bool          // events.jsonl may end within a line; only the goroutine uses it
	warn sync.Once     // for the first error

	mu         sync.Mutex
	run        Run
	changed    bool      // run.json is out of date
	pending    []byte    // lines to append
	postponed  []byte    // the newest event that repeats itself, if it was left out
	lastRepeat time.Time // of the last such event that was not
	closed     bool      // no event is taken any more
}

// repeatEvery is the shortest time between two repeating events (isRepeating) that are
// written. The newest is also written before any other event. A run of days with many
// members must not fill the disk.
const repeatEvery = 10 * time.Second

// maxPending is how many bytes may wait for a slow store. Above it, repeating events
// are postponed.
const maxPending = 1 << 20

// begun is run.json of a run that begins now.
func (c Config) begun() Run {
	run := c.Run
	run.Version, run.State, run.Started, run.Outputs = Version, Running, c.Now(), []Artifact{}
	return run
}

// Create makes the record in one step: readers find it complete, in state running, or
// not at all. If the folder exists, the error is fs.ErrExist. If the process is killed
// in Create, it may leave a hidden folder beside Dir.
func Create(ctx context.Context, c Config) (*Writer, error) {
	c.Dir = strings.TrimSuffix(c.Dir, "/")
	w := &Writer{c: c, run: c.begun(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	parent, name := path.Split(c.Dir)
	staging := fmt.Sprintf("%s.%s.new-%d-%d", parent, name, c.Run.Writer.PID, w.run.Started.UnixNano())
	files := map[string][]byte{}
	maps.Copy(files, c.Files)
	var err error
	if files[runFile], err = indented(w.run); err == nil {
		err = c.Store.Mkdir(ctx, staging+"/"+logsFolder)
	}
	for name, data := range files { // Append and not WriteFile: Publish makes files durable, which costs 2 ms each
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
	go w.writeUntilFinish(context.WithoutCancel(ctx))
	return w, nil
}

// Run returns what the writer would write into run.json.
func (w *Writer) Run() Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.run
}

// Leave ends the writer without a verdict: from now on another process writes the record.
func (w *Writer) Leave() {
	w.close()
	<-w.done
}

// close takes no more events. The writer's goroutine ends when it has written the pending ones.
func (w *Writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	w.appendPostponed()
	w.wakeUp()
	close(w.wake)
}

// Event appends an event. It does not wait for the store. An error goes to Warn.
func (w *Writer) Event(e Event) {
	now := w.c.Now()
	line, err := encodeEntry(now, e)
	if err != nil {
		w.warnOnce(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if isRepeating(e) && (now.Sub(w.lastRepeat) < repeatEvery || len(w.pending) > maxPending) {
		w.postponed = line
		return
	}
	if isRepeating(e) {
		w.lastRepeat, w.postponed = now, nil
	}
	w.appendPostponed()
	w.pending = append(w.pending, line...)
	if up, ok := e.(Context); ok {
		w.run.Application, w.run.Master, w.run.TrackingURL = up.Application, up.Master, up.TrackingURL
		w.run.ManagerURL = up.ManagerURL
		w.changed = true
	}
	w.wakeUp()
}

// Finish writes the pending events, the verdict, and the end of the run into run.json.
// It writes run.json even if it could not write the verdict.
func (w *Writer) Finish(ctx context.Context, v Verdict) error {
	w.close()
	select {
	case <-w.done:
	case <-ctx.Done():
		return fmt.Errorf("record: finish %s: %w", w.c.Dir, context.Cause(ctx))
	}
	run := w.run // without the lock: the goroutine has ended
	run.State, run.Ended = stateOf(v.Code), w.c.Now()
	run.Outputs = append(run.Outputs, v.Artifacts...)
	err := writeJSON(ctx, w.c.Store, w.c.Dir+"/"+verdictFile, v)
	if err = errors.Join(err, writeJSON(ctx, w.c.Store, w.c.Dir+"/"+runFile, run)); err != nil {
		return fmt.Errorf("record: finish %s: %w", w.c.Dir, err)
	}
	return nil
}

// isRepeating reports whether the next event of the same type replaces e.
func isRepeating(e Event) bool {
	switch e.(type) {
	case Progress, Waiting:
		return true
	}
	return false
}

// appendPostponed appends the postponed event, if any. The caller holds the lock.
func (w *Writer) appendPostponed() {
	w.pending = append(w.pending, w.postponed...)
	w.postponed = nil
}

// wakeUp wakes the goroutine. The caller holds the lock.
func (w *Writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default: // a signal is pending already
	}
}

// writeUntilFinish writes pending events until Finish. It is the writer's goroutine.
func (w *Writer) writeUntilFinish(ctx context.Context) {
	defer close(w.done)
	for range w.wake {
		w.writePending(ctx)
	}
}

// writePending appends the pending events and replaces run.json if it has changed.
// It drops what cannot be written: a full disk must not end a run.
func (w *Writer) writePending(ctx context.Context) {
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
			w.warnOnce(err)
		}
	}
	if changed {
		if err := writeJSON(ctx, w.c.Store, w.c.Dir+"/"+runFile, run); err != nil {
			w.warnOnce(err)
		}
	}
}

func (w *Writer) warnOnce(err error) {
	w.warn.Do(func() { w.c.Warn(fmt.Errorf("record: write %s: %w", w.c.Dir, err)) })
}

// timeLayout is the layout of an event's time, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// encodeEntry returns a line of events.jsonl.
func encodeEntry(at time.Time, e Event) ([]byte, error) {
	line, err := encode(e, `{"time":"`+at.UTC().Format(timeLayout)+`","event":"`+e.EventName()+`"`)
	return append(line, '\n'), err
}

// writeJSON writes v as a file. An error leaves no partial file.
func writeJSON(ctx context.Context, s store.Store, path string, v any) error {
	data, err := indented(v)
	if err != nil {
		return err
	}
	return store.WriteFile(ctx, s, path, data)
}

func indented(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}
