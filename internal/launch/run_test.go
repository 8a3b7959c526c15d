package launch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
)

const (
	driverUp  = "event {\"event\":\"driver\",\"pid\":PID}\n"
	contextUp = driverUp + "event {\"event\":\"context\",\"application\":\"app-1\",\"master\":\"local\",\"spark_version\":\"3.5.9\"}\n"
	formed    = contextUp + "event {\"event\":\"formed\",\"members\":[{\"job\":\"worker\",\"index\":0,\"host\":\"h\"}],\"seconds\":1}\n"
	success   = "event {\"event\":\"verdict\",\"code\":0,\"rows\":{\"read\":10,\"trained\":8,\"dropped\":1,\"quarantined\":1}," +
		"\"feeds\":[{\"member\":\"worker:0\",\"feed\":\"train\",\"epoch\":0,\"received\":10,\"trained\":8,\"dropped\":1,\"quarantined\":1}]," +
		"\"artifacts\":[{\"kind\":\"saved_model\",\"path\":\"/out\"}]}\n"
	failure = "event {\"event\":\"verdict\",\"code\":5,\"cause\":\"ValueError: bad\",\"phase\":\"running\",\"member\":\"worker:1\"," +
		"\"host\":\"h\",\"exit_code\":1,\"stderr\":[\"a\",\"b\"],\"log_path\":\"/l\",\"retryable\":false}\n"
)

// Every way to a verdict. Where possible the exit status of spark-submit
// contradicts the verdict.
func TestVerdict(t *testing.T) {
	tests := []struct {
		name, script string
		want         record.Verdict // compared are Code, Cause, Phase, Member, Retryable, ExitCode, Signal
	}{
		{"success", formed + success + "exit 0", record.Verdict{}},
		{"success, spark-submit ends badly", formed + success + "exit 1", record.Verdict{}},
		{"failure, spark-submit ends well", formed + failure + "exit 0",
			record.Verdict{Code: exit.Failed, Cause: "ValueError: bad", Phase: "running", Member: "worker:1", ExitCode: 1}},
		{"the first verdict counts", formed + failure + success, record.Verdict{Code: exit.Failed, Cause: "ValueError: bad", Phase: "running", Member: "worker:1", ExitCode: 1}},
		{"no context", "stderr Error: Master must either be yarn\nexit 1",
			record.Verdict{Code: exit.NoSpark, Phase: "submit", ExitCode: 1,
				Cause: "spark-submit ended before the application started (exit 1): Error: Master must either be yarn"}},
		{"no context, an exception of the driver", driverUp + "print ModuleNotFoundError: No module named 'pandas'\nstderr 24/01/01 10:00:00 ERROR A: b\nexit 1",
			record.Verdict{Code: exit.NoSpark, Phase: "submit", ExitCode: 1,
				Cause: "spark-submit ended before the application started (exit 1): ModuleNotFoundError: No module named 'pandas'"}},
		{"no context, an exception of Java in the driver", driverUp + "stderr 24/01/01 10:00:00 ERROR SparkContext: Error initializing SparkContext.\nstderr x.SparkException: Could not parse Master URL\n" +
			"print py4j.protocol.Py4JJavaError: An error occurred while calling x.\nexit 1", record.Verdict{Code: exit.NoSpark, Phase: "submit", ExitCode: 1,
			Cause: "spark-submit ended before the application started (exit 1): SparkContext: Error initializing SparkContext: x.SparkException: Could not parse Master URL"}},
		{"no context, exit 0", "stderr 24/01/01 10:00:00 INFO SparkContext: hello\nexit 0",
			record.Verdict{Code: exit.NoSpark, Phase: "submit", Cause: "spark-submit ended before the application started (exit 0)"}},
		{"a driver but no context", driverUp + "kill",
			record.Verdict{Code: exit.NoSpark, Phase: "submit", ExitCode: -1, Signal: 9, Cause: "spark-submit ended before the application started (SIGKILL)"}},
		{"driver died", contextUp + "print RuntimeError: reserve is gone\nstderr 24/01/01 10:00:00 ERROR Worker: shutting down\nexit 1",
			record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, ExitCode: 1, Cause: "the driver died (exit 1): RuntimeError: reserve is gone"}},
		{"driver died by exit 0", contextUp + "exit 0", record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, Cause: "the driver died (exit 0)"}},
		{"driver killed", formed + "kill", record.Verdict{Code: exit.Failed, Phase: "driver", Retryable: true, ExitCode: -1, Signal: 9, Cause: "the driver died (SIGKILL)"}},
		{"malformed events are none", "print @tfos {\nprint @tfos null\nprint @tfos {\"event\":\"verdict\"}\nprint @tfos {\"event\":\"verdict\",\"code\":\"0\"}\n" + formed + failure,
			record.Verdict{Code: exit.Failed, Cause: "ValueError: bad", Phase: "running", Member: "worker:1", ExitCode: 1}},
		{"an event of a newer driver", "event {\"event\":\"dance\"}\n" + formed + success, record.Verdict{}},
		{"huge lines", "long 3000000 hello\nlong 17000000 @tfos {\n" + formed + success, record.Verdict{}},
		{"no newline at the end", formed + strings.Replace(success, "event ", "print @tfos ", 1) + "exit 0", record.Verdict{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t, tt.script)
			got, err := Run(deadline(t), c)
			if err != nil {
				t.Fatal(err)
			}
			pick := func(v record.Verdict) [7]any {
				return [7]any{v.Code, v.Cause, v.Phase, v.Member, v.Retryable, v.ExitCode, v.Signal}
			}
			if pick(got) != pick(tt.want) {
				t.Errorf("verdict\n got %v\nwant %v", pick(got), pick(tt.want))
			}
			if got.Run != "r1" || got.Record != c.Record {
				t.Errorf("run %q, record %q", got.Run, got.Record)
			}
		})
	}
}

