package node

import (
	"strings"
	"testing"

	"tfos/internal/reserve"
)

// TestASlowEndIsExplained: a run waits for the process of a program that has failed. The
// user gets a warning with the failure and the reason for waiting. Then the process is
// killed, and the verdict has the failure.
func TestASlowEndIsExplained(t *testing.T) {
	s := newScene(t, 1, nil)
	a := s.assignment(0, "hangs")
	a.Config.ExitMS = 1000
	p := s.act("run", a)
	warned := func(text string) map[string]any {
		return s.await("warning", func(e map[string]any) bool { return strings.Contains(e["message"].(string), text) })
	}
	first := warned("its process has not ended for 5s")["message"].(string)
	if !strings.HasPrefix(first, "worker:0: its program has failed (ValueError: bad shape)") || !strings.Contains(first, "have 1s (timeouts.exit)") {
		t.Errorf("warning %q", first)
	}
	warned("did not end within 1s (timeouts.exit) and was killed")
	if v := s.verdict(); v.Code != 6 || v.Cause != "ValueError: bad shape" || v.Member != "worker:0" || v.Signal != 9 {
		t.Errorf("verdict %+v", v)
	}
	if status, summary := p.end(); status != ExitDone || summary.Kind != reserve.Failed.String() {
		t.Errorf("status %d, %+v", status, summary)
	}
	nothingLeft(t, s.run, s.tmp)
}
