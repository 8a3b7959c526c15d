package launch

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"tfos/internal/record"
)

// thisProcess names this process, so that Alive knows it.
func thisProcess() (record.Process, error) {
	p := record.Process{PID: os.Getpid()}
	var err error
	if p.Host, err = os.Hostname(); err != nil {
		return p, err
	}
	if p.Space, err = pidSpace(); err != nil {
		return p, err
	}
	_, p.Start, err = processStat(p.PID)
	return p, err
}

// Alive tells whether a process that wrote a record still runs. Of a process of
// another machine or container nobody can tell here: it counts as alive.
func Alive(p record.Process) bool {
	if space, err := pidSpace(); err != nil || space != p.Space {
		return true
	}
	state, start, err := processStat(p.PID)
	return err == nil && start == p.Start && state != "Z" && state != "X"
}

// pidSpace names the boot of the kernel and the pid namespace: two processes with the
// same one see each other under the same pids.
func pidSpace() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return string(bytes.TrimSpace(boot)) + "/" + namespace, err
}

// processStat reads a process's state and start time (fields 3 and 22 of
// proc_pid_stat(5)). The name before them may have spaces and parentheses.
func processStat(pid int) (state, start string, err error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	return fields[0], fields[19], nil
}