func TestVerdictKeepsWhatTheDriverSaid(t *testing.T) {
	got, err := Run(deadline(t), config(t, formed+
		"event {\"event\":\"progress\",\"members\":[{\"member\":\"worker:0\",\"phase\":\"exporting\"}]}\n"+success))
	if err != nil {
		t.Fatal(err)
	}
	if want := (record.Rows{Read: 10, Trained: 8, Dropped: 1, Quarantined: 1}); got.Rows != want {
		t.Errorf("rows %+v, want %+v", got.Rows, want)
	}
	if len(got.Feeds) != 1 || got.Feeds[0].Received != 10 || len(got.Artifacts) != 1 || got.Artifacts[0].Path != "/out" {
		t.Errorf("feeds %+v, artifacts %+v", got.Feeds, got.Artifacts)
	}
	for _, phase := range []string{"submit", "form", "run", "export", "stop", "total"} {
		if _, ok := got.Seconds[phase]; !ok {
			t.Errorf("no seconds for %s: %v", phase, got.Seconds)
		}
	}
}

// A driver without a SparkContext knows the reason. The traces are in the log.
func TestVerdictOfNoContextNamesTheLog(t *testing.T) {
	c := config(t, driverUp+"event {\"event\":\"verdict\",\"code\":3,\"phase\":\"submit\",\"cause\":\"no such host\"}\nprint py4j.protocol.Py4JJavaError: x\nexit 1")
	got, err := Run(deadline(t), c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Code != exit.NoSpark || got.Cause != "no such host" || len(got.Stderr) > 0 || got.LogPath != c.sparkLog() {
		t.Errorf("%+v", got)
	}
}

// A huge event costs bounded memory and a warning. The events after it are
// read.
func TestHugeEvent(t *testing.T) {
	c := config(t, driverUp+"long 17000000 @tfos {\nprint @tfos {\n"+success)
	var warnings []string
	c.Event = func(e record.Event) {
		if w, ok := e.(record.Warning); ok {
			warnings = append(warnings, w.Message)
		}
	}
	got, err := Run(deadline(t), c)
	if err != nil || got.Code != exit.Done {
		t.Errorf("code %d, %v", got.Code, err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "16 MiB") || !strings.Contains(warnings[1], "no event") {
		t.Errorf("warnings %q", warnings)
	}
}

// Output without events goes to the record and to Output. Spark's log always
// goes to the record, and to SparkLog if it is set.
func TestOutput(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		c := config(t, "print hello from the program\nstderr INFO a log line\n"+formed+success)
		var output, log strings.Builder
		var events []record.Event
		c.Output = &output
		c.Event = func(e record.Event) { events = append(events, e) }
		if verbose {
			c.SparkLog = &log
		}
		if _, err := Run(deadline(t), c); err != nil {
			t.Fatal(err)
		}
		if output.String() != "hello from the program\n" {
			t.Errorf("output %q", output.String())
		}
		if want := "INFO a log line\n"; verbose != (log.String() == want) {
			t.Errorf("verbose %v: log %q", verbose, log.String())
		}
		kept, err := os.ReadFile(c.sparkLog())
		if err != nil || !strings.Contains(string(kept), "hello from the program\n") || !strings.Contains(string(kept), "INFO a log line\n") {
			t.Errorf("record %q, %v", kept, err)
		}
		if len(events) != 4 || events[0].(record.Driver).PID == 0 || events[2].(record.Formed).Members[0].Job != "worker" {
			t.Errorf("events %+v", events)
		}
	}
}

func TestInterrupted(t *testing.T) {
	tests := []struct {
		name, script string
		signal       syscall.Signal
		code         exit.Code
		rows         int64
	}{
		{"before the driver", "alive FIFO\nhang", syscall.SIGINT, exit.Interrupted, 0},
		{"orderly", formed + "onterm {\"event\":\"verdict\",\"code\":5,\"rows\":{\"read\":7}}\nalive FIFO\nhang", syscall.SIGTERM, exit.Terminated, 7},
		{"done at the last moment", formed + "onterm {\"event\":\"verdict\",\"code\":0,\"rows\":{\"read\":7}}\nalive FIFO\nhang", syscall.SIGINT, exit.Done, 7},
		{"SIGTERM ignored", "ignore\n" + formed + "alive FIFO\nhang", syscall.SIGINT, exit.Interrupted, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLife(t)
			ctx, cancel := context.WithCancelCause(deadline(t))
			defer cancel(nil)
			go func() {
				select {
				case <-l.pid:
					cancel(Signal{tt.signal})
				case <-l.end:
				}
			}()
			got, err := Run(ctx, config(t, strings.ReplaceAll(tt.script, "FIFO", l.fifo)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Code != tt.code || got.Rows.Read != tt.rows {
				t.Errorf("code %d, rows %d (%s); want %d, %d", got.Code, got.Rows.Read, got.Cause, tt.code, tt.rows)
			}
			l.ended(t)
		})
	}
}

// A pid from the driver receives signals only if it belongs to the group.
func TestForeignDriver(t *testing.T) {
	stranger, l := newLife(t), newLife(t)
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), "TFOS_FAKE_SUBMIT=alive "+stranger.fifo+"\nhang")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	pid := stranger.began(t)
	ctx, cancel := context.WithCancelCause(deadline(t))
	defer cancel(nil)
	go func() {
		select {
		case <-l.pid:
			cancel(Signal{syscall.SIGINT})
		case <-l.end:
		}
	}()
	c := config(t, fmt.Sprintf("event {\"event\":\"driver\",\"pid\":%d}\nalive %s\nhang", pid, l.fifo))
	if got, err := Run(ctx, c); err != nil || got.Code != exit.Interrupted {
		t.Errorf("code %d, %v", got.Code, err)
	}
	l.ended(t)
	select {
	case <-stranger.end:
		t.Error("a process of another group was ended")
	case <-time.After(200 * time.Millisecond):
	}
}

