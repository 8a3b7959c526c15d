package gpu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// This file asks the system: it starts nvidia-smi.

// smiTime limits one nvidia-smi. It hangs when a device does.
const smiTime = 10 * time.Second

// ErrNoDriver says that there is no nvidia-smi, and so no NVIDIA driver.
var ErrNoDriver = errors.New("there is no nvidia-smi on PATH: install the NVIDIA driver, or in a container the NVIDIA container toolkit")

// List returns the devices of this host, or of this container, in nvidia-smi's order.
func List(ctx context.Context) ([]Device, error) {
	list, err := smi(ctx, "-L")
	if err != nil {
		return nil, err
	}
	query, err := smi(ctx, factsQuery...)
	if err != nil {
		return nil, err
	}
	return parseDevices(list, query), nil
}

func smi(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, smiTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvidia-smi", args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, ErrNoDriver
	case ctx.Err() != nil:
		return nil, fmt.Errorf("nvidia-smi %s gave no answer within %s: a device may hang", args[0], smiTime)
	case err != nil:
		return nil, fmt.Errorf("nvidia-smi %s: %w: %s", args[0], err, strings.Join(strings.Fields(string(out)), " "))
	}
	return out, nil
}

// usersOf names the processes that have memory of a device, as ": process 7 has 300 MiB".
func usersOf(ctx context.Context, d Device) string {
	out, err := smi(ctx, "--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits")
	if err != nil {
		return ""
	}
	var users []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(line, ","); len(f) == 3 && strings.TrimSpace(f[0]) == d.GPU {
			users = append(users, fmt.Sprintf("process %s has %s MiB", strings.TrimSpace(f[1]), strings.TrimSpace(f[2])))
		}
	}
	if users == nil {
		return ""
	}
	return ": " + strings.Join(users, ", ")
}
