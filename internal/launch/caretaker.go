package launch

import (
	"bufio"
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

	"tfos/internal/exit"
)

// CaretakeCommand is the hidden command of this program that calls Caretake,
// with the scratch folder as its argument.
const CaretakeCommand = "caretake"

// What a run whose launcher was killed may take to disappear, in steps: its
// processes by themselves, and its folder once nobody writes to it.
const (
	caretakeGroup  = 8 * time.Second
	caretakeFolder = 6 * time.Second
	caretakeQuiet  = 1500 * time.Millisecond
)

// Caretaker is a process that outlives the launcher: when the launcher is
// killed, it ends what is left of spark-submit's group and removes the scratch
// folder. Nobody else could at every moment: before there is a driver, there is
// only spark-submit.
type Caretaker struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
}

// StartCaretaker starts one for a scratch folder that was just made.
func StartCaretaker(s Scratch, env Environ) (*Caretaker, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"tfos", CaretakeCommand, s.Dir}
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is not for it
	orders, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fail(exit.Internal, "scratch", "start the caretaker: %w", err)
	}
	return &Caretaker{cmd, orders}, nil
}

// Watch tells it the process group of spark-submit.
func (c *Caretaker) Watch(group int) {
	_, _ = fmt.Fprintf(c.orders, "group %d\n", group) // it is gone: then there is nobody to tell
}

// Dismiss ends it, once the scratch folder is removed.
func (c *Caretaker) Dismiss() error {
	_, err := io.WriteString(c.orders, "done\n")
	if err = errors.Join(err, c.orders.Close(), c.cmd.Wait()); err != nil {
		return fmt.Errorf("launch: dismiss the caretaker: %w", err)
	}
	return nil
}

// Caretake is the caretaker's process. It returns at once when its orders end
// with "done"; at any other end of them the launcher is dead.
func Caretake(orders io.Reader, folder string) error {
	g := group{gone: true}
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch id, err := strconv.Atoi(rest); {
		case word == "done":
			return nil
		case word == "group" && err == nil && id > 1:
			g = group{id: id}
		}
	}
	if !g.gone && !g.empty(caretakeGroup) {
		g.signal(syscall.SIGKILL)
	}
	return removeQuiet(folder)
}

// removeQuiet deletes a folder, again and again while dying processes write
// into it, until it has stayed away for a while.
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
