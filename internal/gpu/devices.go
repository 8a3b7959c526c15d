package gpu

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Device is what CUDA computes on: a GPU, or a MIG instance.
type Device struct {
	ID     string // as CUDA_VISIBLE_DEVICES names it: GPU-… or MIG-…
	Index  string // nvidia-smi's; of a MIG instance "0:1"
	Name   string // of the GPU, as "NVIDIA H200"
	GPU    string // the GPU's UUID: ID, except for a MIG instance
	Bus    string // PCI address of the GPU, as 0000:3b:00.0; "": not known
	Driver string // version; "": not known
	// Memory in MiB; -1: not known, as for a MIG instance.
	TotalMiB, FreeMiB int64
	Fault             string // why nothing computes on it, as nvidia-smi says; "": nothing known
}

// Whole tells whether the device is a GPU, and no MIG instance of one.
func (d Device) Whole() bool { return d.ID == d.GPU }

func (d Device) String() string { return fmt.Sprintf("GPU %s (%s, %s)", d.Index, d.Name, d.ID) }

// A line of `nvidia-smi -L`. A name may have blanks and parentheses:
//
//	GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-…)
//	  MIG 1g.5gb      Device  0: (UUID: MIG-c7384736-…)
//
// An old board has no UUID ("N/A"): CUDA_VISIBLE_DEVICES cannot name it.
var listed = regexp.MustCompile(`^\s*(?:GPU\s+(\d+):\s*(.*?)|MIG\s+.*?Device\s+(\d+):)\s*\(UUID:\s*((?:GPU|MIG)-[^)\s]+)\s*\)\s*$`)

// facts are the columns that query asks nvidia-smi for.
const facts = "uuid,pci.bus_id,driver_version,memory.total,memory.free,utilization.gpu,mig.mode.current,memory.used"

// factsQuery are the arguments of the query.
var factsQuery = []string{"--query-gpu=" + facts, "--format=csv,noheader,nounits"}

// inventory is what nvidia-smi says of a host.
type inventory struct {
	devices []Device
	notes   []string // its other lines: warnings, and why a device is not listed
}

// complete tells whether the query for facts has told of every device, and there is one.
func (v inventory) complete() bool {
	return len(v.devices) > 0 && !slices.ContainsFunc(v.devices, func(d Device) bool { return d.Driver == "" })
}

// note adds lines that are not known yet.
func (v *inventory) note(lines ...string) {
	for _, line := range lines {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !slices.Contains(v.notes, line) {
			v.notes = append(v.notes, line)
		}
	}
}

// mostNotes bounds what a message has of the notes.
const mostNotes = 3

// more is the end of a message: the notes, or "".
func (v inventory) more() string {
	if len(v.notes) == 0 {
		return ""
	}
	return "; nvidia-smi says: " + strings.Join(v.notes[:min(len(v.notes), mostNotes)], "; ")
}

// parseInventory reads the output of `nvidia-smi -L` and of the query for facts. The MIG
// instances of a GPU stand in its place. A GPU in MIG mode without instances cannot be
// used, and is left out.
func parseInventory(list, query []byte) inventory {
	var out inventory
	known, others := parseFacts(query)
	var parent Device
	parentListed := false // the last of out is parent
	for line := range bytes.Lines(list) {
		found := listed.FindSubmatch(line)
		switch {
		case found == nil:
			out.note(string(line))
		case len(found[1]) > 0:
			parent = Device{ID: string(found[4]), GPU: string(found[4]), Index: string(found[1]), Name: string(found[2]), TotalMiB: -1, FreeMiB: -1}
			fact := known[parent.ID]
			if fact.given {
				parent.Bus, parent.Driver, parent.TotalMiB, parent.FreeMiB, parent.Fault = fact.Bus, fact.Driver, fact.TotalMiB, fact.FreeMiB, fact.Fault
			}
			if parentListed = !fact.mig; parentListed {
				out.devices = append(out.devices, parent)
			}
		case parent.ID != "":
			if parentListed { // the query did not know its MIG mode
				out.devices, parentListed = out.devices[:len(out.devices)-1], false
			}
			instance := parent
			instance.ID, instance.Index = string(found[4]), parent.Index+":"+string(found[3])
			instance.TotalMiB, instance.FreeMiB = -1, -1
			out.devices = append(out.devices, instance)
		}
	}
	out.note(others...)
	return out
}

// fact is one line of the query for facts.
type fact struct {
	Device
	Use
	given, mig bool
}

// parseFacts reads the query for facts, by UUID. others are the lines that are something else.
func parseFacts(query []byte) (out map[string]fact, others []string) {
	out = map[string]fact{}
	for line := range strings.Lines(string(query)) {
		f := strings.Split(line, ",")
		if len(f) != strings.Count(facts, ",")+1 {
			others = append(others, line)
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		out[f[0]] = fact{given: true, mig: f[6] == "Enabled", Device: Device{
			Bus: normalBus(f[1]), Driver: f[2], TotalMiB: number(f[3]), FreeMiB: number(f[4]), Fault: faultIn(f),
		}, Use: Use{Percent: int(number(f[5])), UsedMiB: number(f[7])}}
	}
	return out, others
}

// faults are what nvidia-smi writes in the place of a value if nothing computes on a device.
// Other texts, such as [N/A], [Not Supported] and [Unknown Error], say only that a value is
// not known.
var faults = []string{"[GPU requires reset]", "[GPU is lost]"}

func faultIn(columns []string) string {
	for _, fault := range faults {
		if slices.Contains(columns, fault) {
			return strings.Trim(fault, "[]")
		}
	}
	return ""
}

// number reads a number of nvidia-smi; -1 for [N/A] and the like.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// normalBus writes a PCI address as TensorFlow does: nvidia-smi's domain has 8 digits, and
// its letters are capitals.
func normalBus(address string) string {
	domain, rest, ok := strings.Cut(strings.ToLower(strings.TrimSpace(address)), ":")
	if !ok {
		return ""
	}
	return fmt.Sprintf("%04s:%s", strings.TrimLeft(domain, "0"), rest)
}

// find returns the devices that names name: indices of nvidia-smi, or UUIDs, which may be
// cut short. The name of a GPU in MIG mode stands for its instances. missing is the first
// name that no device has; "": none.
func find(devices []Device, names []string) (found []Device, missing string) {
	seen := map[string]bool{}
	for _, name := range names {
		some := false
		for _, d := range devices {
			if d.isCalled(name) {
				some = true
				if !seen[d.ID] { // a device that is named twice is one
					seen[d.ID] = true
					found = append(found, d)
				}
			}
		}
		if !some {
			return found, name
		}
	}
	return found, ""
}

func (d Device) isCalled(name string) bool {
	gpu, _, _ := strings.Cut(d.Index, ":")
	switch {
	case name == d.Index || name == gpu || name == d.ID || name == d.GPU:
		return true
	case strings.HasPrefix(name, "GPU-"):
		return strings.HasPrefix(d.GPU, name)
	case strings.HasPrefix(name, "MIG-"):
		return strings.HasPrefix(d.ID, name)
	}
	return false
}

// splitNames splits a list as CUDA_VISIBLE_DEVICES has it. Blanks around a name do not
// count.
func splitNames(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
