package reserve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tfos/internal/exit"
	"tfos/internal/store"
)

// request is the driver's first line.
type request struct {
	Config json.RawMessage `json:"config"` // a Config, and what the run's work reads
	Host   string          `json:"host"`   // by which executors reach this machine
	// Storage are the settings of this process's stores. They may have secrets: no event
	// and no log has them. nil: what the environment says.
	Storage store.Settings `json:"storage,omitempty"`
}

// Serve is the reservation server's process: docs/protocols.md section 3. It
// reads the run's configuration and then commands from in, JSON lines, and
// writes events to out. open makes the run's work. It returns at the end of in,
// after it has cleaned up if there was no verdict yet. A cancelled ctx stops the
// run as an interruption; the verdict is still written, and the end of in awaited.
//
// The caller keeps SIGPIPE from killing the process: out's reader may die
// before the members do.
func Serve(ctx context.Context, in io.Reader, out io.Writer, open Open, log *slog.Logger) error {
	return serveOn(ctx, new(net.ListenConfig).Listen, in, out, open, log)
}

// listenFunc opens a listener as net.ListenConfig.Listen does.
type listenFunc func(ctx context.Context, network, address string) (net.Listener, error)

// serveOn is Serve on the network of listen.
func serveOn(ctx context.Context, listen listenFunc, in io.Reader, out io.Writer, open Open, log *slog.Logger) error {
	lines := bufio.NewReader(in)
	req, cfg, err := readRequest(lines)
	if err != nil {
		return err
	}
	if req.Storage != nil {
		store.Configure(req.Storage)
	}
	work, err := open(req.Config)
	if err != nil {
		return err
	}
	auth, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	listener, err := listen(ctx, "tcp", net.JoinHostPort(listenOn(req.Host), "0"))
	if err != nil {
		return fmt.Errorf("reserve: listen: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("reserve: listen: %w", err), listener.Close())
	}
	events := newWriter(out)
	p := &process{cfg: cfg, work: work, log: log.With("run", cfg.Run), events: events,
		server: newServer(auth, cfg, events.queueEvent), hungUp: make(chan struct{})}
	events.queueEvent(Ready{net.JoinHostPort(req.Host, port), auth.ca, auth.cert, auth.key, auth.token})
	return p.run(ctx, listener, lines)
}

// listenOn returns the address to listen on. If executors reach this machine by a
// loopback address, it is that address.
func listenOn(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return host
	}
	return "0.0.0.0"
}

func readRequest(lines *bufio.Reader) (req request, cfg Config, err error) {
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &req)
	}
	if err == nil && req.Host == "" {
		err = errors.New("no host in it")
	}
	if err == nil {
		err = json.Unmarshal(req.Config, &cfg)
	}
	if err != nil {
		return req, cfg, fmt.Errorf("reserve: read the configuration: %w", err)
	}
	return req, cfg, cfg.validate()
}

// process is one Serve.
type process struct {
	cfg     Config
	log     *slog.Logger
	server  *server
	events  *writer
	hungUp  chan struct{} // closed at the end of the driver's commands
	working sync.Mutex    // held while a method of work runs
	work    Work
	ended   bool // work has finished; guarded by working
}

func (p *process) run(ctx context.Context, listener net.Listener, lines *bufio.Reader) error {
	// What happens from here on must happen after an interruption too.
	lasting := context.WithoutCancel(ctx)
	serving, stop := context.WithCancel(lasting)
	defer stop()
	shares, start := p.work.ShareOut(ctx)
	roster := NewRoster(p.cfg, shares, time.Now())
	var group errgroup.Group
	group.Go(func() error { return p.server.serve(serving, listener, roster) })
	group.Go(func() error { p.readCommands(serving, lines); return nil })
	group.Go(p.events.flush)
	p.applyStart(serving, start)
	unhook := context.AfterFunc(ctx, func() { p.postCommand(serving, StopRun{"interrupted"}) })
	err := p.awaitEnd(lasting)
	unhook()
	stop()
	p.events.close()
	return errors.Join(err, group.Wait())
}

// applyStart emits the events of the work's start, and ends the run if there is
// nothing to do.
func (p *process) applyStart(ctx context.Context, s Start) {
	for _, event := range s.Events {
		p.events.queueEvent(event)
	}
	if s.End != nil {
		p.postCommand(ctx, s.End)
	}
}

func (p *process) postCommand(ctx context.Context, c Command) {
	p.server.postInput(ctx, func(r *Roster, now time.Time) []Effect { return r.Command(now, c) })
}

// awaitEnd returns when both the run and the driver's input have ended. If the input
// ends first, it stops the run.
func (p *process) awaitEnd(ctx context.Context) error {
	select {
	case end := <-p.server.drained:
		p.events.queueEvent(p.finishWork(ctx, end))
		<-p.hungUp
		return nil
	case <-p.hungUp:
	}
	p.log.Warn("the driver is gone without a verdict; stopping every member")
	p.postCommand(ctx, StopRun{"the driver is gone"})
	<-p.server.drained
	return p.work.Clear(ctx)
}

// finishWork lets the work finish, and returns the completed verdict.
func (p *process) finishWork(ctx context.Context, end ending) Verdict {
	p.working.Lock()
	defer p.working.Unlock()
	p.ended = true
	v, err := p.work.Finish(ctx, end.verdict, end.made)
	switch {
	case err == nil:
	case v.Code == exit.Done:
		p.events.queueEvent(Warning{Message: err.Error()})
	default:
		p.log.Warn("staged outputs were not deleted", "error", err)
	}
	return p.cfg.checkRate(p.addUploads(v, end.working))
}
