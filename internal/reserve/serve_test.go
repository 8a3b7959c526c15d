package reserve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

// recorded is a Work that notes what is asked of it, and that says what a test
// wants.
type recorded struct {
	calls     []string
	start     reserve.Start
	finishErr error
}

func (w *recorded) note(format string, args ...any) {
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

func (w *recorded) ShareOut(context.Context) (reserve.Shares, reserve.Start) {
	w.note("share out")
	return reserve.Shares{
		Members: map[reserve.Place][]byte{{Job: "worker", Index: 0}: []byte("share")}, Splits: 2, Bytes: 7,
		Pace: func(result []byte) []reserve.Pace { return []reserve.Pace{{Rows: int64(len(result)), Seconds: 1}} },
	}, w.start
}

func (w *recorded) Command(_ context.Context, name string, line []byte) (reserve.Start, bool) {
	w.note("command %s", strings.TrimSpace(string(line)))
	return reserve.Start{Events: []reserve.Event{reserve.Warning{Message: "heard"}}}, name == "known"
}

func (w *recorded) Finish(_ context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	w.note("finish %d %s %v", v.Code, made.Results, made.Written)
	v.Artifacts, v.Infer = []reserve.Artifact{{Kind: "kind", Path: "path"}}, json.RawMessage(`{"rows":1}`)
	return v, w.finishErr
}

func (w *recorded) Clear(context.Context) error {
	w.note("clear")
	return nil
}

// TestServeWork: what the work gets to know, in order, and what becomes of what it
// says.
func TestServeWork(t *testing.T) {
	w := &recorded{finishErr: errors.New("something is left")}
	d := reservetest.Begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)), func(config []byte) (reserve.Work, error) {
		var whole struct{ Run string }
		if err := json.Unmarshal(config, &whole); err != nil || whole.Run != "r1" {
			t.Errorf("opened with %s", config)
		}
		return w, nil
	})
	m := d.JoinAs(d.Client(d.Ready.Address), 0, "A", func() reserve.Renewal { return reserve.Renewal{Phase: reserve.PhaseRunning, Splits: 1} })
	if c := reservetest.Receive(t, m.Clusters, "cluster"); string(c.Work) != "share" {
		t.Errorf("share %q", c.Work)
	}
	if e := d.Await("progress"); e["all_splits"] != 2.0 || e["all_bytes"] != 7.0 {
		t.Errorf("progress %v", e)
	}
	d.Say(`{"cmd":"known","x":1}`)
	if e := d.Await("warning"); e["message"] != "heard" {
		t.Errorf("warning %v", e)
	}
	d.Say(`{"cmd":"feed_end","feed":"train","epoch":0,"rows":0,"last":true}`)
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Result: []byte("made")})
	if e := d.Await("warning"); e["message"] != "something is left" {
		t.Errorf("warning %v", e)
	}
	v := d.AwaitVerdict(0)
	if fmt.Sprint(v["artifacts"], v["infer"]) != "[map[kind:kind path:path]] map[rows:1]" || v["throughput"].(map[string]any)["rows_per_s"] != 4.0 {
		t.Errorf("verdict %v", v)
	}
	d.Say(`{"cmd":"known"}`) // too late
	d.HangUp()
	if got, want := strings.Join(w.calls, "; "), `share out; command {"cmd":"known","x":1}; finish 0 [made] map[train:0]`; got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
}

