package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/mirror"
	"tfos/internal/store"
)

// uploads is the mirror's Uploader while the program runs: a process of this binary at the
// lowest priority. The program then has the CPUs first. Priorities belong to threads, and
// goroutines change theirs: this process's threads cannot be given one. The process starts
// with the first upload. After its death the next upload starts another.
type uploads struct {
	run      string         // its id
	settings store.Settings // of its stores; nil: what the environment says
	stderr   io.Writer      // the process's too
	log      *slog.Logger

	mu      sync.Mutex
	ended   bool                  // no other process starts
	process *mirror.UploadProcess // nil: not started
	kill    func() error          // ends it at once
	exit    chan struct{}         // closed when it was reaped
}

// uploadOrder is the line that the process reads from its standard input.
type uploadOrder struct {
	// Storage may have secrets. nil: what the environment says.
	Storage store.Settings `json:"storage"`
}

// Upload implements mirror.Uploader.
func (u *uploads) Upload(ctx context.Context, url string, file *os.File, size int64, moved func(bytes int)) (mirror.Staged, error) {
	process, err := u.running()
	if err != nil {
		return nil, fmt.Errorf("node: start the process that uploads: %w", err)
	}
	return process.Upload(ctx, url, file, size, moved)
}

// running returns the process, which it starts if there is none.
func (u *uploads) running() (*mirror.UploadProcess, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.process != nil && !u.process.Ended() {
		return u.process, nil
	}
	if u.ended {
		return nil, errors.New("uploads have ended")
	}
	u.endProcess()
	settings, err := json.Marshal(uploadOrder{u.settings})
	if err != nil {
		return nil, err
	}
	here, there, err := mirror.SocketPair()
	if err != nil {
		return nil, err
	}
	defer there.Close()
	input, output, err := os.Pipe()
	if err != nil {
		_ = here.Close()
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", "upload") // see startGuard
	cmd.Args[0] = "tfos-node"
	cmd.Env = environment("TFOS_RUN=" + u.run)
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = input, u.stderr, []*os.File{there}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal to the member's group is not for it
	err = startLast(cmd)
	_ = input.Close()
	if err != nil {
		_, _ = here.Close(), output.Close()
		return nil, err
	}
	exit := make(chan struct{})
	go func() {
		defer close(exit)
		_ = cmd.Wait() // guardian.cleanUp may have reaped it
	}()
	_, err = output.Write(append(settings, '\n'))
	_ = output.Close()
	if err != nil { // it has ended
		_ = here.Close()
		<-exit
		return nil, err
	}
	if u.process, err = mirror.NewUploadProcess(here); err != nil {
		return nil, err
	}
	u.exit, u.kill = exit, cmd.Process.Kill
	u.log.Info("node: uploads have a process", "pid", cmd.Process.Pid)
	return u.process, nil
}

// end ends the process for good. Uploads that are not done fail.
func (u *uploads) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	u.endProcess()
}

func (u *uploads) endProcess() {
	if u.process == nil {
		return
	}
	u.process.Close()
	select {
	case <-u.exit:
	case <-time.After(uploadsPatience):
		_ = u.kill() // it may have ended
	}
	u.process = nil
}

// uploadsPatience is how long the process may take to see that nobody wants it any more.
const uploadsPatience = 5 * time.Second

// lowest is the nice value of the process. The kernel gives a thread of it, beside one of
// the program, a 69th part of their CPU, and more only where the program leaves it
// (sched(7)). The priority of its reads from disks follows (ioprio_set(2)).
const lowest = 19

// startLast starts a command at the lowest priority. A child gets the priority of the
// thread that starts it. That thread may not raise its priority again: the goroutine ends
// with it. The main thread cannot end, and stays out of it.
func startLast(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			started <- startLast(cmd)
			runtime.UnlockOSThread()
			return
		}
		err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowest)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// Upload is the whole of `tfos-node upload`: settings of stores from standard input, then
// the orders of a member until that ends.
func Upload(ctx context.Context, stdin io.Reader, orders *os.File) error {
	var order uploadOrder
	if err := json.NewDecoder(stdin).Decode(&order); err != nil {
		return fmt.Errorf("node: read the settings of stores: %w", err)
	}
	if order.Storage != nil {
		store.Configure(order.Storage)
	}
	return mirror.ServeUploads(ctx, orders)
}
