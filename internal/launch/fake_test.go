package launch

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays every process of a run: spark-submit and all processes
// below it when TFOS_FAKE_SUBMIT holds a script, the launcher when
// TFOS_FAKE_LAUNCHER holds a folder.
func TestMain(m *testing.M) {
	if script := os.Getenv("TFOS_FAKE_SUBMIT"); script != "" {
		os.Exit(fakeSubmit(script))
	}
	if dir := os.Getenv("TFOS_FAKE_LAUNCHER"); dir != "" {
		os.Exit(fakeLauncher(dir))
	}
	os.Exit(m.Run())
}

// fakeSubmit does what the script says, one command per line:
//
//	event JSON      print an "@tfos" line; PID stands for the fake's own pid
//	print TEXT      print TEXT as it is
//	long N PREFIX   print one line of PREFIX and N bytes
//	stderr TEXT
//	alive FIFO      hold the FIFO open until the process ends
//	ignore          ignore SIGTERM
//	onterm JSON     on SIGTERM print the event and exit 1
//	spawn SCRIPT    start a grandchild that does SCRIPT (";" for a new line)
//	detach SCRIPT   the same in a group of its own
//	hang            sleep until a signal ends it
//	kill            end by SIGKILL
//	exit N
func fakeSubmit(script string) int {
	for line := range strings.SplitSeq(script, "\n") {
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "":
		case "event":
			fmt.Println("@tfos " + strings.ReplaceAll(arg, "PID", strconv.Itoa(os.Getpid())))
		case "print":
			fmt.Println(arg)
		case "long":
			n, prefix, _ := strings.Cut(arg, " ")
			count, _ := strconv.Atoi(n)
			fmt.Println(prefix + strings.Repeat("x", count))
		case "stderr":
			fmt.Fprintln(os.Stderr, arg)
		case "alive":
			f, err := os.OpenFile(arg, os.O_WRONLY, 0)
			if err == nil {
				_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "fake:", err)
				return 99
			}
			defer f.Close()
		case "ignore":
			signal.Ignore(syscall.SIGTERM)
		case "onterm":
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGTERM)
			go func() {
				<-c
				fmt.Println("@tfos " + arg)
				os.Exit(1)
			}()
		case "spawn", "detach":
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "TFOS_FAKE_SUBMIT="+strings.ReplaceAll(arg, ";", "\n"))
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: verb == "detach"}
			if err := cmd.Start(); err != nil {
				fmt.Fprintln(os.Stderr, "fake:", err)
				return 99
			}
		case "hang":
			time.Sleep(time.Minute) // a bound, in case the test dies
			return 98
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "exit":
			n, _ := strconv.Atoi(arg)
			return n
		default:
			fmt.Fprintf(os.Stderr, "fake: no such command: %s\n", line)
			return 99
		}
	}
	return 0
}

// fakeLauncher runs the script in dir/script and prints the verdict.
func fakeLauncher(dir string) int {
	script, err := os.ReadFile(filepath.Join(dir, "script"))
	if err != nil {
		return 97
	}
	v, err := Run(context.Background(), Config{
		Run:    "r",
		Argv:   []string{os.Args[0]},
		Env:    Environ(os.Environ()).With("TFOS_FAKE_SUBMIT", string(script)),
		Record: dir,
	})
	if err != nil {
		return 97
	}
	_ = json.NewEncoder(os.Stdout).Encode(v)
	return int(v.Code)
}

// config returns a Config that runs script, with short times.
func config(t *testing.T, script string) Config {
	t.Helper()
	return Config{
		Run:    "r1",
		Argv:   []string{self(t)},
		Env:    Environ(os.Environ()).With("TFOS_FAKE_SUBMIT", script),
		Record: t.TempDir(),
		Grace:  300 * time.Millisecond,
		Settle: 300 * time.Millisecond,
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// deadline returns a context that ends a test that hangs. The test fails if it
// was needed: fakes that hang end by themselves after a minute.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(func() {
		if ctx.Err() != nil {
			t.Error("the test took more than 20 s")
		}
		cancel()
	})
	return ctx
}

// life watches one fake process through a FIFO that only that process holds
// open.
type life struct {
	fifo string
	pid  chan int      // its pid, once it has begun
	end  chan struct{} // closed when it is gone
}

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{fifo: filepath.Join(t.TempDir(), "fifo"), pid: make(chan int, 1), end: make(chan struct{})}
	if err := syscall.Mkfifo(l.fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(l.fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	// This writer delays the end of input until the process has opened the
	// FIFO.
	w, err := os.OpenFile(l.fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.end)
		br := bufio.NewReader(r)
		line, _ := br.ReadString('\n')
		_ = w.Close()
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			l.pid <- pid
		}
		_, _ = io.Copy(io.Discard, br)
	}()
	t.Cleanup(func() {
		_ = r.Close()
		<-l.end
	})
	return l
}

func (l *life) began(t *testing.T) int {
	t.Helper()
	select {
	case pid := <-l.pid:
		return pid
	case <-time.After(15 * time.Second):
		t.Fatal("the fake process did not begin")
		return 0
	}
}

func (l *life) ended(t *testing.T) {
	t.Helper()
	select {
	case <-l.end:
	case <-time.After(10 * time.Second):
		t.Fatal("the fake process still lives")
	}
}
