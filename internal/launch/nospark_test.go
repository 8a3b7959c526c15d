package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// Without Spark no failure is Spark's. The driver has no context, and counts as
// started from its first event on.
func TestNoSpark(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         exit.Code
		cause        string
	}{
		{"success", driverUp + success, exit.Done, ""},
		{"silent", "stderr panic: boom\nexit 2", exit.Failed, "the driver died (exit 2)"},
		{"died", driverUp + "kill", exit.Failed, "the driver died (SIGKILL)"},
	} {
		c := config(t, tt.script)
		c.NoSpark = true
		got, err := Run(deadline(t), c)
		if err != nil || got.Code != tt.want || got.Cause != tt.cause {
			t.Errorf("%s: %d %q, %v", tt.name, got.Code, got.Cause, err)
		}
		if _, there := got.Seconds["submit"]; there {
			t.Errorf("%s: seconds %v", tt.name, got.Seconds)
		}
	}
}

// A verdict that was still in the pipe when the last process had ended gets
// that process's end time. So no phase has a negative duration.
func TestVerdictFromThePipe(t *testing.T) {
	c := Config{}
	c.setDefaults()
	w := newWatch(c, &group{gone: true}, time.Now().Add(-2*time.Second))
	w.ended = time.Now().Add(-time.Second)
	w.handleEvent(record.Verdict{})
	if got := w.phases.Seconds(w.ended)["stop"]; got != 0 {
		t.Errorf("stopped in %v s", got)
	}
}

// The driver's first event ends the wait for a SparkContext, which never comes.
func TestNoSparkFormation(t *testing.T) {
	c := config(t, driverUp+"spawn hang\nhang")
	c.NoSpark, c.Formation = true, 2*time.Second // a busy machine starts the driver late
	kill := make(chan struct{})
	time.AfterFunc(3*time.Second, func() { close(kill) })
	c.Kill = kill
	if got, err := Run(deadline(t), c); err != nil || got.Code != exit.Failed {
		t.Errorf("%d %q, %v", got.Code, got.Cause, err)
	}
}

func TestNoSparkNotStarted(t *testing.T) {
	c := config(t, "")
	c.NoSpark, c.Argv = true, []string{filepath.Join(t.TempDir(), "tfos-node"), "local"}
	if err := os.WriteFile(c.Argv[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Run(deadline(t), c)
	if CodeOf(err) != exit.Internal || !strings.Contains(err.Error(), "set TMPDIR to another") {
		t.Errorf("%d %v", CodeOf(err), err)
	}
}
