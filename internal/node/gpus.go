package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/exit"
	"tfos/internal/gpu"
)

// phaseGPUs is the phase of a member that does not get its GPUs, or whose TensorFlow does
// not compute on them.
const phaseGPUs = "gpus"

// proofTime limits the check of TensorFlow. It imports TensorFlow, which takes 3 s, and
// more on a busy machine or a slow file system.
const proofTime = 60 * time.Second

// gpuSetup is how a member gets its GPUs, while the cluster forms.
type gpuSetup struct {
	// ready is closed once the devices are claimed and TensorFlow has computed on them. If
	// the role has none, it is closed once libtensorflow was looked for. The fields below
	// are valid then.
	ready  chan struct{}
	claim  *gpu.Claim // nil: none
	loaded tensorFlow // by an engine
	// unwatch ends the measuring of the devices, which begins with the child.
	unwatch context.CancelFunc
	// failed delivers why there are no devices.
	failed chan *notStarted
}

// claimGPUs gets the role's GPUs in the background.
func (m *member) claimGPUs(ctx context.Context) {
	m.gpus = &gpuSetup{unwatch: func() {}, ready: make(chan struct{}), failed: make(chan *notStarted, 1)}
	count := m.Config.Roles[m.Job].GPUs
	m.tasks.Go(func() {
		if m.libraries != nil {
			m.gpus.loaded = <-m.libraries
		}
		if count == 0 {
			close(m.gpus.ready)
			return
		}
		place := gpu.Place{Source: m.Config.GPUs, Host: m.host, Executor: executorPID(), Environment: environment()}
		claim, err := gpu.Acquire(ctx, place, count, fmt.Sprintf("run %s, %s", m.Config.Run, m.place))
		m.gpus.claim = claim
		var stderr []string
		if err == nil {
			m.log.Info("node: GPUs", "visible", claim.Visible())
			stderr, err = m.proveGPUs(ctx, claim)
		}
		if err != nil {
			m.gpus.failed <- &notStarted{phase: phaseGPUs, code: exit.NotFormed, err: err, stderr: stderr}
			return
		}
		close(m.gpus.ready)
	})
}

// proveGPUs has a TensorFlow as the program's compute on the devices of a claim. That is a
// process of its own: one that has used a device may no longer say how it wants to.
func (m *member) proveGPUs(ctx context.Context, claim *gpu.Claim) (stderr []string, err error) {
	plan := childPlan{
		assignment: m.Assignment, files: m.files, dir: m.workingDirectory(), work: m.guard.work,
		tensorFlow: m.gpus.loaded, host: m.host, base: environment(), gpus: claim,
	}
	seen, stderr, err := runProof(ctx, plan.proof())
	if err == nil {
		err = seen.Check(claim, m.host)
	}
	return stderr, err
}

// runProof runs a command that prints a gpu.Seen as its last line.
func runProof(ctx context.Context, c command) (seen gpu.Seen, stderr []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	// The kernel sends Pdeathsig when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = c.Env, c.Dir, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	for line := range bytes.Lines(messages.Bytes()) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 && !isStartupNoise(line) {
			stderr = append(stderr, printable(string(line)))
		}
	}
	stderr = stderr[max(0, len(stderr)-proofLines):]
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	switch last := lines[len(lines)-1]; {
	case json.Unmarshal([]byte(last), &seen) == nil: // it has said all, however it then ended
		return seen, stderr, nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.Canceled):
		err = fmt.Errorf("gpu: TensorFlow did not list its devices within %s: a device may hang, or its files are on a slow file system", proofTime)
	case err != nil:
		err = fmt.Errorf("gpu: TensorFlow did not list its devices: %w", err)
		if len(stderr) > 0 {
			err = fmt.Errorf("%w: %s", err, stderr[len(stderr)-1])
		}
	default:
		err = fmt.Errorf("gpu: TensorFlow did not list its devices, but printed %.100q", last)
	}
	return gpu.Seen{}, stderr, err
}

// proofLines is how many lines of standard error a failed check hands on.
const proofLines = 20

// notStarted is why a member never starts its child.
type notStarted struct {
	phase  string
	code   exit.Code
	err    error
	stderr []string
}

func (n *notStarted) cause() string { return n.err.Error() }
