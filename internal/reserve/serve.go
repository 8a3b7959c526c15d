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
	"time"

	"golang.org/x/sync/errgroup"

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
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "0.0.0.0:0")
	if err != nil {
		return fmt.Errorf("reserve: listen: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(fmt.Errorf("reserve: listen: %w", err), listener.Close())
	}
	events := newWriter(out)
	p := &process{cfg: req.Config, log: log.With("run", req.Config.Run), events: events,
		server: newServer(auth, req.Config.Lease(), events.put), hungUp: make(chan struct{})}
	events.put(Ready{net.JoinHostPort(req.Host, port), auth.ca, auth.cert, auth.key, auth.token})
	return p.run(ctx, listener, lines)
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
	splits []infer.Split
}

func (p *process) run(ctx context.Context, listener net.Listener, lines *bufio.Reader) error {
	// What happens from here on must happen after an interruption too.
	lasting := context.WithoutCancel(ctx)
	serving, stop := context.WithCancel(lasting)
	defer stop()
	var work map[Place][]byte
	var shareErr error
	if p.cfg.Work != nil {
		work, p.splits, shareErr = shareOut(ctx, p.cfg)
	}
	roster := NewRoster(p.cfg, work, time.Now())
	var group errgroup.Group
	group.Go(func() error { return p.server.serve(serving, listener, roster) })
	group.Go(func() error { p.commands(serving, lines); return nil })
	group.Go(p.events.flush)
	if shareErr != nil && ctx.Err() == nil { // an interruption says so itself
		p.command(serving, shareFailure(shareErr))
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
	return Fail{Code: infer.InputExitCode(err), Phase: "input", Cause: err.Error()}
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
	return discard(ctx, p.cfg)
}

// finish commits the outputs of a run that succeeded, or deletes what was
// staged, and completes the verdict.
func (p *process) finish(ctx context.Context, end ending) Verdict {
	v := end.verdict
	var sumErr error
	if p.cfg.Work != nil {
		v.Infer, sumErr = sumResults(p.splits, end.results)
	}
	if v.Code == codeDone && p.cfg.MeasureMS == 0 && sumErr == nil {
		if err := checkAnswered(p.cfg, v.Infer, end.written); err != nil {
			v.Code, v.Phase, v.Cause = codeInternal, "accounting", err.Error()
		}
	}
	if v.Code == codeDone && p.cfg.MeasureMS == 0 {
		err := sumErr
		if err == nil {
			v.Artifacts, err = commit(ctx, p.cfg, v.Infer)
		}
		if err != nil {
			v.Code, v.Phase, v.Cause = codeOutput, "commit", err.Error()
		}
	}
	if v.Code != codeDone || p.cfg.MeasureMS > 0 {
		if err := discard(ctx, p.cfg); err != nil {
			p.log.Warn("staged outputs were not deleted", "error", err)
		}
	}
	return v
}
