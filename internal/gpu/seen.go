package gpu

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Step is what a TensorFlow that looks for its devices does next.
type Step string

// Steps, in their order. A device that hangs may stop all but the first.
const (
	StepImport  Step = "import"  // load TensorFlow
	StepDriver  Step = "driver"  // start CUDA's driver
	StepOpen    Step = "open"    // open all devices
	StepCompute Step = "compute" // compute on the device after Seen.Devices
	StepNone    Step = ""        // it has done all
)

// Seen is what a member's own TensorFlow says of the devices that it sees: a line of JSON
// of `python -m tfos.gpus` or of `tfos-engine gpus` before each step, and one at the end
// (docs/protocols.md).
type Seen struct {
	Next Step `json:"next,omitempty"`
	// TensorFlow is its version. Package is the Python distribution that brought it, as
	// "tensorflow-cpu", and Library the libtensorflow of an engine. "": not known.
	TensorFlow string `json:"tensorflow"`
	Package    string `json:"package,omitempty"`
	Library    string `json:"library,omitempty"`
	CUDA       bool   `json:"cuda"` // it was built with CUDA
	// Driver is why CUDA's driver does not start; "": it does, or is not known.
	Driver  string       `json:"driver,omitempty"`
	Devices []SeenDevice `json:"devices"`
	// Error is why TensorFlow cannot say which devices it has; "": it has said so.
	Error string `json:"error,omitempty"`
}

// SeenDevice is one GPU of TensorFlow's.
type SeenDevice struct {
	Name string `json:"name"`          // /device:GPU:0
	Bus  string `json:"bus,omitempty"` // PCI address, as TensorFlow writes it
	// Error is why it does not compute; "": it has computed.
	Error string `json:"error,omitempty"`
}

// Check returns an error unless TensorFlow computes on exactly the devices of a claim. It
// names the driver, the package of TensorFlow or the device that is to blame, and what to
// do.
func (s Seen) Check(c *Claim, host string) error {
	driver := c.driver()
	if driver != "" {
		driver = " (driver " + driver + ")"
	}
	wheel := s.name()
	switch n := len(s.Devices); {
	case s.Error != "":
		return fmt.Errorf("gpu: TensorFlow on %s%s cannot list its devices: %s", host, driver, s.Error)
	case !s.CUDA:
		return fmt.Errorf("gpu: %s on %s sees no GPU: it is built without CUDA: %s", wheel, host, s.install())
	case n == 0 && s.Driver != "":
		return fmt.Errorf("gpu: %s on %s sees no GPU: the NVIDIA driver does not start%s: %s", wheel, host, driver, s.Driver)
	case n == 0:
		return fmt.Errorf("gpu: %s on %s sees no GPU, but nvidia-smi lists some%s: libraries of CUDA or cuDNN are missing or do not fit: %s",
			wheel, host, driver, s.install())
	case n != len(c.Devices):
		return fmt.Errorf("gpu: %s on %s sees %d GPUs, not the %d of CUDA_VISIBLE_DEVICES=%s%s", wheel, host, n, len(c.Devices), c.Visible(), driver)
	}
	var faults []error
	for i, d := range s.Devices {
		want := c.Devices[i]
		switch bus := normalBus(d.Bus); {
		case bus != "" && want.Bus != "" && bus != want.Bus:
			faults = append(faults, fmt.Errorf("%s is the GPU at PCI address %s, not %s at %s", d.Name, bus, want, want.Bus))
		case d.Error != "":
			faults = append(faults, fmt.Errorf("%s does not compute on %s: %s", wheel, want, d.Error))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("gpu: on %s%s: %w", host, driver, errors.Join(faults...))
}

// Late returns the error of a TensorFlow whose next step has taken longer than limit. s is
// the last that it has said. It names the driver, the package of TensorFlow or the device
// that is to blame, and what to do.
func (s Seen) Late(c *Claim, host string, limit time.Duration) error {
	const remedy = "it may hang: reset it (nvidia-smi --gpu-reset), or reboot the host"
	wheel, driver := s.name(), strings.TrimSpace("the NVIDIA driver "+c.driver())
	switch n := len(s.Devices); {
	case s.Next == StepImport:
		return fmt.Errorf("gpu: %s on %s is not loaded after %s: its files may be on a slow file system, or the host is busy", wheel, host, limit)
	case s.Next == StepDriver:
		return fmt.Errorf("gpu: %s on %s does not start within %s: %s: %s", driver, host, limit, describe(c.Devices), remedy)
	case s.Next == StepCompute && n < len(c.Devices):
		return fmt.Errorf("gpu: %s does not compute on %s of %s (%s) within %s: %s", wheel, c.Devices[n], host, driver, limit, remedy)
	case s.Next == StepNone:
		return nil // it has said all, however its process ends
	}
	return fmt.Errorf("gpu: %s on %s (%s) does not open its devices within %s: %s: %s", wheel, host, driver, limit, describe(c.Devices), remedy)
}

func (s Seen) name() string {
	switch {
	case s.Library != "":
		return s.Library + " (TensorFlow " + s.TensorFlow + ")"
	case s.Package == "":
		return strings.TrimSpace("TensorFlow " + s.TensorFlow)
	}
	return strings.TrimSpace(s.Package + " " + s.TensorFlow)
}

// install is the remedy for a TensorFlow that lacks CUDA.
func (s Seen) install() string {
	wheel := "tensorflow[and-cuda]"
	if s.TensorFlow != "" {
		wheel += "==" + s.TensorFlow
	}
	if s.Library != "" {
		return "name the folder of a libtensorflow with CUDA as tensorflow.lib_dir, as the folder tensorflow of pip's " + wheel
	}
	text := "pip install '" + wheel + "' there"
	if s.Package != "" && s.Package != "tensorflow" {
		text = "pip uninstall " + s.Package + " and " + text
	}
	return text
}
