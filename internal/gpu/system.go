package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"tfos/internal/oneline"
)

// This file asks the system: it starts nvidia-smi.

// smiTime limits one nvidia-smi. It hangs when a device does.
const smiTime = 10 * time.Second

// ErrNoDriver says that there is no nvidia-smi, and so no NVIDIA driver.
var ErrNoDriver = errors.New("there is no nvidia-smi on PATH: install the NVIDIA driver, or in a container the NVIDIA container toolkit; on WSL add /usr/lib/wsl/lib to PATH")

// List returns the devices of this host, or of this container, in nvidia-smi's order.
func List(ctx context.Context) ([]Device, error) {
	found, err := takeInventory(ctx)
	return found.devices, err
}

// takeInventory asks nvidia-smi for all devices. nvidia-smi also fails if one device is lost or
// an infoROM is corrupted. Devices that it fully describes are taken nevertheless: TensorFlow
// must compute on them before a program runs.
func takeInventory(ctx context.Context) (inventory, error) {
	list, failed := smi(ctx, "-L")
	if len(list) == 0 && failed != nil {
		return inventory{}, failed
	}
	query, err := smi(ctx, factsQuery...)
	found := parseInventory(list, query)
	if failed = errors.Join(failed, err); failed != nil && !found.complete() {
		return inventory{}, failed
	}
	return found, nil
}

// smi runs nvidia-smi and returns what it prints, also what it has printed before it failed.
func smi(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, smiTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvidia-smi", args...)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := Run(ctx, cmd)
	if errors.Is(err, ErrUnkillable) {
		return nil, fmt.Errorf("nvidia-smi %s: a device hangs: %w", args[0], err)
	}
	out := printed.Bytes()
	var exited *exec.ExitError
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, ErrNoDriver
	case ctx.Err() != nil:
		return nil, fmt.Errorf("nvidia-smi %s gave no answer within %s: a device may hang", args[0], smiTime)
	case errors.As(err, &exited) && remedies[exited.ExitCode()] != "":
		err = fmt.Errorf("%w: %s: %s", err, oneLine(out), remedies[exited.ExitCode()])
	default:
		err = fmt.Errorf("%w: %s", err, oneLine(out))
	}
	return out, fmt.Errorf("nvidia-smi %s: %w", args[0], err)
}

// remedies are by nvidia-smi's exit status, which is NVML's (nvmlReturn_t of nvml.h).
var remedies = map[int]string{
	9:  "load the driver's kernel module (modprobe nvidia), or install a driver for this kernel", // DRIVER_NOT_LOADED
	12: "in a container use the NVIDIA container toolkit",                                        // LIBRARY_NOT_FOUND
	15: "reboot the host",                                                                        // GPU_IS_LOST
	16: "reset the device (nvidia-smi --gpu-reset), or reboot the host",                          // RESET_REQUIRED
	17: "restart the container",                                                                  // OPERATING_SYSTEM
	18: "the driver was updated while it was in use: reboot the host",                            // LIB_RM_VERSION_MISMATCH
}

// longestText bounds what an error has of nvidia-smi's output.
const longestText = 400

func oneLine(out []byte) string {
	return oneline.Of(string(out), longestText)
}

// usersOf names the processes that have memory of a device, as ": process 7 has 300 MiB".
func usersOf(ctx context.Context, d Device) string {
	out, _ := smi(ctx, "--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits") // without it nobody is named
	var users []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(line, ",")
		if len(f) != 3 || strings.TrimSpace(f[0]) != d.GPU {
			continue
		}
		user := "process " + strings.TrimSpace(f[1])
		if used := number(strings.TrimSpace(f[2])); used >= 0 {
			user += fmt.Sprintf(" has %d MiB", used)
		}
		users = append(users, user)
	}
	if users == nil {
		return ""
	}
	return ": " + strings.Join(users, ", ")
}
