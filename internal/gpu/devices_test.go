package gpu

import (
	"slices"
	"testing"
)

const (
	twoGPUs = "GPU 0: NVIDIA GeForce RTX 3090 (rev. 2) (UUID: GPU-aaaa-1)\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)\n"
	// As nvidia-smi writes it: GPU 1 is in MIG mode, GPU 2 too but without instances.
	withMIG = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)\r\n" +
		"GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)\n" +
		"  MIG 3g.20gb     Device  0: (UUID: MIG-cccc-3)\n" +
		"  MIG 1g.5gb+me   Device  1: (UUID: MIG-GPU-bbbb-2/7/0)\n" +
		"GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-dddd-4)\n" +
		"Warning: something else\n"
	facts2 = "GPU-aaaa-1, 00000000:3B:00.0, 535.129.03, 24576, 24000, 7, [N/A], 476\nGPU-bbbb-2, 00000000:5E:00.0, 535.129.03, 40960, 100, 90, Disabled, 40700\n"
)

func ids(devices []Device) []string { return (&Claim{Devices: devices}).ids() }

// TestParse: names have blanks and parentheses, indices are not positions.
func TestParse(t *testing.T) {
	got := parseInventory([]byte(twoGPUs), []byte(facts2)).devices
	want := []Device{
		{ID: "GPU-aaaa-1", GPU: "GPU-aaaa-1", Index: "0", Name: "NVIDIA GeForce RTX 3090 (rev. 2)", Bus: "0000:3b:00.0", Driver: "535.129.03", TotalMiB: 24576, FreeMiB: 24000},
		{ID: "GPU-bbbb-2", GPU: "GPU-bbbb-2", Index: "1", Name: "NVIDIA A100-SXM4-40GB", Bus: "0000:5e:00.0", Driver: "535.129.03", TotalMiB: 40960, FreeMiB: 100},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := parseInventory([]byte(twoGPUs), nil).devices; len(got) != 2 || got[0].FreeMiB != -1 {
		t.Errorf("without facts: %+v", got)
	}
	for _, text := range []string{"", "No devices were found\n", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"} {
		if got := parseInventory([]byte(text), nil).devices; got != nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// TestParseMIG: instances stand in their GPU's place.
func TestParseMIG(t *testing.T) {
	facts := "GPU-aaaa-1, 0:3B:00.0, 535, 40960, 40000, 0, Disabled, 900\nGPU-bbbb-2, 0:5E:00.0, 535, 40960, 40000, [N/A], Enabled, 900\nGPU-dddd-4, 0:6E:00.0, 535, 40960, 40000, [N/A], Enabled, 900\n"
	want := []string{"GPU-aaaa-1", "MIG-cccc-3", "MIG-GPU-bbbb-2/7/0"}
	got := parseInventory([]byte(withMIG), []byte(facts)).devices
	if !slices.Equal(ids(got), want) {
		t.Errorf("%q", ids(got))
	}
	if d := got[2]; d.Index != "1:1" || d.GPU != "GPU-bbbb-2" || d.FreeMiB != -1 || d.Bus != "0000:5e:00.0" {
		t.Errorf("%+v", d)
	}
	// An nvidia-smi that does not know MIG mode by the query.
	if got := ids(parseInventory([]byte(withMIG), nil).devices); !slices.Equal(got, append(want, "GPU-dddd-4")) {
		t.Errorf("without facts: %q", got)
	}
}

func TestFind(t *testing.T) {
	devices := parseInventory([]byte(withMIG), nil).devices
	for list, want := range map[string][]string{
		"0":                  {"GPU-aaaa-1"},
		" 2 , 0 ":            {"GPU-dddd-4", "GPU-aaaa-1"},
		"GPU-dd,GPU-aaaa-1":  {"GPU-dddd-4", "GPU-aaaa-1"},
		"0,GPU-aaaa-1,0":     {"GPU-aaaa-1"},
		"1":                  {"MIG-cccc-3", "MIG-GPU-bbbb-2/7/0"},
		"1:1":                {"MIG-GPU-bbbb-2/7/0"},
		"MIG-cc":             {"MIG-cccc-3"},
		"MIG-GPU-bbbb-2/7/0": {"MIG-GPU-bbbb-2/7/0"},
		"GPU-bbbb-2":         {"MIG-cccc-3", "MIG-GPU-bbbb-2/7/0"},
		"0,-1,2":             {"GPU-aaaa-1"},
		"":                   nil,
		",,":                 nil,
		"a":                  nil,
	} {
		if got, _ := find(devices, splitNames(list)); !slices.Equal(ids(got), want) {
			t.Errorf("%q: %q, not %q", list, ids(got), want)
		}
	}
	if _, missing := find(devices, []string{"0", "7"}); missing != "7" {
		t.Errorf("missing %q", missing)
	}
}
