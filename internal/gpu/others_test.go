package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What nvidia-smi has printed on machines of others, as they have published it. UUIDs are
// shortened.
const (
	a100MIG = `GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-9c73eb7b)
  MIG 1g.10gb     Device  0: (UUID: MIG-a686709d)
  MIG 1c.3g.40gb  Device  1: (UUID: MIG-53864714)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-c92e2d5d)
`
	a100MIGFacts = `GPU-9c73eb7b, 00000000:07:00.0, 550.54.15, 81920, [Insufficient Permissions], [N/A], Enabled, [Insufficient Permissions]
GPU-c92e2d5d, 00000000:0F:00.0, 550.54.15, 81920, 81043, 0, Disabled, 7
`
	oldMIG = `GPU 0: A100-PCIE-40GB (UUID: GPU-9de3d0e8)
  MIG 4g.20gb Device 0: (UUID: MIG-GPU-9de3d0e8/2/0)
  MIG 1g.5gb Device 2: (UUID: MIG-GPU-9de3d0e8/9/0)
`
	lostOf4      = "GPU 0: NVIDIA RTX A4000 (UUID: GPU-aa)\nGPU 2: NVIDIA RTX A4000 (UUID: GPU-cc)\nUnable to determine the device handle for GPU1: 0000:5F:00.0: Unknown Error\n"
	lostOf4Facts = "Unable to determine the device handle for GPU1: 0000:5F:00.0: Unknown Error\nGPU-aa, 00000000:3B:00.0, 535.183.01, 16376, 16000, 0, [N/A], 376\nGPU-cc, 00000000:AF:00.0, 535.183.01, 16376, 16000, 0, [N/A], 376\n"
	infoROM      = "WARNING: infoROM is corrupted at gpu 0000:5E:00.0\n"
	t4           = "GPU 0: Tesla T4 (UUID: GPU-t4)\n"
	t4Facts      = "GPU-t4, 00000001:00:00.0, 535.183.01, 15360, 15000, 0, [N/A], 360\n"
)

// answers puts an nvidia-smi on PATH that prints list and query, and ends with a status.
func answers(t *testing.T, list, query string, status int) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{"list": list, "facts": query} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\n-L) cat '%[1]s/list'; exit %[2]d;;\n--query-gpu=*) cat '%[1]s/facts'; exit %[2]d;;\nesac\n", bin, status)
	if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// TestOthersDevices: what is there is found, whatever nvidia-smi says besides.
