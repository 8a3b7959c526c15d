package launch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tfos/internal/cluster"
	"tfos/internal/exit"
)

// CaretakeCommand is the hidden command of tfos that calls Caretake. Its
// argument is the scratch folder.
const CaretakeCommand = "caretake"

// Times after the launcher was killed: caretakeGroup until the processes must
// have ended by themselves, and caretakeFolder until the folder must be
// removable. The folder counts as removed once it stayed absent for
// caretakeQuiet.
const (
	caretakeGroup  = 8 * time.Second
	caretakeFolder = 6 * time.Second
	caretakeQuiet  = 1500 * time.Millisecond
)

// Caretaker is a process that outlives the launcher. If the launcher is killed,
// it ends the rest of spark-submit's process group and removes the scratch
// folder. No other process could do that at every moment: before the driver
// starts, only spark-submit exists.
type Caretaker struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
}

// StartCaretaker starts a Caretaker for a new scratch folder. The caller calls
// Dismiss.
func StartCaretaker(s Scratch, env Environ) (*Caretaker, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"tfos", CaretakeCommand, s.Dir}
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a terminal's Ctrl-C does not reach it
	orders, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fail(exit.Internal, "scratch", "start the caretaker: %w", err)
	}
	return &Caretaker{cmd, orders}, nil
}

// Watch sends the process group of spark-submit to the caretaker.
func (c *Caretaker) Watch(group int) {
	_, _ = fmt.Fprintf(c.orders, "group %d\n", group) // an error means that the caretaker is gone
}

// CleanAfter has the caretaker clean up in the cluster too, where the manager is a
// cluster.Follower. The configuration may have secrets: it goes through the pipe.
func (c *Caretaker) CleanAfter(config cluster.Config) {
	text, err := json.Marshal(config)
	if err == nil {
		_, _ = fmt.Fprintf(c.orders, "clean %s\n", text) // an error means that the caretaker is gone
	}
}

// Dismiss ends the caretaker. Call it once the scratch folder is removed.
func (c *Caretaker) Dismiss() error {
	_, err := io.WriteString(c.orders, "done\n")
	if err = errors.Join(err, c.orders.Close(), c.cmd.Wait()); err != nil {
		return fmt.Errorf("launch: dismiss the caretaker: %w", err)
	}
	return nil
}

// Caretake is the main function of the caretaker's process. If its orders end
// with "done", it returns at once. If they end otherwise, the launcher is dead.
func Caretake(orders io.Reader, folder string, env Environ) error {
	g := group{gone: true}
	var config *cluster.Config
	lines := bufio.NewScanner(orders)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch id, err := strconv.Atoi(rest); {
		case word == "done":
			return nil
		case word == "group" && err == nil && id > 1:
			g = group{id: id}
		case word == "clean":
			config = &cluster.Config{Env: env.Get}
			if err := json.Unmarshal([]byte(rest), config); err != nil {
				return fmt.Errorf("launch: caretaker's orders: %w", err)
			}
		}
	}
	if !g.gone && !g.empty(caretakeGroup) {
		g.signal(syscall.SIGKILL)
	}
	return errors.Join(removeQuiet(folder), cleanCluster(config))
}

// cleanCluster ends what the application has left in its cluster.
func cleanCluster(config *cluster.Config) error {
	if config == nil {
		return nil
	}
	manager, err := cluster.Open(*config)
	if follower, ok := manager.(cluster.Follower); ok && err == nil {
		err = follower.Clean(context.Background())
	}
	return err
}

// removeQuiet deletes a folder. It repeats this while dying processes write
// into the folder, until the folder stayed absent for a while.
func removeQuiet(folder string) error {
	began, gone := time.Now(), time.Time{}
	for {
		if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
			gone, err = time.Time{}, os.RemoveAll(folder)
			if time.Since(began) > caretakeFolder {
				return fmt.Errorf("launch: remove the scratch folder: %w", errors.Join(errors.New("it is still in use"), err))
			}
		} else if gone.IsZero() {
			gone = time.Now()
		} else if time.Since(gone) > caretakeQuiet {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}
