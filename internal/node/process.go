package node

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processStat is what this room needs of /proc/<pid>/stat (proc_pid_stat(5)).
type processStat struct {
	pid    int
	parent int
	start  uint64 // clock ticks after boot: with the pid, the identity of a process

	cpu         time.Duration // of all its threads
	childrenCPU time.Duration // of its children that have ended and were waited for, and theirs
}

// readStat reads the stat line of one process.
func readStat(pid int) (processStat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, err
	}
	// The command's name may hold spaces and brackets: count from the last ')'.
	end := bytes.LastIndexByte(line, ')')
	fields := bytes.Fields(line[end+1:])
	if end < 0 || len(fields) < 20 {
		return processStat{}, fmt.Errorf("node: /proc/%d/stat: unknown format", pid)
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return processStat{}, fmt.Errorf("node: /proc/%d/stat: parent: %w", pid, err)
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return processStat{}, fmt.Errorf("node: /proc/%d/stat: start time: %w", pid, err)
	}
	return processStat{
		pid: pid, parent: parent, start: start,
		cpu: ticks(fields[11], fields[12]), childrenCPU: ticks(fields[13], fields[14]),
	}, nil
}

// descendants are the processes below root now, parents before children. A
// process that ends while /proc is read may be missing or still there.
func descendants(root int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]int, len(entries))
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if st, err := readStat(pid); err == nil {
			children[st.parent] = append(children[st.parent], pid)
		}
	}
	var found []int
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		found = append(found, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	slices.Sort(found)
	return found
}

// killDescendants sends SIGKILL to every process below this one. What forks
// meanwhile escapes one call: call again whenever a child was reaped.
func killDescendants() {
	for _, pid := range descendants(os.Getpid()) {
		_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
	}
}

// adoptOrphans makes this process the parent of every descendant whose own
// parent ended (PR_SET_CHILD_SUBREAPER, prctl(2)), so that a daemon's double
// fork or setsid does not leave the tree.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("node: become child subreaper: %w", err)
	}
	return nil
}

// exited is one reaped process.
type exited struct {
	pid    int
	status syscall.WaitStatus
}

// reapAll waits for children until there are none: then no descendant is left
// either, because adoptOrphans makes orphans children. It sends each on out
// and closes out at the end. Nothing else in the process may wait for
// children meanwhile.
func reapAll(out chan<- exited) {
	defer close(out)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return
		default:
			out <- exited{pid: pid, status: status}
		}
	}
}
