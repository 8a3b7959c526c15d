package launch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"tfos/internal/exit"
)

// Record is the folder of a run that is kept: plan.json, command.txt,
// spark.log, verdict.json and logs/. It is for its owner's eyes: job files may
// hold secrets.
type Record struct{ Dir string }

// RecordDir is where the record of a run lies below the state folder.
func RecordDir(state, run string) string { return filepath.Join(state, "runs", run) }

// StateDir is the folder for records: the setting, else $XDG_STATE_HOME/tfos,
// else ~/.local/state/tfos.
func StateDir(setting string, env Environ) (string, error) {
	switch {
	case setting != "":
		return filepath.Abs(setting)
	case filepath.IsAbs(env.Get("XDG_STATE_HOME")): // the XDG specification: relative ones are ignored
		return filepath.Join(env.Get("XDG_STATE_HOME"), "tfos"), nil
	case env.Get("HOME") != "":
		return filepath.Join(env.Get("HOME"), ".local", "state", "tfos"), nil
	}
	return "", fail(exit.Usage, "record", "no place for the run's record: set TFOS_STATE_DIR")
}

// NewRecord makes the folder. Every run has its own: an existing one is a
// usage error.
func NewRecord(state, run string) (Record, error) {
	r := Record{Dir: RecordDir(state, run)}
	err := os.MkdirAll(filepath.Dir(r.Dir), 0o700)
	if err == nil {
		err = os.Mkdir(r.Dir, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return Record{}, fail(exit.Usage, "record", "run %s has a record already, in %s: choose another --run-id", run, r.Dir)
	}
	if err == nil {
		err = os.Mkdir(r.Logs(), 0o700)
	}
	if err != nil {
		return Record{}, fail(exit.Internal, "record", "make the run's record (set TFOS_STATE_DIR for another place): %w", err)
	}
	return r, nil
}

// Logs is the folder for members' output.
func (r Record) Logs() string { return filepath.Join(r.Dir, "logs") }

// SparkLog is spark-submit's standard error and what the driver prints beside
// its events.
func (r Record) SparkLog() string { return filepath.Join(r.Dir, "spark.log") }

// Write makes a file that is complete or absent.
func (r Record) Write(name string, data []byte) error {
	if err := writeFile(filepath.Join(r.Dir, name), data); err != nil {
		return fail(exit.Internal, "record", "write %s: %w", name, err)
	}
	return nil
}

// WriteJSON writes v, indented.
func (r Record) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fail(exit.Internal, "record", "write %s: %w", name, err)
	}
	return r.Write(name, append(data, '\n'))
}

func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
