package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start starts a process, which is killed and waited for at the test's end.
func start(t *testing.T, name string, args ...string) (*exec.Cmd, io.WriteCloser, io.Reader) {
	t.Helper()
	cmd := exec.Command(name, args...)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = input.Close(), cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, input, output
}

// startShell starts a shell and returns it with the first line that it prints.
func startShell(t *testing.T, script string) (*exec.Cmd, string) {
	t.Helper()
	cmd, _, output := start(t, "/bin/sh", "-c", script)
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSuffix(line, "\n")
}

// eventually polls: the state of a process has no event.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestMachine(t *testing.T) {
	boot, err := BootID()
	if err != nil || len(boot) != 36 || strings.TrimSpace(boot) != boot {
		t.Errorf("boot id %q, %v", boot, err)
	}
	space, err := PIDSpace()
	if err != nil || !strings.HasPrefix(space, boot+"/pid:[") {
		t.Errorf("pid space %q, %v", space, err)
	}
}

// A child with brackets and spaces in its name: what is read of it is what we know.
func TestStatOfChild(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "a) R 1 (b")
	if err := os.Symlink("/bin/sh", odd); err != nil {
		t.Fatal(err)
	}
	cmd, line := startShell(t, fmt.Sprintf("exec '%s' -c 'while [ $((i+=1)) -lt 300000 ]; do :; done; echo done; read _'", odd))
	if line != "done" {
		t.Fatalf("the child printed %q", line)
	}
	pid := cmd.Process.Pid
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(name) != "a) R 1 (b\n" {
		t.Fatalf("the child's name is %q, %v", name, err)
	}
	stat, err := ReadStat(pid)
	if err != nil || stat.Parent != os.Getpid() || stat.Ended() {
		t.Errorf("%+v, %v", stat, err)
	}
	if stat.CPU < 2*clockTick || stat.CPU > time.Minute || stat.ChildrenCPU != 0 {
		t.Errorf("a child that has counted to 300,000 has used %v, its children %v", stat.CPU, stat.ChildrenCPU)
	}
	before, err := ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed child is a zombie", func() bool { s, err := ReadStat(pid); return err == nil && s.Ended() })
	_ = cmd.Wait()
	if s, err := ReadStat(pid); err == nil {
		t.Errorf("a process that was waited for: %+v", s)
	}
	after, err := ReadStat(os.Getpid())
	if err != nil || after.ChildrenCPU-before.ChildrenCPU < stat.CPU {
		t.Errorf("CPU of children: %v, then %v, %v; the child used %v", before.ChildrenCPU, after.ChildrenCPU, err, stat.CPU)
	}
}

func TestParseStatRefuses(t *testing.T) {
	numbers := strings.Repeat(" 0", 20)
	if _, err := parseStat([]byte("1 (sh) S" + numbers)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"", "1 sh S" + numbers, "1 (sh) S 0 0", "1 (sh) S x" + numbers} {
		if s, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, s)
		}
	}
}

// An ID is the same whenever it is read. A child starts after its parent.
func TestIdentify(t *testing.T) {
	self, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Identify(os.Getpid()); err != nil || again != self {
		t.Errorf("%+v, then %+v, %v", self, again, err)
	}
	if want := fmt.Sprintf("%s/%d/%s", self.Space, os.Getpid(), self.Start); self.String() != want {
		t.Errorf("%s, want %s", self, want)
	}
	cmd, _ := startShell(t, "sleep 0.02; echo up; read _")
	child, err := Identify(cmd.Process.Pid)
	if err != nil || child.Space != self.Space {
		t.Errorf("%+v, %v", child, err)
	}
	own, _ := strconv.Atoi(self.Start)
	if its, err := strconv.Atoi(child.Start); err != nil || its < own || own == 0 {
		t.Errorf("this process started at %s, its child at %s", self.Start, child.Start)
	}
	if id, err := Identify(1 << 30); err == nil {
		t.Errorf("no process: %+v", id)
	}
}

func TestAlive(t *testing.T) {
	self, err := Identify(os.Getpid())
	if err != nil || !self.Alive() {
		t.Errorf("this process %+v, %v", self, err)
	}
	earlier := self
	earlier.Start += "0"
	if earlier.Alive() {
		t.Error("an earlier process of the same pid is alive")
	}
	cmd, _ := startShell(t, "echo up; read _")
	child, err := Identify(cmd.Process.Pid)
	if err != nil || !child.Alive() {
		t.Errorf("a child %+v, %v", child, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a killed child, be it a zombie, is not alive", func() bool { return !child.Alive() })
	_ = cmd.Wait()
	if child.Alive() {
		t.Error("a child that was waited for is alive")
	}
	child.Space = "another machine"
	if !child.Alive() {
		t.Error("a process of another machine does not count as alive")
	}
}

// adoptVariable makes the test binary a process that adopts orphans.
const adoptVariable = "TFOS_PROC_ADOPT"

func TestMain(m *testing.M) {
	if os.Getenv(adoptVariable) != "" {
		os.Exit(adopt())
	}
	os.Exit(m.Run())
}

// adopt starts a shell that leaves an orphan in a session of its own, and prints the
// pids of the orphan and of its parent.
func adopt() int {
	if err := AdoptOrphans(); err != nil {
		fmt.Println(err)
		return 1
	}
	out, err := exec.Command("/bin/sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	orphan, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	stat, err := ReadStat(orphan)
	fmt.Println(orphan, stat.Parent, err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(orphan, syscall.SIGKILL)
	_, _ = syscall.Wait4(orphan, nil, 0, nil)
	return 0
}

func TestAdoptOrphans(t *testing.T) {
	t.Setenv(adoptVariable, "1")
	cmd, input, output := start(t, "/proc/self/exe")
	var orphan, parent int
	if _, err := fmt.Fscan(output, &orphan, &parent); err != nil {
		t.Fatal(err)
	}
	if parent != cmd.Process.Pid {
		t.Errorf("the orphan's parent is %d, not %d", parent, cmd.Process.Pid)
	}
	if got := Descendants(cmd.Process.Pid); !slices.Equal(got, []int{orphan}) {
		t.Errorf("descendants %v, want %d", got, orphan)
	}
	if got := Descendants(os.Getpid()); !slices.Contains(got, orphan) || !slices.Contains(got, cmd.Process.Pid) {
		t.Errorf("descendants of this process %v, want the child %d and its orphan %d", got, cmd.Process.Pid, orphan)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWrittenBytes(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	before := WrittenBytes(os.Getpid())
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if after := WrittenBytes(os.Getpid()); after < before+1<<20 {
		t.Errorf("%s: %d bytes written, then %d", f.Name(), before, after)
	}
	if n := WrittenBytes(1 << 30); n != 0 {
		t.Errorf("no process has written %d bytes", n)
	}
}
