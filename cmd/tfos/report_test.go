package main

import (
	"strings"
	"testing"

	"tfos/internal/launch"
)

// TestReportOfSuccess: logs of all members, and what the chief has printed.
func TestReportOfSuccess(t *testing.T) {
	v := launch.Verdict{Logs: []launch.MemberLog{
		{Member: "worker:0", Host: "a", Path: "/log/0", Stdout: []string{"epoch 1", "accuracy 0.9"}},
		{Member: "worker:1", Host: "b", Path: "/log/1"},
	}}
	for _, test := range []struct {
		printed bool
		want    string
	}{
		{false, "  log      worker:0: /log/0 on a\n  log      worker:1: /log/1 on b\n"},
		{true, "  log      worker:0: /log/0 on a\n  stdout   the last lines:\n           | epoch 1\n           | accuracy 0.9\n  log      worker:1: /log/1 on b\n"},
	} {
		var b strings.Builder
		writeReport(&b, "job", v, test.printed)
		if !strings.Contains(b.String(), test.want) {
			t.Errorf("%v: %s", test.printed, b.String())
		}
	}
}
