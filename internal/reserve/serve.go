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
)

// request is the driver's first line.
type request struct {
	Config json.RawMessage `json:"config"` // a Config, and what the run's work reads
	Host   string          `json:"host"`   // by which executors reach this machine
}

// Serve is the reservation server's process: docs/protocols.md section 3. It
// reads the run's configuration and then commands from in, JSON lines, and
// writes events to out. open makes the run's work. It returns at the end of in, after it has cleaned up
// if there was no verdict yet. A cancelled ctx stops the run as an
// interruption; the verdict is still written, and the end of in awaited.
//
// The caller keeps SIGPIPE from killing the process: out's reader may die
// before the members do.
func Serve(ctx context.Context, in io.Reader, out io.Writer, open Open, log *slog.Logger) error {
	lines := bufio.NewReader(in)
	req, cfg, err := readRequest(lines)
	if err != nil {
		return err
	}
	work, err := open(req.Config)
	if err != nil {
		return err
	}
	auth, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(listenOn(req.Host), "0"))
	if err != nil {
		return fmt.Errorf("reserve: listen: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("reserve: listen: %w", err), listener.Close())
	}
	events := newWriter(out)
	p := &process{cfg: cfg, work: work, log: log.With("run", cfg.Run), events: events,
		server: newServer(auth, cfg, events.put), hungUp: make(chan struct{})}
	events.put(Ready{net.JoinHostPort(req.Host, port), auth.ca, auth.cert, auth.key, auth.token})
	return p.run(ctx, listener, lines)
}

// listenOn is the address to listen on: a machine whose name is a loopback
// address is reached by nobody else.
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
	group.Go(func() error { p.commands(serving, lines); return nil })
	group.Go(p.events.flush)
	p.start(serving, start)
	unhook := context.AfterFunc(ctx, func() { p.command(serving, StopRun{"interrupted"}) })
	err := p.conclude(lasting)
	unhook()
	stop()
	p.events.close()
	return errors.Join(err, group.Wait())
}

// start acts on what the work says of what there is to do.
func (p *process) start(ctx context.Context, s Start) {
	for _, event := range s.Events {
		p.events.put(event)
	}
	if s.End != nil {
		p.command(ctx, s.End)
	}
}

func (p *process) command(ctx context.Context, c Command) {
	p.server.post(ctx, func(r *Roster, now time.Time) []Effect { return r.Command(now, c) })
}

// conclude waits for the run's end and the driver's, whichever comes first,
// and returns after both.
func (p *process) conclude(ctx context.Context) error {
	select {
	case end := <-p.server.drained:
		p.events.put(p.finish(ctx, end))
		<-p.hungUp
		return nil
	case <-p.hungUp:
	}
	p.log.Warn("the driver is gone without a verdict; stopping every member")
	p.command(ctx, StopRun{"the driver is gone"})
	<-p.server.drained
	return p.work.Clear(ctx)
}

// finish has the work finish, and completes the verdict.
func (p *process) finish(ctx context.Context, end ending) Verdict {
	p.working.Lock()
	defer p.working.Unlock()
	p.ended = true
	v, err := p.work.Finish(ctx, end.verdict, end.made)
	switch {
	case err == nil:
	case v.Code == exit.Done:
		p.events.put(Warning{Message: err.Error()})
	default:
		p.log.Warn("staged outputs were not deleted", "error", err)
	}
	return p.uploaded(v, end.working)
}
