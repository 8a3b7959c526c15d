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

	"golang.org/x/sync/errgroup"

	"tfos/internal/exit"
	"tfos/internal/record"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

const (
	// host is this machine's name for its own member; the reservation server
	// then listens there alone.
	host = "127.0.0.1"
)

// Options are what `tfos-node local` is given by its process.
type Options struct {
	Plan   string    // path of plan.json
	Stdout io.Writer // takes the lines for the launcher
	Stderr io.Writer // takes the member's log; a file is handed on to it
	Log    *slog.Logger
}

// Run is the whole of `tfos-node local`: it runs a plan and returns when its
// verdict, whatever it is, is written and the member has ended. The end of ctx
// (SIGTERM) stops the run, which still has its verdict. An error is why there
// is none.
func Run(ctx context.Context, o Options) error {
	p, err := readPlan(o.Plan)
	if err != nil {
		return err
	}
	orders, commands := io.Pipe()
	events, out := io.Pipe()
	d := &driver{plan: p, options: o, commands: commands}
	d.emit(record.Driver{PID: os.Getpid()})
	var group errgroup.Group
	group.Go(func() error {
		err := reserve.Serve(ctx, orders, out, work.Open, o.Log)
		return errors.Join(err, orders.Close(), out.Close())
	})
	d.command(map[string]any{"config": p.Reserve, "host": host})
	err = d.follow(events)
	return errors.Join(err, group.Wait(), d.members.Wait())
}

// driver is one Run.
type driver struct {
	plan     plan
	options  Options
	commands *io.PipeWriter // to the server; any goroutine
	member   *member        // nil: not started
	members  errgroup.Group
	judged   bool
}

// follow takes the server's events until their end, and then lets the member
// go. Its error is that there was no verdict.
func (d *driver) follow(events *io.PipeReader) error {
	var err error
	for lines := bufio.NewReader(events); err == nil; {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err == nil {
			err = d.event(line)
		}
	}
	// The server must not wait for a reader.
	err = errors.Join(eofIsNil(err), events.Close(), d.commands.Close())
	if d.member != nil {
		// It has ended, or has nothing to wait for: it may still look for the server.
		d.member.leave()
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

// event acts on one line of the server, and passes on what is for the launcher.
func (d *driver) event(line []byte) error {
	var kind struct {
		Event string `json:"event"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return fmt.Errorf("local: read an event: %w", err)
	}
	switch kind.Event {
	case "ready":
		var ready reserve.Ready
		if err := json.Unmarshal(line, &ready); err != nil {
			return fmt.Errorf("local: read an event: %w", err)
		}
		d.start(ready)
	case "formed":
		var formed record.Formed // without the addresses of members
		if err := json.Unmarshal(line, &formed); err != nil {
			return fmt.Errorf("local: read an event: %w", err)
		}
		d.emit(formed)
	case "verdict":
		d.judged = true
		d.tell(line)
		return d.commands.Close() // lets the server end
	default:
		d.tell(line)
	}
	return nil
}

// start starts the member, and has the server judge its end: a member that was
// not told to end has failed. What it reported itself came before and counts.
func (d *driver) start(ready reserve.Ready) {
	m, err := startMember(d.plan.NodeBinary, d.plan.assignment(ready), d.options.Stderr)
	if err != nil {
		d.failed(err.Error())
		return
	}
	d.member = m
	d.members.Go(func() error {
		d.failed(m.wait())
		return nil
	})
}

func (d *driver) failed(cause string) {
	d.command(map[string]any{"cmd": "fail", "code": exit.Failed, "phase": "members", "cause": cause, "retryable": true})
}

// command sends a line to the server; nothing happens when it has ended.
func (d *driver) command(v any) {
	if line, err := json.Marshal(v); err == nil {
		_, _ = d.commands.Write(append(line, '\n'))
	}
}

// emit tells the launcher of an event.
func (d *driver) emit(e record.Event) {
	if line, err := record.Encode(e); err == nil {
		d.tell(line)
	}
}

// tell writes an event's line for the launcher. One that is gone has no use for it.
func (d *driver) tell(line []byte) {
	_, _ = fmt.Fprintf(d.options.Stdout, "@tfos %s\n", bytes.TrimSuffix(line, []byte("\n")))
}
