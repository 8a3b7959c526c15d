package node

import (
	"context"
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/gpu"
)

// phaseGPUs is the phase of a member that does not get its GPUs, or whose TensorFlow does
// not compute on them.
const phaseGPUs = "gpus"

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
	p := &proof{claim: claim, host: m.host, limits: proofTimes, warn: m.warnUser}
	return p.run(ctx, plan.proof())
}

// notStarted is why a member never starts its child.
type notStarted struct {
	phase  string
	code   exit.Code
	err    error
	stderr []string
}

func (n *notStarted) cause() string { return n.err.Error() }
