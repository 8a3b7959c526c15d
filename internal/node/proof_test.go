package node

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tfos/internal/gpu"
	"tfos/internal/proc/proctest"
)

// TestProof: a step that takes too long ends the proof and is named. The import has a limit
// of its own, and TensorFlow that compiles its kernels has none.
func TestProof(t *testing.T) {
	const (
		imports  = `echo '{"tensorflow":"2.19.1","package":"tensorflow","next":"import"}';`
		opens    = `echo '{"tensorflow":"2.19.1","package":"tensorflow","cuda":true,"next":"open"}';`
		computes = `echo '{"tensorflow":"2.19.1","package":"tensorflow","cuda":true,"next":"compute"}';`
		all      = `echo '{"tensorflow":"2.19.1","package":"tensorflow","cuda":true,"devices":[{"name":"/device:GPU:0"}]}';`
		compiles = `echo 'W0000 gpu_device.cc:2459] TensorFlow was not built with CUDA kernel binaries compatible with compute capability 12.0a. CUDA kernels will be jit-compiled from PTX, which could take 30 minutes or longer.' >&2;`
		slow     = `sleep 4;`
		hangs    = `exec sleep 60`
	)
	patient, hasty := proofLimits{load: time.Minute, step: 2 * time.Second}, proofLimits{load: 2 * time.Second, step: time.Minute}
	claim := &gpu.Claim{Devices: []gpu.Device{{ID: "GPU-a", Index: "0", Name: "Fake", Driver: "555.42"}}}
	for _, c := range []struct {
		name, script string
		limits       proofLimits
		want         string // of the error; "": none
		warned       string
	}{
		{"well", "echo 'a line of a plugin'; echo noise >&2;" + imports + opens + computes + all, patient, "", ""},
		{"slow import", imports + slow + opens + all, patient, "", ""},
		{"slow step", imports + opens + slow + all, hasty, "", ""},
		{"silent", hangs, hasty, "the check of TensorFlow on h said nothing within 2s", ""},
		{"import", imports + hangs, hasty, "tensorflow 2.19.1 on h is not loaded after 2s", ""},
		{"device", imports + opens + computes + hangs, patient, "tensorflow 2.19.1 does not compute on GPU 0 (Fake, GPU-a) of h (the NVIDIA driver 555.42) within 2s", ""},
		{"devices", imports + opens + "echo odd;" + hangs, patient, "does not open its devices within 2s", ""},
		{"end", imports + opens + all + hangs, patient, "", ""}, // all is said
		{"compiles", imports + opens + compiles + slow + computes + slow + all, patient, "", "it compiles its kernels first"},
		{"dies", imports + "echo no such module >&2; exit 3", patient, "did not list its devices: exit status 3: no such module", ""},
		{"ends", imports + "echo odd", patient, `did not list its devices, but printed "odd"`, ""},
		{"missing", "", patient, "no such file", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var warned string
			argv := []string{"/bin/sh", "-c", c.script}
			if c.script == "" {
				argv = []string{"/no/python"}
			}
			p := &proof{claim: claim, host: "h", limits: c.limits, warn: func(text string) { warned = text }}
			began := time.Now()
			_, err := p.run(t.Context(), command{Argv: argv, Env: os.Environ(), Dir: t.TempDir()})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, not %q", err, c.want)
			}
			if (warned == "") != (c.warned == "") || !strings.Contains(warned, c.warned) {
				t.Errorf("warned %q", warned)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestProofThatCannotBeKilled: it is left behind, and that is said.
func TestProofThatCannotBeKilled(t *testing.T) {
	file := proctest.FrozenFile(t)
	claim := &gpu.Claim{Devices: []gpu.Device{{ID: "GPU-a", Index: "0", Name: "Fake"}}}
	p := &proof{claim: claim, host: "h", limits: proofLimits{load: time.Minute, step: time.Second}, warn: func(string) {}}
	script := `echo '{"tensorflow":"2.19.1","next":"compute"}'; exec dd if=/dev/zero of=` + file + ` count=1 status=none`
	_, err := p.run(t.Context(), command{Argv: []string{"/bin/sh", "-c", script}, Env: os.Environ(), Dir: t.TempDir()})
	if err == nil || !errors.Is(err, gpu.ErrUnkillable) || !strings.Contains(err.Error(), "does not compute on GPU 0 (Fake, GPU-a) of h") {
		t.Error(err)
	}
}
