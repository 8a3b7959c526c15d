package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tfos/internal/record"
)

// plainEvery is the time between two progress lines where standard error is
// no terminal: a log should not be full of them.
const plainEvery = 10 * time.Second

// progress tells a person on standard error how a run goes: one live line on a
// terminal, milestones elsewhere. Its methods may be called from any goroutine.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool // w is a terminal
	shown    bool // a live line stands
	now      func() time.Time
	begin    time.Time
	last     time.Time // of the last plain progress line
	waiting  string    // the last waiting line
	midLine  bool      // the program's output stopped within a line
	lastText string
	pace     pace
}

func newProgress(c *cli) *progress {
	return &progress{w: c.err, live: c.terminal, now: c.now, begin: c.now()}
}

func (p *progress) submitted(run, master, folder string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(fmt.Sprintf("run %s on %s, record %s", run, master, folder))
	p.state("starting")
}

func (p *progress) event(e record.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case record.Context:
		p.line(fmt.Sprintf("Spark %s runs %s after %s", e.SparkVersion, e.Application, p.since()))
	case record.Waiting:
		text := fmt.Sprintf("waiting for %s (%d of %d members are there)", names(e.Missing), e.Registered, e.Members)
		if text != p.waiting && !p.live {
			p.line(text)
		}
		p.waiting = text
		p.state(fmt.Sprintf("%s, %.0f s", text, e.Seconds))
	case record.Formed:
		p.line(fmt.Sprintf("cluster formed after %s: %s", p.since(), places(e.Members)))
	case record.Progress:
		p.progress(e)
	case record.Resumed:
		p.line(fmt.Sprintf("%d parts (%d rows) were done by earlier runs; %d are left", e.Splits, e.Rows, e.Missing))
	case record.TensorBoard:
		p.line("TensorBoard: " + e.URL)
	case record.Contract:
		p.table(e.Table)
	case record.Warning:
		p.line("warning: " + e.Message)
	}
}

// progress shows totals: always on a terminal, now and then elsewhere.
func (p *progress) progress(e record.Progress) {
	text := progressText(e)
	if pace := p.pace.text(e, p.now()); pace != "" {
		text = strings.TrimPrefix(text+"; "+pace, "; ")
	}
	if text == "" {
		return
	}
	p.state(text)
	if now := p.now(); !p.live && text != p.lastText && now.Sub(p.last) >= plainEvery {
		p.line(text)
		p.last, p.lastText = now, text
	}
}

// progressText is how far training is; "" for other jobs.
func progressText(e record.Progress) string {
	var received, trained int64
	for _, f := range e.Feeds {
		received += f.Received
		trained += f.Trained
	}
	if len(e.Feeds) == 0 {
		return ""
	}
	return fmt.Sprintf("%d rows fed, %d trained", received, trained)
}

// Write passes on what the program printed, without touching its lines.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if len(b) > 0 {
		p.midLine = b[len(b)-1] != '\n'
	}
	return p.w.Write(b)
}

// end removes the live line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// line writes a milestone.
func (p *progress) line(text string) {
	p.clear()
	if p.midLine {
		text, p.midLine = "\ntfos: "+text, false
	} else {
		text = "tfos: " + text
	}
	_, _ = fmt.Fprintln(p.w, text) // a closed terminal is no reason to end
}

// table writes lines that stand by themselves.
func (p *progress) table(text string) {
	p.clear()
	if p.midLine {
		text, p.midLine = "\n"+text, false
	}
	_, _ = fmt.Fprintln(p.w, text) // as line
}

// maxLive keeps the live line on one row of a terminal.
const maxLive = 78

// state shows the live line.
func (p *progress) state(text string) {
	if !p.live || p.midLine {
		return
	}
	text = fmt.Sprintf("tfos: %s  %s", p.since(), text)
	if r := []rune(text); len(r) > maxLive {
		text = string(r[:maxLive-1]) + "…"
	}
	_, _ = fmt.Fprint(p.w, "\r\x1b[K"+text)
	p.shown = true
}

func (p *progress) clear() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) since() string {
	return fmt.Sprintf("%.0f s", p.now().Sub(p.begin).Seconds())
}

// names lists members, not more than a line holds.
func names(list []string) string {
	const most = 8
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

func places(members []record.Place) string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = fmt.Sprintf("%s:%d on %s", m.Job, m.Index, m.Host)
	}
	return names(list)
}
