package node

import (
	"strings"
	"testing"
	"unicode/utf8"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

func TestJudgeChild(t *testing.T) {
	running := programSummary{attached: true, phase: "running"}
	failed := running
	failed.failure = &feed.Failure{Phase: "importing", Cause: "ValueError: bad\n shape", Code: 6}
	complete := programSummary{attached: true, phase: reserve.PhaseEnded}
	for _, test := range []struct {
		name    string
		kind    string
		end     childEnd
		program programSummary
		stderr  []string
		want    reserve.Outcome // Cause: a part of it
	}{
		{"success", childPython, childEnd{}, running, nil,
			reserve.Outcome{Kind: reserve.Succeeded, Phase: reserve.PhaseEnded}},
		{"exit status 0 of an interpreter that starts nothing", childPython, childEnd{}, programSummary{phase: phaseStarting}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, Cause: "started no program: correct app.python.interpreter"}},
		{"exit status 0 of a program that is imported", childPython, childEnd{}, programSummary{attached: true, phase: "importing"}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "importing", Cause: "its function never ran"}},
		{"exit status 0 of a program that has failed", childPython, childEnd{}, failed, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "importing", Cause: "ValueError: bad shape", VerdictCode: 6}},
		{"a crash after the program had ended", childPython, childEnd{Exit: -1, Signal: 11}, complete, nil,
			reserve.Outcome{Kind: reserve.Succeeded, Phase: reserve.PhaseEnded}},
		{"exit status", childPython, childEnd{Exit: 3}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: 3, Cause: "exit status 3"}},
		{"exception", childPython, childEnd{Exit: 1}, failed, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "importing", ExitCode: 1, Cause: "ValueError: bad shape", VerdictCode: 6}},
		{"killed", childPython, childEnd{Exit: -1, Signal: 9}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: -1, Signal: 9, Cause: "killed by signal 9 (SIGKILL): often the out-of-memory killer"}},
		{"killed for memory", childPython, childEnd{Exit: -1, Signal: 9, OutOfMemory: &outOfMemory{Limit: 5 << 29}}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: -1, Signal: 9, Cause: "killed by the kernel: memory: all processes of its container had 2.5 GiB together"}},
		{"killed for memory of the host", childPython, childEnd{Exit: -1, Signal: 9, OutOfMemory: &outOfMemory{}}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: -1, Signal: 9, Cause: "killed by the kernel: memory: its host had no more"}},
		{"crashed", childPython, childEnd{Exit: -1, Signal: 11}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: -1, Signal: 11, Cause: "killed by signal 11 (SIGSEGV)"}},
		{"no interpreter", childPython, childEnd{Exit: -1, Error: `exec: "py": not found`}, programSummary{phase: phaseStarting}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: -1, Cause: `cannot be started: exec: "py"`}},
		{"guard killed", childPython, childEnd{Exit: -1, GuardLost: true}, running, nil,
			reserve.Outcome{Kind: reserve.Lost, Phase: "running", ExitCode: -1, Cause: "guard"}},
		{"engine, 127", childEngine, childEnd{Exit: 127}, programSummary{phase: phaseStarting}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: 127, Cause: "no libtensorflow on h1: install it there (pip install tensorflow-cpu), or name its folder as tensorflow.lib_dir"}},
		{"engine, loader", childEngine, childEnd{Exit: 1}, programSummary{phase: phaseStarting},
			[]string{"./tfos-engine: error while loading shared libraries: libtensorflow_cc.so.2: cannot open"},
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: 1, Cause: "no libtensorflow on h1"}},
		{"engine, another library", childEngine, childEnd{Exit: 127}, programSummary{phase: phaseStarting},
			[]string{"./tfos-engine: symbol lookup error: ./tfos-engine: undefined symbol: TF_NewGraph"},
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: 127, Cause: "libtensorflow on h1 does not fit (./tfos-engine: symbol lookup error: ./tfos-engine: undefined symbol: TF_NewGraph): install another there"}},
		{"engine, an old libc", childEngine, childEnd{Exit: 1}, programSummary{phase: phaseStarting},
			[]string{"./tfos-engine: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./tfos-engine)"},
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: 1, Cause: "does not fit (./tfos-engine: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38'"}},
		{"engine absent", childEngine, childEnd{Exit: -1, Error: "no such file"}, programSummary{phase: phaseStarting}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: -1, Cause: "no libtensorflow on h1 (no such file)"}},
		{"engine, 127 of its own", childEngine, childEnd{Exit: 127}, running, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: "running", ExitCode: 127, Cause: "exit status 127"}},
		{"python, 127", childPython, childEnd{Exit: 127}, programSummary{phase: phaseStarting}, nil,
			reserve.Outcome{Kind: reserve.Failed, Phase: phaseStarting, ExitCode: 127, Cause: "exit status 127"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := judgeChild(test.kind, test.end, test.program, test.stderr, "h1")
			if got.Kind != test.want.Kind || got.Phase != test.want.Phase || got.ExitCode != test.want.ExitCode ||
				got.Signal != test.want.Signal || got.VerdictCode != test.want.VerdictCode {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if !strings.Contains(got.Cause, test.want.Cause) || (test.want.Cause == "") != (got.Cause == "") {
				t.Errorf("cause %q, want %q", got.Cause, test.want.Cause)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\n\tb\xff c "); got != "a b? c" {
		t.Errorf("%q", got)
	}
	long := oneLine(strings.Repeat("é", longestCause))
	if !utf8.ValidString(long) || len(long) > longestCause+len("…") || !strings.HasSuffix(long, "…") {
		t.Errorf("%d bytes, valid: %v", len(long), utf8.ValidString(long))
	}
}

func TestJudgeChildFindsTheFatalLine(t *testing.T) {
	for _, line := range []string{
		"2026-11-29 07:00:00.1: F tensorflow/core/framework/tensor.cc:852] Check failed: dtype() == expected (1 vs. 2)",
		"F0000 00:00:1764400000.000001   12 tensor_shape.cc:356] Check failed: size >= 0 (-1 vs. 0)",
		"  what():  std::bad_alloc",
	} {
		got := judgeChild(childPython, childEnd{Exit: -1, Signal: 6}, programSummary{attached: true, phase: "running"},
			[]string{"2026-11-29 07:00:00.1: I tensorflow/core/a.cc:1] Fine", line, "*** Check failure stack trace: ***", "Fatal Python error: Aborted"}, "h1")
		if want := oneLine("killed by signal 6 (SIGABRT): " + line); got.Cause != want {
			t.Errorf("%q, want %q", got.Cause, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := oneLine("\x1b[31mred\x1b[0m \x1b]0;title\x07a\x08b\rc\u009b"); got != "red ab c" {
		t.Errorf("%q", got)
	}
}
