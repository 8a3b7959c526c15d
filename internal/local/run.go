package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"tfos/internal/exit"
	"tfos/internal/export"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/store"
	"tfos/internal/work"
)

// host is the address at which the reservation server listens for the member: only
// this machine can reach it.
const host = "127.0.0.1"

// Options are the inputs and outputs of `tfos-node local`.
type Options struct {
	Plan   string    // path of plan.json
	Stdin  io.Reader // one line: the settings of stores, if the plan has stores
	Stdout io.Writer // receives the lines for the launcher
	Stderr io.Writer // receives the member's log. A file is inherited by the member
	Log    *slog.Logger
}

// Run runs a plan: it is the whole of `tfos-node local`. It returns when the verdict is
// written and the member has ended. A verdict of failure is no error. Cancelling ctx
// (SIGTERM) stops the run, which still gets a verdict. An error says why there is no
// verdict.
func Run(ctx context.Context, o Options) error {
	p, err := readPlan(o.Plan)
	if err != nil {
		return err
	}
	storage, err := p.readStorage(o.Stdin)
	if err != nil {
		return err
	}
	orders, commands := io.Pipe()
	events, out := io.Pipe()
	d := &driver{plan: p, options: o, storage: storage, commands: commands}
	d.feeds = newFeeds(p.Feeds, d.sendCommand)
	feeding, stopFeeding := context.WithCancel(ctx)
	defer stopFeeding()
	d.writeEvent(record.Driver{PID: os.Getpid()})
	var group errgroup.Group
	group.Go(func() error {
		err := reserve.Serve(ctx, orders, out, work.Open, o.Log)
		return errors.Join(err, orders.Close(), out.Close())
	})
	d.sendCommand(map[string]any{"config": p.Reserve, "host": host, "storage": storage})
	err = d.handleEvents(feeding, events)
	stopFeeding()
	d.feeding.Wait()
	return errors.Join(err, group.Wait(), d.members.Wait(), d.exporting.Wait())
}

// driver is the state of one Run.
type driver struct {
	plan      plan
	options   Options
	storage   store.Settings // may have secrets
	commands  *io.PipeWriter // to the server; any goroutine may write
	member    *member        // nil: not started
	members   errgroup.Group // waits for the member's end
	feeds     *feeds
	feeding   sync.WaitGroup // waits for feeds
	exporting errgroup.Group // waits for an export's files
	ready     reserve.Ready
	judged    bool // the verdict has been written
}

// handleEvents handles the server's events until the server ends. It then closes the
// member's output. Without a verdict it returns an error.
func (d *driver) handleEvents(ctx context.Context, events *io.PipeReader) error {
	var err error
	for lines := bufio.NewReader(events); err == nil; {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err == nil {
			err = d.handleEvent(ctx, line)
		}
	}
	// Close both pipes, so that the server does not block on them.
	err = errors.Join(eofIsNil(err), events.Close(), d.commands.Close())
	if d.member != nil {
		// The member has ended, or still tries to reach the server, which is gone.
		d.member.closeOutput()
	}
	if !d.judged && err == nil {
		err = errors.New("local: the reservation server ended without a verdict: see its messages above")
	}
	return err
}

func eofIsNil(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// handleEvent handles one line of the server. It writes events that are for the
// launcher to standard output.
func (d *driver) handleEvent(ctx context.Context, line []byte) error {
	var kind struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return fmt.Errorf("local: read an event: %w", err)
	}
	switch kind.Event {
	case "ready":
		return decodeEvent(line, &d.ready, func() { d.begin(ctx) })
	case "formed":
		var public record.Formed // drops the members' addresses
		var formed reserve.Formed
		return errors.Join(
			decodeEvent(line, &public, func() { d.writeEvent(public) }),
			decodeEvent(line, &formed, func() { d.feeding.Go(func() { d.feeds.run(ctx, formed.Members, d.ready) }) }))
	case "feed_next":
		var next reserve.FeedNext
		return decodeEvent(line, &next, func() { d.feeds.answerNext(next) })
	case "feed_stopped":
		var stopped reserve.FeedStopped
		return decodeEvent(line, &stopped, func() { d.feeds.stopFeed(stopped.Feed) })
	case "verdict":
		d.judged = true
		d.writeLine(line)
		return d.commands.Close() // lets the server end
	default:
		d.writeLine(line)
	}
	return nil
}

// decodeEvent decodes an event into v and then handles it.
func decodeEvent(line []byte, v any, handle func()) error {
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("local: read an event: %w", err)
	}
	handle()
	return nil
}

// begin looks for the feeds' files and starts the member.
func (d *driver) begin(ctx context.Context) {
	if err := d.feeds.find(ctx); err != nil {
		d.sendCommand(map[string]any{"cmd": "fail", "code": exit.BadData, "phase": "input", "cause": err.Error(), "retryable": false})
		return
	}
	if d.plan.Reserve.Export != nil {
		d.exporting.Go(func() error { return d.writeExport(ctx) })
	}
	d.launchMember()
}

// writeExport writes the files of an export, which the member proves, while the member
// starts TensorFlow. When the server has ended, it deletes what was not published: it may
// have gone on after the verdict of a failure.
func (d *driver) writeExport(ctx context.Context) error {
	var req export.Request
	err := json.Unmarshal(d.plan.Reserve.Export, &req)
	if err == nil {
		err = export.WriteBeside(ctx, &req)
	}
	if err != nil && ctx.Err() == nil {
		d.sendCommand(map[string]any{"cmd": "fail", "code": exit.CodeOf(err, exit.Failed), "phase": export.Exporting, "cause": err.Error(), "retryable": false})
	}
	<-ctx.Done()
	_ = d.members.Wait() // Run returns its error
	_, err = work.ClearStaging(context.WithoutCancel(ctx), d.plan.Reserve)
	return err
}

// launchMember starts the member. When the member ends, it reports a failure to the
// server. The server ignores the report if the member ended as told, or if it had
// reported its own failure before.
func (d *driver) launchMember() {
	m, err := startMember(d.plan.NodeBinary, d.plan.assignment(d.ready, d.storage), d.options.Stderr)
	if err != nil {
		d.reportFailure(err.Error())
		return
	}
	d.member = m
	d.members.Go(func() error {
		d.reportFailure(m.wait())
		return nil
	})
}

func (d *driver) reportFailure(cause string) {
	d.sendCommand(map[string]any{"cmd": "fail", "code": exit.Failed, "phase": "members", "cause": cause, "retryable": true})
}

// sendCommand sends a command to the server. It does nothing if the server has ended.
func (d *driver) sendCommand(v any) {
	if line, err := json.Marshal(v); err == nil {
		_, _ = d.commands.Write(append(line, '\n'))
	}
}

// writeEvent writes an event for the launcher.
func (d *driver) writeEvent(e record.Event) {
	if line, err := record.Encode(e); err == nil {
		d.writeLine(line)
	}
}

// writeLine writes an event's line for the launcher. It ignores errors: a launcher that
// has ended needs no events.
func (d *driver) writeLine(line []byte) {
	_, _ = fmt.Fprintf(d.options.Stdout, "@tfos %s\n", bytes.TrimSuffix(line, []byte("\n")))
}
