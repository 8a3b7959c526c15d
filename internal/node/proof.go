package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/gpu"
)

// proofLimits are how long the steps of a proof may take.
type proofLimits struct {
	// load is for the start of the process and gpu.StepImport. It touches no device. It takes
	// 3 s, and more on a busy machine or a slow file system.
	load time.Duration
	// step is for each later one. On a device that works it takes a few seconds.
	step time.Duration
}

// proofTimes end a proof on a device that hangs within 30 s.
var proofTimes = proofLimits{load: time.Minute, step: 20 * time.Second}

// compiling is what TensorFlow says of a device that is newer than its kernels
// (gpu_device.cc). It then compiles them, "which could take 30 minutes or longer".
var compiling = []byte("jit-compiled from PTX")

// proof is a process that says which devices TensorFlow computes on, while it runs.
type proof struct {
	claim  *gpu.Claim
	host   string
	limits proofLimits
	warn   func(string) // tells the user something

	mu       sync.Mutex
	seen     gpu.Seen // the last
	said     bool     // there was one
	last     string   // line of standard output
	compiles bool     // steps have no limit

	stderr *tail
	timer  *time.Timer // ends the process
}

// run runs the command of a proof. It returns an error unless TensorFlow computes on the
// devices of the claim, and in any case the last lines of standard error.
func (p *proof) run(ctx context.Context, c command) (stderr []string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Dir = c.Env, c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.Stdout, cmd.Stderr = &lineWriter{line: p.hear}, &lineWriter{line: p.hearError}
	p.stderr = newTail(proofLines, stderrWidth)
	p.timer = time.AfterFunc(p.limits.load, func() { cancel(errLate) })
	defer p.timer.Stop()
	err = gpu.Run(ctx, cmd)
	p.mu.Lock()
	defer p.mu.Unlock()
	stderr = p.stderr.lastLines()
	if errors.Is(context.Cause(ctx), errLate) {
		why := p.late()
		if why != nil && errors.Is(err, gpu.ErrUnkillable) {
			why = fmt.Errorf("%w: %w", why, err)
		}
		if why != nil {
			return stderr, why
		}
	}
	switch {
	case p.said && p.seen.Next == gpu.StepNone: // it has said all, however it then ended
		return stderr, p.seen.Check(p.claim, p.host)
	case err != nil && len(stderr) > 0:
		return stderr, fmt.Errorf("gpu: TensorFlow did not list its devices: %w: %s", err, stderr[len(stderr)-1])
	case err != nil:
		return stderr, fmt.Errorf("gpu: TensorFlow did not list its devices: %w", err)
	}
	return stderr, fmt.Errorf("gpu: TensorFlow did not list its devices, but printed %.100q", p.last)
}

// late returns which step has taken too long. nil: none was left.
func (p *proof) late() error {
	if !p.said {
		return fmt.Errorf("gpu: the check of TensorFlow on %s said nothing within %s: its files may be on a slow file system, or the host is busy", p.host, p.limits.load)
	}
	limit := p.limits.step
	if p.seen.Next == gpu.StepImport {
		limit = p.limits.load
	}
	return p.seen.Late(p.claim, p.host, limit)
}

// hear takes a line of standard output.
func (p *proof) hear(line []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = string(line)
	var seen gpu.Seen
	if json.Unmarshal(line, &seen) != nil {
		return // a plugin's
	}
	p.seen, p.said = seen, true
	if seen.Next != gpu.StepImport && !p.compiles {
		p.timer.Reset(p.limits.step)
	}
}

// hearError takes a line of standard error.
func (p *proof) hearError(line []byte) {
	p.stderr.addLines(line)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.compiles && bytes.Contains(line, compiling) {
		p.compiles = true
		p.timer.Stop()
		p.warn("this TensorFlow is older than the GPU: it compiles its kernels first, which may take 30 minutes (timeouts.stall ends that too). CUDA keeps them in ~/.nv/ComputeCache. A newer TensorFlow may have them: " + printable(string(line)))
	}
}

// errLate says that a step has taken too long.
var errLate = errors.New("late")

// proofLines is how many lines of standard error a failed proof hands on.
const proofLines = 20

// lineWriter passes whole lines on, without their ends.
type lineWriter struct {
	line    func([]byte)
	partial []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.partial = append(w.partial, p...)
	for {
		line, rest, whole := bytes.Cut(w.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.line(bytes.TrimRight(line, "\r"))
		w.partial = rest
	}
}
