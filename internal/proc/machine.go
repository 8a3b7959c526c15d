package proc

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// BootID returns the id of this boot of this kernel. Unix sockets and shared memory
// only work between processes that read the same one.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("proc: read the kernel's boot id: %w", err)
	}
	return string(bytes.TrimSpace(id)), nil
}

// PIDSpace names the boot of the kernel and this process's pid namespace, as
// "boot id/pid:[number]". Containers have pid namespaces of their own.
func PIDSpace() (string, error) {
	boot, err := BootID()
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", fmt.Errorf("proc: read the pid namespace: %w", err)
	}
	return boot + "/" + namespace, nil
}

// AdoptOrphans makes this process the parent of every descendant whose own parent
// ended (PR_SET_CHILD_SUBREAPER, prctl(2)). A daemon's double fork or setsid then does
// not leave the tree, and this process can wait for its orphans.
func AdoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("proc: become child subreaper: %w", err)
	}
	return nil
}
