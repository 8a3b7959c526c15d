package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"

	"tfos/internal/store"
)

// Follower reads the record of a run while another process writes it.
type Follower struct {
	store  store.Store
	dir    string
	offset int64 // in events.jsonl, of the first line that was not read
}

// Follow returns a Follower that begins with the first event.
func Follow(s store.Store, dir string) *Follower {
	return &Follower{store: s, dir: strings.TrimSuffix(dir, "/")}
}

// Next returns the events that were appended since the last call. An incomplete last line
// is left for the next call. It skips lines that are no event.
func (f *Follower) Next(ctx context.Context) ([]Entry, error) {
	path := f.dir + "/" + eventsFile
	info, err := f.store.Stat(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size <= f.offset {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := f.store.ReadRange(ctx, path, f.offset, info.Size-f.offset)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	f.offset += int64(len(data))
	var entries []Entry
	for line := range bytes.Lines(data) {
		if entry, ok := parseEntry(bytes.TrimSpace(line)); ok {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// Run returns run.json.
func (f *Follower) Run(ctx context.Context) (Run, error) {
	run, err := readJSON[Run](ctx, f.store, f.dir+"/"+runFile)
	if err != nil {
		return Run{}, err
	}
	return *run, nil
}

// Verdict returns verdict.json, or nil if there is none.
func (f *Follower) Verdict(ctx context.Context) (*Verdict, error) {
	v, err := readJSON[Verdict](ctx, f.store, f.dir+"/"+verdictFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return v, err
}

// Stop is a launcher's request that a driver in the cluster ends its run in order.
type Stop struct {
	Reason string `json:"reason"`
}

// RequestStop leaves the request in the record.
func (f *Follower) RequestStop(ctx context.Context, stop Stop) error {
	return writeJSON(ctx, f.store, f.dir+"/"+stopFile, stop)
}

// Stopped returns the request, or nil.
func (f *Follower) Stopped(ctx context.Context) (*Stop, error) {
	stop, err := readJSON[Stop](ctx, f.store, f.dir+"/"+stopFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return stop, err
}

// File returns another file of the record, such as plan.json.
func (f *Follower) File(ctx context.Context, name string) (json.RawMessage, error) {
	data, err := readJSON[json.RawMessage](ctx, f.store, f.dir+"/"+name)
	if err != nil {
		return nil, err
	}
	return *data, nil
}
