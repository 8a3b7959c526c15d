package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/store"
)

// RecordDir returns the folder of a run's record below the state folder.
func RecordDir(state, run string) string { return filepath.Join(state, "runs", run) }

// StateDir returns the folder for records: the setting, else
// $XDG_STATE_HOME/tfos, else ~/.local/state/tfos.
func StateDir(setting string, env Environ) (string, error) {
	switch {
	case store.Remote(setting), store.Remote(store.Canonical(setting)):
		return "", fail(exit.Usage, "record", "TFOS_STATE_DIR: %s: must be a folder of this machine", setting)
	case setting != "":
		return filepath.Abs(setting)
	case filepath.IsAbs(env.Get("XDG_STATE_HOME")): // XDG specification: ignore relative paths
		return filepath.Join(env.Get("XDG_STATE_HOME"), "tfos"), nil
	case env.Get("HOME") != "":
		return filepath.Join(env.Get("HOME"), ".local", "state", "tfos"), nil
	}
	return "", fail(exit.Usage, "record", "no place for the run's record: set TFOS_STATE_DIR")
}

// NewRecord makes the record that this process writes. Only the owner can read
// it, because job files may hold secrets. NewRecord sets Store and Run.Writer
// of c. An existing record of the run is a usage error.
func NewRecord(ctx context.Context, c record.Config) (*record.Writer, error) {
	var err error
	if c.Store, err = store.ForOwner(c.Dir); err == nil {
		c.Run.Writer, err = record.ThisProcess()
	}
	var w *record.Writer
	if err == nil {
		w, err = record.Create(ctx, c)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, RecordExists(ctx, c.Run.ID, c.Dir)
	case err != nil:
		return nil, fail(exit.Internal, "record", "make the run's record (set TFOS_STATE_DIR for another place): %w", err)
	}
	return w, nil
}

// RecordExists is the error of a run whose record is in dir already.
func RecordExists(ctx context.Context, run, dir string) error {
	return fail(exit.Usage, "record", "run %s has a record already, in %s%s: choose another --run-id", run, dir, stateIn(ctx, dir))
}

// RemakeRecord makes the record of a run that was not submitted anew, for this process to
// submit it. from is the launcher that has died. Who has the run instead is an error that
// wraps record.ErrAdopted or record.ErrTaken.
func RemakeRecord(ctx context.Context, c record.Config, from record.Process) (record.Run, error) {
	var err error
	if c.Store, err = store.For(c.Dir); err == nil {
		c.Run.Writer, err = record.ThisProcess()
	}
	if err != nil {
		return record.Run{}, fail(exit.Internal, "record", "make the run's record again: %w", err)
	}
	run, err := record.Remake(ctx, c, from)
	if err != nil {
		return run, fail(exit.Internal, "record", "%w", err)
	}
	return run, nil
}

// ReadRecord reads the record in dir. A folder without a record is fs.ErrNotExist.
func ReadRecord(ctx context.Context, dir string) (record.Status, error) {
	s, err := store.For(dir)
	if err != nil {
		return record.Status{}, err
	}
	return record.Read(ctx, s, dir, record.Process.Alive)
}

// stateIn says how the run of a record is, behind its folder; "" where that cannot be read.
func stateIn(ctx context.Context, dir string) string {
	status, err := ReadRecord(ctx, dir)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", status.State)
}
