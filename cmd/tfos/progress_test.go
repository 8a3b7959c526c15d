package main

import (
	"strings"
	"testing"
	"time"

	"tfos/internal/record"
)

// talkOf plays a run of 100 s to progress and returns what it wrote.
func talkOf(terminal bool) string {
	var b strings.Builder
	at := time.Unix(0, 0)
	p := newProgress(&cli{err: &b, terminal: terminal, now: func() time.Time { return at }})
	p.submitted("r1", "local", "/record")
	at = at.Add(8 * time.Second)
	p.showEvent(record.Context{Application: "app-1", SparkVersion: "3.5.9"})
	for range 3 {
		at = at.Add(time.Second)
		p.showEvent(record.Waiting{Missing: []string{"worker:1"}, Registered: 1, Members: 2, Seconds: 1})
	}
	p.showEvent(record.Formed{Members: []record.Place{{Job: "worker", Index: 0, Host: "a"}, {Job: "worker", Index: 1, Host: "b"}}})
	for i := range int64(30) {
		at = at.Add(time.Second)
		p.showEvent(record.Progress{Feeds: []record.FeedRows{{Member: "worker:0", Received: 10 * i, Trained: 9 * i}}})
	}
	_, _ = p.Write([]byte("half a line"))
	p.showEvent(record.Contract{Table: "  column\n  id"})
	_, _ = p.Write([]byte("another half"))
	p.showEvent(record.Warning{Message: "slow"})
	p.showEvent(record.Progress{Splits: 2, Rows: 5})
	p.finish()
	return b.String()
}

// Without a terminal there are milestones, a waiting line for each change, and
// a progress line every 10 s. There are no control characters.
func TestPlainProgress(t *testing.T) {
	want := `tfos: run r1 on local, record /record
tfos: Spark 3.5.9 runs app-1 after 8 s
tfos: waiting for worker:1 (1 of 2 members are there)
tfos: cluster formed after 11 s: worker:0 on a, worker:1 on b
tfos: 0 rows fed, 0 trained
tfos: 100 rows fed, 90 trained
tfos: 200 rows fed, 180 trained
half a line
  column
  id
another half
tfos: warning: slow
`
	if got := talkOf(false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// On a terminal one live line changes. Only the milestones stay on the screen.
func TestLiveProgress(t *testing.T) {
	got := screen(talkOf(true))
	want := `tfos: run r1 on local, record /record
tfos: Spark 3.5.9 runs app-1 after 8 s
tfos: cluster formed after 11 s: worker:0 on a, worker:1 on b
half a line
  column
  id
another half
tfos: warning: slow
`
	if got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if all := talkOf(true); !strings.Contains(all, "waiting for worker:1") || !strings.Contains(all, "290 rows fed, 261 trained") {
		t.Errorf("the live line never said what it should:\n%q", all)
	}
}

// screen returns what a terminal shows at the end: "\r\x1b[K" clears a line.
func screen(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, line[strings.LastIndex("\r\x1b[K"+line, "\r\x1b[K"):])
	}
	return strings.Join(lines, "\n")
}

func TestNamesAreNotEndless(t *testing.T) {
	if got := names(strings.Split("abcdefghijkl", "")); got != "a, b, c, d, e, f, g, h and 4 more" {
		t.Errorf("got %q", got)
	}
}
