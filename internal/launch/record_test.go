package launch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

func TestNewRecord(t *testing.T) {
	dir := RecordDir(t.TempDir(), "r1")
	c := record.Config{Dir: dir, Run: record.Run{ID: "r1"}, Now: time.Now, Warn: func(err error) { t.Error(err) }}
	w, err := NewRecord(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRecord(t.Context(), c); CodeOf(err) != exit.Usage || !strings.Contains(err.Error(), dir+" (running): choose another") {
		t.Errorf("the same run twice: %v", err)
	}
	s, err := ReadRecord(t.Context(), dir)
	if err != nil || s.State != record.Running || s.Run.Writer.PID != os.Getpid() {
		t.Errorf("%+v, %v", s, err)
	}
	if err := w.Finish(t.Context(), record.Verdict{Code: exit.NotFormed}); err != nil {
		t.Fatal(err)
	}
	if s, err = ReadRecord(t.Context(), dir); err != nil || s.State != record.Failed {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := ReadRecord(t.Context(), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without a record: %v", err)
	}
	for _, path := range []string{filepath.Dir(dir), dir, dir + "/logs"} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Dir = RecordDir(file, "r")
	if _, err := NewRecord(t.Context(), c); CodeOf(err) != exit.Internal {
		t.Errorf("a state folder that is a file: %v", err)
	}
}

// A full disk loses the log, and fails neither a run nor a submission.
func TestFullDisk(t *testing.T) {
	for name, start := range map[string]func(context.Context, Config) error{
		"run": func(ctx context.Context, c Config) error {
			v, err := Run(ctx, c)
			if v.Code != exit.Done {
				t.Errorf("run: %+v", v)
			}
			return err
		},
		"submission": Submit,
	} {
		c := config(t, `print a word of the program
event {"event":"verdict","code":0}
print more words
`)
		if err := os.Symlink("/dev/full", c.sparkLog()); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		c.Event = func(e record.Event) {
			if w, ok := e.(record.Warning); ok {
				warnings = append(warnings, w.Message)
			}
		}
		if err := start(deadline(t), c); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "lacks a part") {
			t.Errorf("%s: %v, warnings %q", name, err, warnings)
		}
	}
}
