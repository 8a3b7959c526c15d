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
	"tfos/internal/infer"
)

// request is the driver's first line.
type request struct {
	Config Config `json:"config"`
	Host   string `json:"host"` // by which executors reach this machine
}

// Serve is the reservation server's process: docs/protocols.md section 3. It
// reads the run's configuration and then commands from in, JSON lines, and
// writes events to out. It returns at the end of in, after it has cleaned up
// if there was no verdict yet. A cancelled ctx stops the run as an
// interruption; the verdict is still written, and the end of in awaited.
//
// The caller keeps SIGPIPE from killing the process: out's reader may die
// before the members do.
func Serve(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	lines := bufio.NewReader(in)
	req, err := readRequest(lines)
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
	p := &process{cfg: req.Config, log: log.With("run", req.Config.Run), events: events,
		server: newServer(auth, req.Config, events.put), hungUp: make(chan struct{}), shared: &shared{}}
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

func readRequest(lines *bufio.Reader) (request, error) {
	var req request
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return req, fmt.Errorf("reserve: read the configuration: %w", err)
	}
	if err := json.Unmarshal(line, &req); err != nil {
		return req, fmt.Errorf("reserve: read the configuration: %w", err)
	}
	if req.Host == "" {
		return req, errors.New("reserve: read the configuration: no host in it")
	}
	return req, req.Config.validate()
}

// process is one Serve.
type process struct {
	cfg    Config
	log    *slog.Logger
	server *server
	events *writer
	hungUp chan struct{} // closed at the end of the driver's commands
	*shared
	// sharing is held while shared changes after the run has begun, and by its end.
	sharing sync.Mutex
	ended   bool // guarded by sharing
}

func (p *process) run(ctx context.Context, listener net.Listener, lines *bufio.Reader) error {
	// What happens from here on must happen after an interruption too.
	lasting := context.WithoutCancel(ctx)
	serving, stop := context.WithCancel(lasting)
	defer stop()
	var shareErr error
	if p.cfg.Work != nil {
		var s *shared
		if s, shareErr = shareOut(ctx, p.cfg); shareErr == nil {
			p.shared = s
		}
	}
	roster := NewRoster(p.cfg, p.work, time.Now())
	roster.Expect(p.splits)
	var group errgroup.Group
	group.Go(func() error { return p.server.serve(serving, listener, roster) })
	group.Go(func() error { p.commands(serving, lines); return nil })
	group.Go(p.events.flush)
	if shareErr != nil && ctx.Err() == nil { // an interruption says so itself
		p.command(serving, shareFailure(shareErr))
	}
	if p.resume != nil {
		p.resumed(serving)
	}
	unhook := context.AfterFunc(ctx, func() { p.command(serving, StopRun{"interrupted"}) })
	err := p.conclude(lasting)
	unhook()
	stop()
	p.events.close()
	return errors.Join(err, group.Wait())
}

// shareFailure is what the run ends with when its input cannot be shared out.
func shareFailure(err error) Fail {
	phase := "input"
	if errors.As(err, new(*OutputError)) {
		phase = "output"
	}
	return Fail{Code: infer.InputExitCode(err), Phase: phase, Cause: err.Error()}
}

// resumed says what was taken over from earlier runs, and ends a run that need
// compute nothing before it has members.
func (p *process) resumed(ctx context.Context) {
	for _, text := range p.resume.warnings {
		p.events.put(Warning{text})
	}
	switch {
	case !p.resume.changed:
		p.command(ctx, Settle{PhaseSkipped})
		return
	case len(p.resume.missing) == 0:
		p.command(ctx, Settle{})
	}
	if event := p.resume.resumed(); event.Splits > 0 || event.Done != nil {
		p.events.put(event)
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
	_, err := p.clearStaging(ctx)
	return err
}

// finish commits the outputs of a run that succeeded, or deletes what is staged
// and of no use to anybody, and completes the verdict.
func (p *process) finish(ctx context.Context, end ending) Verdict {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	p.ended = true
	v := end.verdict
	var sumErr error
	var served []infer.ServedPartition
	if p.cfg.Work != nil {
		v.Infer, sumErr = sumResults(p.splits, end.results)
		if sumErr == nil {
			sumErr = p.resume.add(v.Infer)
		}
		if v.Infer != nil {
			served, v.Infer.Served = v.Infer.Served, nil
		}
	}
	if v.Code == exit.Done && p.cfg.MeasureMS == 0 && sumErr == nil {
		if err := checkAnswered(p.cfg, v.Infer, end.written); err != nil && !p.resume.complete() {
			v.Code, v.Phase, v.Cause = exit.Internal, "accounting", err.Error()
		}
	}
	if v.Code == exit.Done && p.cfg.MeasureMS == 0 {
		code, phase, err := exit.Output, PhaseCommit, sumErr
		if err == nil {
			err = p.resume.collect(ctx, p.cfg.Run, v.Infer, served)
		}
		if err == nil && v.Infer != nil {
			code, phase, err = judgeRows(p.cfg.Work, v.Infer, p.resume.parts(v.Infer))
		}
		if err == nil {
			code, phase = exit.Output, PhaseCommit
			v.Artifacts, err = commit(ctx, p.cfg, v.Infer, p.resume)
		}
		if err != nil {
			v.Code, v.Phase, v.Cause = code, phase, err.Error()
		}
	}
	if v.Code == exit.Done && p.cfg.MeasureMS == 0 {
		if err := p.resume.close(ctx, true); err != nil {
			p.events.put(Warning{"what earlier runs have left was not deleted: " + err.Error()})
		}
		return p.uploaded(v, end.working)
	}
	if v.Infer != nil {
		v.Infer.Kept = p.resume.kept(ctx)
	}
	var err error
	if v.Kept, err = p.clearStaging(ctx); err != nil {
		p.log.Warn("staged outputs were not deleted", "error", err)
	}
	return p.uploaded(v, end.working)
}

// clearStaging is ClearStaging, for parts that a later run goes on from too.
func (p *process) clearStaging(ctx context.Context) (kept []string, err error) {
	kept, err = ClearStaging(ctx, p.cfg)
	return kept, errors.Join(err, p.resume.close(ctx, false))
}
