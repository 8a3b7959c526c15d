package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"tfos/internal/proc"
)

// This file is the room's only view of the machine: environment, names,
// kernel. What it reads differs from executor to executor.

// tempDir is the executor's folder for temporary files.
func tempDir() string { return os.TempDir() }

// environment is the process's, with later entries of more before earlier.
func environment(more ...string) []string { return append(os.Environ(), more...) }

// setting is an environment variable of the executor; "" when unset.
func setting(name string) string { return os.Getenv(name) }

// hostName is the machine's name for people; other when it has none.
func hostName(other string) string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return other
}

// executorIdentity names the process that started this one, which on an
// executor is the executor's JVM: two members with the same are on one
// executor.
func executorIdentity() (string, error) {
	parent, err := proc.Identify(os.Getppid())
	if err != nil {
		return "", fmt.Errorf("node: identity of the executor: %w", err)
	}
	return parent.String(), nil
}

// routeAddress is this machine's address on the way to server (host:port): the
// one that other members, who reach the same server, can be expected to reach.
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

// gpuUtilisation is the sum of the visible devices' utilisation in percent; -1:
// there is no nvidia-smi, or it does not work here.
func gpuUtilisation(visible string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=index,uuid,utilization.gpu", "--format=csv,noheader,nounits").Output()
	if err != nil {
		return -1
	}
	return sumUtilisation(out, visible)
}

// after is the moment d from now, for a connection's deadline.
func after(d time.Duration) time.Time { return time.Now().Add(d) }
