package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"tfos/internal/store"
)

// Status is the state of a run, read from its record.
type Status struct {
	Run Run // the content of run.json
	// State is the state of the run now. Running: the writer lives, or nobody can
	// find out.
	State State
	// Unbegun says that the driver of a run in a cluster has not begun, and that the launcher
	// has ended. Whether the cluster has the application, only its manager can say.
	Unbegun bool
	Last    Entry // the newest event
	// Verdict is the content of verdict.json. If the writer died before it wrote that,
	// it is the driver's verdict among the events. Nil: none is known.
	Verdict *Verdict
	// Mirrored is how far each model_dir on a store was when a run was lost.
	Mirrored []MemberMirror
}

// Entry is one line of events.jsonl. The zero Entry means that there is no event.
type Entry struct {
	Time  time.Time
	Name  string
	Event Event           // nil: this version does not know it
	Line  json.RawMessage // the whole line
}

// Read reads the record in dir. alive reports whether the writer may still write. It
// returns true if that cannot be found out. If dir has no record, the error is
// fs.ErrNotExist.
//
// A record that a driver in the cluster writes is running until it has a verdict.
//
// The state follows from the verdict. If the writer died before it wrote one, the
// driver's verdict among the events counts. Without that the run is lost.
func Read(ctx context.Context, s store.Store, dir string, alive func(Process) bool) (Status, error) {
	dir = strings.TrimSuffix(dir, "/")
	status, err := read(ctx, s, dir, alive)
	if err != nil {
		return Status{}, fmt.Errorf("record: read %s: %w", dir, err)
	}
	return status, nil
}

func read(ctx context.Context, s store.Store, dir string, alive func(Process) bool) (Status, error) {
	run, err := readJSON[Run](ctx, s, dir+"/"+runFile)
	if err != nil {
		return Status{}, err
	}
	if run.Version < 1 {
		return Status{}, fmt.Errorf("%s has no version: %w", runFile, fs.ErrNotExist)
	}
	if run.Version > Version {
		return Status{}, fmt.Errorf("its version is %d, and this tfos knows those up to %d: use a newer tfos", run.Version, Version)
	}
	// alive comes before reading: a writer found dead here can write nothing later.
	// Whether a driver in the cluster lives, only the cluster manager can say.
	living := run.State == Running && alive(run.Writer)
	status := Status{Run: *run, State: run.State, Unbegun: run.State == Running && run.InCluster && !run.Adopted && !living}
	if status.Last, err = lastEntry(ctx, s, dir, func(Entry) bool { return true }); err != nil {
		return Status{}, err
	}
	status.Verdict, err = readJSON[Verdict](ctx, s, dir+"/"+verdictFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Status{}, err
	}
	if status.Verdict == nil && run.State == Running && !run.InCluster && !living {
		if status.Verdict, err = driverVerdictOf(ctx, s, dir); err != nil {
			return Status{}, err
		}
		status.State = Lost
		last, err := lastEntry(ctx, s, dir, func(e Entry) bool { return e.Name == Progress{}.EventName() })
		if err != nil {
			return Status{}, err
		}
		if p, ok := last.Event.(Progress); ok {
			status.Mirrored = p.Mirrored
		}
	}
	if status.Verdict != nil {
		status.Unbegun = false
		status.State = stateOf(status.Verdict.Code)
	}
	return status, nil
}

// driverVerdictOf returns the verdict among the events, or nil.
func driverVerdictOf(ctx context.Context, s store.Store, dir string) (*Verdict, error) {
	entry, err := lastEntry(ctx, s, dir, func(e Entry) bool { return e.Name == "verdict" })
	if v, ok := entry.Event.(Verdict); ok {
		return &v, err
	}
	return nil, err
}

func readJSON[T any](ctx context.Context, s store.Store, path string) (*T, error) {
	file, err := s.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// lastBytes is how much of events.jsonl is read at first, from its end.
const lastBytes = 64 << 10

// lastEntry returns the last event for which wanted is true, or the zero Entry. It skips
// incomplete lines, which a killed writer or a full disk leaves.
func lastEntry(ctx context.Context, s store.Store, dir string, wanted func(Entry) bool) (entry Entry, err error) {
	file, err := s.OpenAt(ctx, dir+"/"+eventsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, nil
	}
	if err != nil {
		return Entry{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for size := int64(lastBytes); ; size *= 4 {
		size = min(size, file.Size())
		data := make([]byte, size)
		if n, err := file.ReadAt(ctx, data, file.Size()-size); n < len(data) {
			return Entry{}, err
		}
		if size < file.Size() { // data may begin within a line
			_, data, _ = bytes.Cut(data, []byte("\n"))
		}
		for end := bytes.LastIndexByte(data, '\n'); end >= 0; end = bytes.LastIndexByte(data, '\n') {
			data = data[:end]
			if entry, ok := parseEntry(data[bytes.LastIndexByte(data, '\n')+1:]); ok && wanted(entry) {
				return entry, nil
			}
		}
		if size == file.Size() {
			return Entry{}, nil
		}
	}
}

func parseEntry(line []byte) (Entry, bool) {
	var head struct {
		Time time.Time `json:"time"`
		Name string    `json:"event"`
	}
	if json.Unmarshal(line, &head) != nil || head.Name == "" {
		return Entry{}, false
	}
	event, err := Parse(line)
	return Entry{head.Time, head.Name, event, line}, err == nil
}
