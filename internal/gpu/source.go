package gpu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Source is who gives a member its devices. A job's Spark master decides it.
type Source string

const (
	// None: no GPU can be had.
	None Source = ""
	// Spark assigns them: its standalone workers tell an executor by a resources file.
	Spark Source = "spark"
	// Container has them: that of YARN or Kubernetes shows its own devices only.
	Container Source = "container"
	// Host has them: whoever comes first takes them.
	Host Source = "host"
)

// VisibleVariable is the variable by which CUDA is told which devices there are.
const VisibleVariable = "CUDA_VISIBLE_DEVICES"

// Place is where a member asks for devices.
type Place struct {
	Source Source
	Host   string // its name, for people
	// Executor is the process whose command line names a resources file, for Spark.
	Executor int
	// Environment is the executor's: CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES in it
	// restrict the devices.
	Environment []string
}

// candidates returns the devices of all that the source has for this member, in the order
// in which they are taken.
func (p Place) candidates(all []Device) ([]Device, error) {
	if p.Source == Spark {
		return p.assigned(all)
	}
	// A container runtime's list. Its indices are the host's, which count anew inside.
	if names, given := p.variable("NVIDIA_VISIBLE_DEVICES"); given && len(names) > 0 && isUUID(names[0]) {
		all, _ = find(all, names)
	}
	if names, given := p.variable(VisibleVariable); given {
		all, _ = find(all, names) // as CUDA: the list ends before the first that is not there
		if len(all) == 0 {
			return nil, fmt.Errorf("%s of the executor on %s is %q, and names no device of it", VisibleVariable, p.Host, strings.Join(names, ","))
		}
	}
	return all, nil
}

func isUUID(name string) bool {
	return strings.HasPrefix(name, "GPU-") || strings.HasPrefix(name, "MIG-")
}

// variable returns the names in a variable of the executor's environment.
func (p Place) variable(name string) (names []string, given bool) {
	for _, entry := range p.Environment {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			names, given = splitNames(value), true // the last one counts
		}
	}
	return names, given
}

// assigned returns the devices of the executor's resources file.
func (p Place) assigned(all []Device) ([]Device, error) {
	const remedy = "set spark.worker.resource.gpu.amount and spark.worker.resource.gpu.discoveryScript for the workers of the cluster"
	names, err := sparkAddresses(p.Executor)
	if err != nil {
		return nil, fmt.Errorf("the GPUs that Spark has assigned on %s: %w", p.Host, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the executor on %s has no GPU from Spark: %s", p.Host, remedy)
	}
	found, missing := find(all, names)
	if missing != "" {
		return nil, fmt.Errorf("nvidia-smi on %[2]s does not list GPU %[1]q, which Spark has assigned: the discovery script of the workers must print indices or UUIDs of nvidia-smi", missing, p.Host)
	}
	return found, nil
}

// resourcesFlag is the option of an executor's JVM (CoarseGrainedExecutorBackend) that
// names its resources file.
const resourcesFlag = "--resourcesFile"

// sparkAddresses returns the addresses of GPUs in the resources file of an executor; nil:
// it has none. The file is JSON as ResourceUtils.writeResourcesFile writes it.
func sparkAddresses(executor int) ([]string, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", executor))
	if err != nil {
		return nil, fmt.Errorf("read the executor's command line: %w", err)
	}
	path := ""
	for i, args := 0, bytes.Split(line, []byte{0}); i+1 < len(args); i++ {
		if string(args[i]) == resourcesFlag {
			path = string(args[i+1])
		}
	}
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(fmt.Sprintf("/proc/%d/cwd", executor), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the executor's resources file: %w", err)
	}
	var file []struct {
		ID struct {
			Resource string `json:"resourceName"`
		} `json:"id"`
		Addresses []string `json:"addresses"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read the executor's resources file: %w", err)
	}
	var out []string
	for _, resource := range file {
		if resource.ID.Resource == "gpu" {
			for _, address := range resource.Addresses {
				out = append(out, splitNames(address)...)
			}
		}
	}
	return out, nil
}
