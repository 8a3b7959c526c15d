package node

import (
	"fmt"
	"net"
	"os"
	"time"

	"tfos/internal/proc"
)

// This file reads facts about the executor: environment, names, network, clock.

// tempDir returns the executor's folder for temporary files.
func tempDir() string { return os.TempDir() }

// environment returns the process's environment followed by more. Later entries win.
func environment(more ...string) []string { return append(os.Environ(), more...) }

// envVar returns an environment variable of the executor, or "".
func envVar(name string) string { return os.Getenv(name) }

// hostName returns the machine's name, for people. If it has none, it returns other.
func hostName(other string) string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return other
}

// executorPID returns the process that started this one: on an executor its JVM.
func executorPID() int { return os.Getppid() }

// executorIdentity names the process that started this one, which on an
// executor is the executor's JVM: two members with the same are on one
// executor.
func executorIdentity() (string, error) {
	parent, err := proc.Identify(executorPID())
	if err != nil {
		return "", fmt.Errorf("node: identity of the executor: %w", err)
	}
	return parent.String(), nil
}

// routeAddress returns this machine's address on the route to server (host:port). Other
// members reach the same server, so they can be expected to reach this address.
// Connecting a datagram socket sends nothing.
func routeAddress(server string) (string, error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return "", fmt.Errorf("node: route to the reservation server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return "", fmt.Errorf("node: route to the reservation server: %w", err)
	}
	return host, nil
}

// deadlineIn returns the time d from now, for a connection's deadline.
func deadlineIn(d time.Duration) time.Time { return time.Now().Add(d) }