// The second signal does not wait for the grace period.
func TestKill(t *testing.T) {
	l := newLife(t)
	kill := make(chan struct{})
	c := config(t, "ignore\n"+formed+"alive "+l.fifo+"\nhang")
	c.Grace, c.Kill = time.Hour, kill
	ctx, cancel := context.WithCancelCause(deadline(t))
	defer cancel(nil)
	go func() {
		select {
		case <-l.pid:
			cancel(Signal{syscall.SIGINT})
			close(kill)
		case <-l.end:
		}
	}()
	got, err := Run(ctx, c)
	if err != nil || got.Code != exit.Interrupted {
		t.Errorf("code %d, %v", got.Code, err)
	}
	l.ended(t)
}

// Processes left in the group end with the run. A process that left the group
// and holds the pipe does not keep the launcher waiting.
func TestLeftOvers(t *testing.T) {
	stays, goes := newLife(t), newLife(t)
	c := config(t, formed+success+
		"spawn ignore;alive "+goes.fifo+";hang\n"+
		"detach alive "+stays.fifo+";hang\n"+
		"exit 0")
	got, err := Run(deadline(t), c)
	if err != nil || got.Code != exit.Done {
		t.Errorf("code %d, %v", got.Code, err)
	}
	goes.ended(t)
	if err := syscall.Kill(stays.began(t), syscall.SIGKILL); err != nil {
		t.Errorf("a process of another group is gone: %v", err)
	}
}

// A spark-submit that hangs after the verdict is ended. The verdict stays.
func TestLinger(t *testing.T) {
	l := newLife(t)
	c := config(t, "ignore\n"+formed+success+"alive "+l.fifo+"\nhang")
	c.Stop = 200 * time.Millisecond
	got, err := Run(deadline(t), c)
	if err != nil || got.Code != exit.Done {
		t.Errorf("code %d, %v", got.Code, err)
	}
	l.ended(t)
}

func TestFormation(t *testing.T) {
	c := config(t, driverUp+"hang")
	c.Formation = 200 * time.Millisecond
	got, err := Run(deadline(t), c)
	if err != nil || got.Code != exit.NotFormed || !got.Retryable || !strings.Contains(got.Cause, "timeouts.reservation") {
		t.Errorf("verdict %+v, %v", got, err)
	}
}

func TestNothingToStart(t *testing.T) {
	c := config(t, "")
	c.Argv = []string{filepath.Join(t.TempDir(), "spark-submit")}
	if _, err := Run(deadline(t), c); CodeOf(err) != exit.NoSpark {
		t.Errorf("error %v, code %d", err, CodeOf(err))
	}
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(Signal{syscall.SIGINT})
	l := newLife(t)
	if _, err := Run(cancelled, config(t, "alive "+l.fifo)); CodeOf(err) != exit.Interrupted {
		t.Errorf("error %v, code %d", err, CodeOf(err))
	}
	if len(l.pid) != 0 {
		t.Error("a cancelled context started spark-submit")
	}
}

// If the launcher is killed, the kernel sends spark-submit SIGTERM.
func TestLauncherKilled(t *testing.T) {
	l, dir := newLife(t), t.TempDir()
	script := formed + "alive " + l.fifo + "\nhang"
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(deadline(t), self(t))
	cmd.Env = append(os.Environ(), "TFOS_FAKE_LAUNCHER="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := l.began(t)
	if id, err := syscall.Getpgid(pid); err != nil || id != pid {
		t.Errorf("group %d of process %d, %v", id, pid, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	l.ended(t)
}