// TestServeTooSlow: a run that was too slow fails, and what it has published stays.
func TestServeTooSlow(t *testing.T) {
	for _, tt := range []struct {
		min    float64
		result string // a row a second for each letter
		code   exit.Code
		cause  string
	}{
		{4, "made", exit.Done, ""},
		{4.5, "made", exit.Stalled, "4.0 rows/s is less than --min-throughput 4.5"},
		{1, "", exit.Stalled, "--min-throughput 1: nothing was measured: the program takes no rows from a feed, or only one batch"},
	} {
		config := reservetest.Config(2*time.Second, reservetest.Worker(0))
		config.MinRowsPerSecond = tt.min
		w := &recorded{}
		d := reservetest.Begin(t, config, func([]byte) (reserve.Work, error) { return w, nil })
		m := d.JoinAs(d.Client(d.Ready.Address), 0, "A", func() reserve.Renewal { return reserve.Renewal{Phase: reserve.PhaseRunning} })
		reservetest.Receive(t, m.Clusters, "cluster")
		d.Say(`{"cmd":"feed_end","feed":"train","epoch":0,"rows":0,"last":true}`)
		m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Result: []byte(tt.result)})
		v := d.AwaitVerdict(tt.code)
		if v["cause"] != tt.cause || fmt.Sprint(v["artifacts"]) != "[map[kind:kind path:path]]" || (v["phase"] == reserve.PhaseThroughput) != (tt.cause != "") {
			t.Errorf("%g: verdict %v", tt.min, v)
		}
		d.HangUp()
		if last := w.calls[len(w.calls)-1]; !strings.HasPrefix(last, "finish 0 ") {
			t.Errorf("%g: the work's last call is %q", tt.min, last)
		}
	}
}

// TestServeWorkEnds: a run whose work ends it has its verdict without members, and
// one without a verdict is cleared.
func TestServeWorkEnds(t *testing.T) {
	w := &recorded{start: reserve.Start{Events: []reserve.Event{reserve.Resumed{Resumed: record.Resumed{Splits: 3}}}, End: reserve.Settle{Phase: "nothing to do"}}}
	open := func([]byte) (reserve.Work, error) { return w, nil }
	d := reservetest.Begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)), open)
	if e := d.Await("resumed"); e["splits"] != 3.0 {
		t.Errorf("resumed %v", e)
	}
	if v := d.AwaitVerdict(0); v["phase"] != "nothing to do" {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()

	*w = recorded{}
	d = reservetest.Begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)), open)
	d.HangUp()
	if got := strings.Join(w.calls, "; "); got != "share out; clear" {
		t.Errorf("calls %s", got)
	}

	*w = recorded{}
	d = reservetest.Begin(t, reservetest.Config(2*time.Second, reservetest.Worker(0)), open)
	d.Say(`{"cmd":"feed_edn"}`)
	if v := d.AwaitVerdict(1); !strings.Contains(v["cause"].(string), `unknown cmd "feed_edn"`) {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()

	err := reserve.Serve(t.Context(), strings.NewReader(`{"host":"127.0.0.1","config":{"members":[{"job":"worker","required":true}],"lease_ms":1,"reservation_ms":1,"stall_ms":1}}`+"\n"),
		io.Discard, func([]byte) (reserve.Work, error) { return nil, errors.New("no such work") }, slog.New(slog.DiscardHandler))
	if err == nil || err.Error() != "no such work" {
		t.Errorf("work that cannot be opened: %v", err)
	}
}

func TestServeRefusesConfig(t *testing.T) {
	for line, want := range map[string]string{
		"":           "read the configuration: EOF",
		"nonsense\n": "read the configuration",
		`{"config":{"members":[{"job":"worker","required":true}],"lease_ms":1,"reservation_ms":1,"stall_ms":1}}` + "\n": "no host",
		`{"host":"h","config":{"members":[{"job":"w"},{"job":"w"}],"lease_ms":-1,"stall_ms":1,"feeds":[{"name":"f"},{"name":"f"}]}}` + "\n": "w:0: named twice\n" +
			"reserve: configuration: members: none is required\nreserve: configuration: reservation_ms: 0: must be above 0\n" +
			"reserve: configuration: lease_ms: -1: must be above 0\nreserve: configuration: feeds: f: named twice",
	} {
		err := reserve.Serve(t.Context(), strings.NewReader(line), io.Discard, reservetest.OpenNothing, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", line, err, want)
		}
	}
}
