package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/record"
)

// plainEvery is the time between two progress lines if standard error is not a
// terminal, so that they do not fill a log.
const plainEvery = 10 * time.Second

// progress reports the progress of a run to people on standard error: one
// changing line on a terminal, and milestones. Its methods may be called from
// any goroutine.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool // w is a terminal
	shown    bool // the live line is on the screen
	now      func() time.Time
	begin    time.Time
	last     time.Time // time of the last plain progress line
	waiting  string    // the last waiting line
	midLine  bool      // the program's output ended within a line
	lastText string
	pace     pace
}

func newProgress(c *cli) *progress {
	return &progress{w: c.err, live: c.terminal, now: c.now, begin: c.now()}
}

func (p *progress) submitted(run, master, folder string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printLine(fmt.Sprintf("run %s on %s, record %s", run, master, folder))
	p.showLive("starting")
}

func (p *progress) showEvent(e record.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case record.Context:
		p.printLine(fmt.Sprintf("Spark %s runs %s after %s", e.SparkVersion, e.Application, p.elapsed()))
	case record.Queued:
		p.printLine("waiting: " + e.Words)
	case record.Waiting:
		text := fmt.Sprintf("waiting for %s (%d of %d members are there)", names(e.Missing), e.Registered, e.Members)
		if text != p.waiting && !p.live {
			p.printLine(text)
		}
		p.waiting = text
		p.showLive(fmt.Sprintf("%s, %.0f s", text, e.Seconds))
	case record.Formed:
		p.printLine(fmt.Sprintf("cluster formed after %s: %s", p.elapsed(), places(e.Members)))
	case record.Progress:
		p.showProgress(e)
	case record.Resumed:
		if e.Checkpoint != "" {
			p.printLine(fmt.Sprintf("goes on from step %d: %s", e.Step, e.Checkpoint))
			return
		}
		p.printLine(fmt.Sprintf("%d parts (%d rows) were done by earlier runs; %d are left", e.Splits, e.Rows, e.Missing))
	case record.TensorBoard:
		p.printLine("TensorBoard: " + e.URL)
	case record.Contract:
		p.printTable(e.Table)
	case record.Warning:
		p.printLine("warning: " + e.Message)
	}
}

// showState shows what the cluster manager says of a run in a cluster.
func (p *progress) showState(s cluster.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("%s: %s", s.App.ID, s.Phase)
	if words := cluster.OneLine(s.Words); words != "" {
		text += ": " + words
	}
	p.printLine(text)
}

// showProgress shows totals: always on a terminal, every plainEvery otherwise.
func (p *progress) showProgress(e record.Progress) {
	text := p.pace.line(e, p.now())
	if text == "" {
		return
	}
	p.showLive(text)
	if now := p.now(); !p.live && text != p.lastText && now.Sub(p.last) >= plainEvery {
		p.printLine(text)
		p.last, p.lastText = now, text
	}
}

// Write passes on the program's output unchanged.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLive()
	if len(b) > 0 {
		p.midLine = b[len(b)-1] != '\n'
	}
	return p.w.Write(b)
}

// finish removes the live line.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLive()
}

// printLine writes a milestone.
func (p *progress) printLine(text string) {
	p.clearLive()
	if p.midLine {
		text, p.midLine = "\ntfos: "+text, false
	} else {
		text = "tfos: " + text
	}
	_, _ = fmt.Fprintln(p.w, text) // a closed terminal does not end a run
}

// printTable writes lines without a prefix.
func (p *progress) printTable(text string) {
	p.clearLive()
	if p.midLine {
		text, p.midLine = "\n"+text, false
	}
	_, _ = fmt.Fprintln(p.w, text) // as in printLine
}

// maxLive keeps the live line on one row of a terminal.
const maxLive = 78

// showLive shows the live line.
func (p *progress) showLive(text string) {
	if !p.live || p.midLine {
		return
	}
	text = fmt.Sprintf("tfos: %s  %s", p.elapsed(), text)
	if r := []rune(text); len(r) > maxLive {
		text = string(r[:maxLive-1]) + "…"
	}
	_, _ = fmt.Fprint(p.w, "\r\x1b[K"+text)
	p.shown = true
}

func (p *progress) clearLive() {
	if p.shown {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) elapsed() string {
	return fmt.Sprintf("%.0f s", p.now().Sub(p.begin).Seconds())
}

// names lists members: at most 8.
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
