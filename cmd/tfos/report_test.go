package main

import (
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/record"
)

// TestReportOfFiles: which files were kept, and which were not.
func TestReportOfFiles(t *testing.T) {
	var b strings.Builder
	writeReport(&b, "job", record.Verdict{Code: exit.Failed, WorkingFiles: []record.MemberFiles{
		{Member: "worker:0", Files: 12, Bytes: 3_410_000, UploadedFiles: 11, UploadedBytes: 3_400_000, UploadedTo: "/kept/worker-0"},
		{Member: "worker:1", Files: 1, Bytes: 999},
		{Member: "ps:0", Files: 2, Bytes: 5_000_000_000, UploadedFiles: 2, UploadedBytes: 5_000_000_000, UploadedTo: "/kept/ps-0"},
	}}, false)
	for _, want := range []string{
		"  files    worker:0: 11 files, 3.4 MB in /kept/worker-0; 1 file, 10.0 kB not kept (app.python.outputs keeps files)\n",
		"  files    worker:1: 1 file, 999 bytes not kept (app.python.outputs keeps files)\n",
		"  files    ps:0: 2 files, 5.0 GB in /kept/ps-0\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in %s", want, b.String())
		}
	}
}

// TestReportOfSuccess: the logs of all members, and the chief's output.
func TestReportOfSuccess(t *testing.T) {
	v := record.Verdict{Logs: []record.MemberLog{
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