func TestOthersDevices(t *testing.T) {
	for _, c := range []struct {
		name, list, facts string
		status            int
		want              []string // devices: index, UUID, bus, total and free MiB
	}{
		{"MIG", a100MIG, a100MIGFacts, 0, []string{"0:0 MIG-a686709d 0000:07:00.0 -1 -1", "0:1 MIG-53864714 0000:07:00.0 -1 -1", "1 GPU-c92e2d5d 0000:0f:00.0 81920 81043"}},
		{"MIG of an old driver", oldMIG, "GPU-9de3d0e8, 00000000:3B:00.0, 450.51.06, 40537, 40000, [N/A], Enabled, 537\n", 0,
			[]string{"0:0 MIG-GPU-9de3d0e8/2/0 0000:3b:00.0 -1 -1", "0:2 MIG-GPU-9de3d0e8/9/0 0000:3b:00.0 -1 -1"}},
		{"names", "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-h)\nGPU 1: NVIDIA L4 (UUID: GPU-l)\nGPU 10: NVIDIA GeForce RTX 4060 Ti (UUID: GPU-g)\nGPU 11: GRID T4-16Q (UUID: GPU-v)\n",
			"GPU-h, 00000000:19:00.0, 570.86.15, 81559, 81000, 0, Disabled, 559\nGPU-l, 00000000:31:00.0, 570.86.15, 23034, 22000, [Not Supported], [N/A], 0\n" +
				"GPU-g, 00000000:4B:00.0, 570.86.15, 8188, 8000, 3 , [N/A], 188\nGPU-v, 00000000:02:00.0, 570.86.15, 16384, 15000, ERR!, [N/A], 0\n", 0,
			[]string{"0 GPU-h 0000:19:00.0 81559 81000", "1 GPU-l 0000:31:00.0 23034 22000", "10 GPU-g 0000:4b:00.0 8188 8000", "11 GPU-v 0000:02:00.0 16384 15000"}},
		{"memory of a host and its GPU", "GPU 0: NVIDIA GB10 (UUID: GPU-s)\n", "GPU-s, 0000000F:01:00.0, 580.95.05, [N/A], [N/A], 0, [N/A], [N/A]\n", 0, []string{"0 GPU-s 000f:01:00.0 -1 -1"}},
		{"virtual machines and VMD", "GPU 0: NVIDIA L4 (UUID: GPU-x)\n" + t4, "GPU-x, 00010000:01:00.0, 550, 23034, 22000, 0, [N/A], 0\n" + t4Facts, 0,
			[]string{"0 GPU-x 10000:01:00.0 23034 22000", "0 GPU-t4 0001:00:00.0 15360 15000"}},
		{"warning before the table", t4, "Warning: persistence mode is disabled on device 00000001:00:00.0. See the Known Issues section of nvidia-smi(1) man page for more information.\n" + t4Facts, 0, []string{"0 GPU-t4 0001:00:00.0 15360 15000"}},
		{"corrupted infoROM", t4 + infoROM, infoROM + t4Facts, 14, []string{"0 GPU-t4 0001:00:00.0 15360 15000"}},
		{"a lost device, status 0", lostOf4, lostOf4Facts, 0, []string{"0 GPU-aa 0000:3b:00.0 16376 16000", "2 GPU-cc 0000:af:00.0 16376 16000"}},
		{"a lost device, status 15", lostOf4, lostOf4Facts, 15, []string{"0 GPU-aa 0000:3b:00.0 16376 16000", "2 GPU-cc 0000:af:00.0 16376 16000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers(t, c.list, c.facts, c.status)
			devices, err := List(t.Context())
			var got []string
			for _, d := range devices {
				got = append(got, fmt.Sprintf("%s %s %s %d %d", d.Index, d.ID, d.Bus, d.TotalMiB, d.FreeMiB))
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestOthersRefusals: a member that gets no device is told what nvidia-smi says, and what to do
// where its status tells.
func TestOthersRefusals(t *testing.T) {
	const reset = "[GPU requires reset]"
	for _, c := range []struct {
		name, list, facts string
		status, count     int
		want              []string
	}{
		{"none", "No devices were found\n", "No devices were found\n", 0, 1, []string{"h has no GPU of the 1", "nvidia-smi says: No devices were found"}},
		{"none, status 6", "No devices were found\n", "", 6, 1, []string{"exit status 6: No devices were found"}},
		{"driver and library differ", "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.183\n", "", 18, 1,
			[]string{"on h: nvidia-smi -L: exit status 18: Failed to initialize NVML: Driver/library version mismatch NVML library version: 535.183: the driver was updated while it was in use: reboot the host"}},
		{"no module", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n", "", 9, 1,
			[]string{"couldn't communicate with the NVIDIA driver", "modprobe nvidia"}},
		{"a container after systemctl daemon-reload", "Failed to initialize NVML: Unknown Error\n", "", 255, 1, []string{"exit status 255: Failed to initialize NVML: Unknown Error"}},
		{"WSL", "Failed to initialize NVML: GPU access blocked by the operating system\nFailed to properly shut down NVML: GPU access blocked by the operating system\n", "", 17, 1, []string{"GPU access blocked by the operating system"}},
		{"all lost", "Unable to determine the device handle for GPU0000:25:00.0: Unknown Error\n", "", 15, 1, []string{"GPU0000:25:00.0: Unknown Error: reboot the host"}},
		{"a lost device is needed", lostOf4, lostOf4Facts, 0, 3, []string{"GPU-aa), GPU 2", ": 2 of the 3 that the member needs", "nvidia-smi says: Unable to determine the device handle for GPU1: 0000:5F:00.0: Unknown Error"}},
		{"an old driver", t4, "Field \"mig.mode.current\" is not a valid field to query.\n", 2, 1, []string{"Field \"mig.mode.current\" is not a valid field to query."}},
		{"no UUID", "GPU 0: GeForce GT 610 (UUID: N/A)\n", "N/A, 00000000:01:00.0, 390.157, 964, 900, [N/A], [N/A], 64\n", 0, 1, []string{"h has no GPU", "nvidia-smi says: GPU 0: GeForce GT 610 (UUID: N/A)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers(t, c.list, c.facts, c.status)
			claim, err := Acquire(t.Context(), host(), c.count, "x")
			if err == nil {
				claim.Release()
				t.Fatal("devices were had")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
	// A device that needs a reset is passed over, and named where no other is left.
	answers(t, "GPU 0: NVIDIA H100 (UUID: GPU-broken)\nGPU 1: NVIDIA H100 (UUID: GPU-whole)\n",
		"GPU-broken, 00000000:01:00.0, 550, 81559, 81559, "+reset+", Disabled, 0\nGPU-whole, 00000000:02:00.0, 550, 81559, 81000, 0, Disabled, 559\n", 0)
	if claim := acquire(t, host(), 1); claim.Visible() != "GPU-whole" {
		t.Errorf("had %s", claim.Visible())
	}
	if got := refusal(t, host(), 2); !strings.Contains(got, `GPU 0 (NVIDIA H100, GPU-broken) does not work: nvidia-smi says "GPU requires reset": reset it`) {
		t.Errorf("%s", got)
	}
}

// TestUseOfOthers: a device that nvidia-smi says nothing of is no device that is idle.
func TestUseOfOthers(t *testing.T) {
	devices := []Device{{ID: "GPU-aa"}, {ID: "GPU-bb"}, {ID: "GPU-cc"}}
	answers(t, "", lostOf4Facts, 15)
	got, err := UseNow(t.Context(), devices)
	if want := []Use{{0, 376}, {-1, -1}, {0, 376}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	answers(t, "", "Failed to initialize NVML: Unknown Error\n", 255)
	if got, err := UseNow(t.Context(), devices); err == nil {
		t.Errorf("%+v", got)
	}
}
