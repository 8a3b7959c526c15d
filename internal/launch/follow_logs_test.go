package launch

import (
	"context"
	"os"
	"strings"
	"testing"

	"tfos/internal/cluster"
	"tfos/internal/exit"
	"tfos/internal/record"
)

// withLogs is a manager that has the logs of what is gone.
type withLogs struct {
	*clusterOf
	logs map[string][]string
}

func (m withLogs) Lines(_ context.Context, page string) ([]string, error) {
	lines, ok := m.logs[page]
	if !ok {
		return nil, os.ErrNotExist
	}
	return lines, nil
}

// A failed run's message has the last lines of the log of who failed: of the member that the
// verdict names, or of a driver that has left no verdict.
func TestFollowLogs(t *testing.T) {
	logs := map[string][]string{"http://n/out": {}, "http://n/err": {"driver's"}, "http://n/member": {"member's"}}
	dead := cluster.State{Phase: cluster.Failed, Logs: []string{"http://n/gone", "http://n/out", "http://n/err"}}
	for name, tt := range map[string]struct {
		state  cluster.State
		driver *record.Verdict // nil: it has left none
		lines  string
		path   string
	}{
		"silent driver":    {dead, nil, "driver's", "http://n/err"},
		"killed":           {cluster.State{Phase: cluster.Killed, Logs: dead.Logs}, nil, "", ""},
		"lost member":      {dead, &record.Verdict{Code: exit.Failed, LogPath: "http://n/member"}, "member's", "http://n/member"},
		"member with text": {dead, &record.Verdict{Code: exit.Failed, LogPath: "http://n/member", Stderr: []string{"own"}}, "own", "http://n/member"},
		"no page":          {dead, &record.Verdict{Code: exit.Failed, LogPath: "/tmp/log"}, "", "/tmp/log"},
		"done":             {cluster.State{Phase: cluster.Succeeded}, &record.Verdict{LogPath: "http://n/member"}, "", "http://n/member"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := running()
			m.set(tt.state, nil)
			f := newFollowed(t, withLogs{m, logs})
			if tt.driver != nil {
				f.drive(begun)
				f.finish(*tt.driver)
			}
			if v := f.follow(t.Context()); strings.Join(v.Stderr, "\n") != tt.lines || v.LogPath != tt.path {
				t.Errorf("%q of %s", v.Stderr, v.LogPath)
			}
			if s := f.recorded(); tt.driver == nil && strings.Join(s.Verdict.Stderr, "\n") != tt.lines {
				t.Errorf("record %+v", s.Verdict)
			}
		})
	}
}
