package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tfos/internal/exit"
)

func TestScratch(t *testing.T) {
	tmp := t.TempDir()
	s, err := NewScratch(tmp, "r1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Dir)
	if err != nil || info.Mode().Perm() != 0o700 || s.Dir != filepath.Join(tmp, "tfos-r1") {
		t.Errorf("%s: %v, %v", s.Dir, info.Mode(), err)
	}
	if err := s.Write("tfos-node", 0o700, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := executable(s.Path("tfos-node")); err != nil {
		t.Error(err)
	}
	if _, err := NewScratch(tmp, "r1"); CodeOf(err) != exit.Internal || !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same folder twice: %v", err)
	}

	if err := s.Remove(0); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		patience         time.Duration
		fails, wantCalls int
	}{{0, 0, 1}, {0, 9, 1}, {time.Minute, 2, 3}} {
		calls := 0
		err := retry(tt.patience, func() error {
			if calls++; calls <= tt.fails {
				return syscall.ENOTEMPTY
			}
			return nil
		})
		if calls != tt.wantCalls || (err == nil) != (calls > tt.fails) {
			t.Errorf("patience %v, %d failures: %d calls, %v", tt.patience, tt.fails, calls, err)
		}
	}
}

// Links to Spark's home keep Spark's own work folder clean.
func TestSparkHome(t *testing.T) {
	home := place(t, map[string]string{"bin/spark-submit": "x", "jars/a.jar": "x", "work/app-1/stderr": "x"})
	s, err := NewScratch(t.TempDir(), "r")
	if err != nil {
		t.Fatal(err)
	}
	farm, err := s.SparkHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(farm + "/jars/a.jar"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(farm+"/work/new", nil, 0o600); err != nil {
		t.Error(err)
	}
	if err := s.Remove(0); err != nil {
		t.Fatal(err)
	}
	work, err := os.ReadDir(home + "/work")
	if err != nil || len(work) != 1 {
		t.Errorf("Spark's own work folder: %v, %v", work, err)
	}
	if _, err := os.Stat(home + "/jars/a.jar"); err != nil {
		t.Errorf("Spark itself: %v", err)
	}
}

func TestStateDir(t *testing.T) {
	tests := []struct {
		setting string
		env     Environ
		want    string
	}{
		{"/s", Environ{"HOME=/h", "XDG_STATE_HOME=/x"}, "/s"},
		{"", Environ{"HOME=/h", "XDG_STATE_HOME=/x"}, "/x/tfos"},
		{"", Environ{"HOME=/h", "XDG_STATE_HOME=x"}, "/h/.local/state/tfos"},
		{"", Environ{"HOME=/h"}, "/h/.local/state/tfos"},
	}
	for _, tt := range tests {
		if got, err := StateDir(tt.setting, tt.env); err != nil || got != tt.want {
			t.Errorf("StateDir(%q, %q) = %q, %v; want %q", tt.setting, tt.env, got, err, tt.want)
		}
	}
	for _, url := range []string{"s3://b/records", "hdfs:/records"} {
		if _, err := StateDir(url, nil); CodeOf(err) != exit.Usage {
			t.Errorf("StateDir(%q): %v", url, err)
		}
	}
	if _, err := StateDir("", nil); CodeOf(err) != exit.Usage {
		t.Errorf("no place: %v", err)
	}
}
