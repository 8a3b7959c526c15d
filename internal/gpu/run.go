package gpu

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// ErrUnkillable says that SIGKILL does not end a process: it is in a system call that
// nothing interrupts, as in the driver of a device that hangs.
var ErrUnkillable = errors.New("not even SIGKILL ends its process: reboot the host")

// deathTime is how long a killed process has to end.
const deathTime = 2 * time.Second

// Run runs a command of exec.CommandContext(ctx). Unlike cmd.Run it returns soon after the
// end of ctx even if the process does not end. cmd.Stdout and cmd.Stderr may then still be
// written to.
func Run(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread ends that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.WaitDelay = deathTime / 2
		ended <- cmd.Run()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(deathTime):
		return ErrUnkillable
	}
}
