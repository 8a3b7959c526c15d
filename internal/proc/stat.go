package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that tfos is built for.
const clockTick = 10 * time.Millisecond

// Stat is what tfos needs of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	State  byte   // 'R', 'S', 'D', 'Z', …
	Parent int    // pid
	Start  string // clock ticks after boot

	CPU         time.Duration // of all its threads
	ChildrenCPU time.Duration // of its children that have ended and were waited for, and theirs
}

// Uninterruptible tells whether the process waits in the kernel for something that no signal
// ends, SIGKILL included: storage, a server of files, a device. Most such waits are short.
func (s Stat) Uninterruptible() bool { return s.State == 'D' }

// Ended tells whether the process has ended and only its entry is left (a zombie).
func (s Stat) Ended() bool { return s.State == 'Z' || s.State == 'X' }

// ReadStat reads the stat line of one process.
func ReadStat(pid int) (Stat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, fmt.Errorf("proc: %w", err)
	}
	stat, err := parseStat(line)
	if err != nil {
		return Stat{}, fmt.Errorf("proc: /proc/%d/stat: %w", pid, err)
	}
	return stat, nil
}

// parseStat counts fields from the last ')': the command's name, field 2, may hold
// spaces and brackets. fields[0] is field 3.
func parseStat(line []byte) (Stat, error) {
	end := bytes.LastIndexByte(line, ')')
	fields := bytes.Fields(line[end+1:])
	if end < 0 || len(fields) < 20 {
		return Stat{}, errors.New("unknown format")
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return Stat{}, fmt.Errorf("parent: %w", err)
	}
	return Stat{
		State: fields[0][0], Parent: parent, Start: string(fields[19]),
		CPU: ticks(fields[11], fields[12]), ChildrenCPU: ticks(fields[13], fields[14]),
	}, nil
}

// ticks adds up times of a stat line.
func ticks(fields ...[]byte) time.Duration {
	var sum time.Duration
	for _, f := range fields {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		sum += time.Duration(n) * clockTick
	}
	return sum
}

// Descendants returns the processes below root now, in the order of their pids. A
// process that ends while /proc is read may be missing or still there.
func Descendants(root int) []int {
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
		if stat, err := ReadStat(pid); err == nil {
			children[stat.Parent] = append(children[stat.Parent], pid)
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

// KernelWait returns the function of the kernel in which the process waits
// (proc_pid_wchan(5)). "": in none, or the kernel does not say.
func KernelWait(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	if err != nil || string(name) == "0" {
		return ""
	}
	return string(name)
}

// WrittenBytes is how many bytes a process, and its reaped children, caused to be
// written to storage; 0 where the kernel does not say (proc_pid_io(5)). Pipes and
// sockets do not count.
func WrittenBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte("write_bytes:")); found {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return n
		}
	}
	return 0
}
