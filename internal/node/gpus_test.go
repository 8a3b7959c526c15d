package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/gpu"
)

// fakeSMI puts an nvidia-smi on PATH that lists devices of this test alone. free is their
// free memory in MiB, of 10000. Each is busy by 10 %. It returns their UUIDs.
func fakeSMI(t *testing.T, free ...int) []string {
	t.Helper()
	var ids []string
	for i := range free {
		ids = append(ids, fmt.Sprintf("GPU-%s-%d-%d", strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid(), i))
	}
	bin := t.TempDir()
	var list, facts strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&list, "GPU %d: Fake Device (UUID: %s)\n", i, id)
		fmt.Fprintf(&facts, "%s, 00000000:0%d:00.0, 555.42, 10000, %d, 10, [N/A], %d\n", id, i, free[i], 10000-free[i])
	}
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\n-L) cat <<'END'\n%sEND\n;;\n--query-gpu=*) cat <<'END'\n%sEND\n;;\nesac\n", &list, &facts)
	if err := os.WriteFile(filepath.Join(bin, "nvidia-smi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return ids
}

// actProof plays `python -m tfos.gpus`: it sees the devices of CUDA_VISIBLE_DEVICES, whose
// PCI addresses end with their indices. TFOS_TEST_PROOF is what is wrong.
func actProof() int {
	seen := gpu.Seen{TensorFlow: "2.19.1", Package: "tensorflow", CUDA: true}
	for i, id := range strings.Split(os.Getenv(gpu.VisibleVariable), ",") {
		bus := fmt.Sprintf("0000:0%s:00.0", id[strings.LastIndex(id, "-")+1:])
		seen.Devices = append(seen.Devices, gpu.SeenDevice{Name: fmt.Sprintf("/device:GPU:%d", i), Bus: bus})
	}
	switch os.Getenv("TFOS_TEST_PROOF") {
	case "cpu":
		seen = gpu.Seen{TensorFlow: "2.19.1", Package: "tensorflow-cpu"}
	case "dies":
		fmt.Fprintln(os.Stderr, "Could not find cuda drivers on your machine, GPU will not be used")
		fmt.Fprintln(os.Stderr, "no such module")
		return 3
	case "hangs":
		time.Sleep(time.Hour)
	}
	line, _ := json.Marshal(seen)
	fmt.Println("a line of a plugin's")
	fmt.Println(string(line))
	return 0
}

// gpuAssignment is worker i with count GPUs of the host.
func (s *scene) gpuAssignment(i, count int, mode string, env map[string]string) Assignment {
	a := s.assignment(i, mode)
	a.Config.GPUs = gpu.Host
	role := a.Config.Roles["worker"]
	role.GPUs = count
	for name, value := range env {
		role.Env[name] = value
	}
	a.Config.Roles["worker"] = role
	return a
}

// TestGPUsOfMembers: two members of a host have devices of their own. Their programs see
// these, and take memory as they need it.
func TestGPUsOfMembers(t *testing.T) {
	ids := fakeSMI(t, 9000, 9000, 9000)
	s := newScene(t, 2, nil)
	assignments := []Assignment{s.gpuAssignment(0, 2, "env", nil), s.gpuAssignment(1, 1, "env", map[string]string{"TF_FORCE_GPU_ALLOW_GROWTH": "false"})}
	var actors []*actor
	for _, a := range assignments {
		actors = append(actors, s.act("run", a))
	}
	if v := s.verdict(); v.Code != exit.Done {
		t.Fatalf("verdict %+v", v)
	}
	seen := map[string]bool{}
	for i, a := range assignments {
		actors[i].end()
		text, err := os.ReadFile(filepath.Join(workingDirectory(a), "child.env"))
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		env := newEnv(list)
		names := strings.Split(env[gpu.VisibleVariable], ",")
		if len(names) != a.Config.Roles["worker"].GPUs {
			t.Errorf("worker %d sees %q", i, names)
		}
		for _, name := range names {
			seen[name] = true
		}
		if want := []string{"true", "false"}[i]; env["TF_FORCE_GPU_ALLOW_GROWTH"] != want {
			t.Errorf("worker %d: growth %q", i, env["TF_FORCE_GPU_ALLOW_GROWTH"])
		}
	}
	if len(seen) != 3 || !seen[ids[0]] || !seen[ids[1]] || !seen[ids[2]] {
		t.Errorf("together they saw %v", seen)
	}
	nothingLeft(t, s.run, s.tmp)
}

// TestNoGPUs: what is wrong ends the run with exit code 4 before the program runs, and is
// named.
func TestNoGPUs(t *testing.T) {
	for _, c := range []struct {
		name  string
		free  []int
		proof string
		want  string
	}{
		{"wheel", []int{9000}, "cpu", "tensorflow-cpu 2.19.1 on"},
		{"crash", []int{9000}, "dies", "did not list its devices: exit status 3: no such module"},
		{"none", nil, "", "has no GPU of the 1 that the member needs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fakeSMI(t, c.free...)
			s := newScene(t, 1, nil)
			began := time.Now()
			a := s.act("run", s.gpuAssignment(0, 1, "env", map[string]string{"TFOS_TEST_PROOF": c.proof}))
			v := s.verdict()
			if v.Code != exit.NotFormed || v.Phase != phaseGPUs || !strings.Contains(v.Cause, c.want) || v.Member != "worker:0" {
				t.Errorf("verdict %+v", v)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			a.end()
			nothingLeft(t, s.run, s.tmp)
		})
	}
}

// TestKilledWhileTensorFlowIsChecked: the check ends with its supervisor.
func TestKilledWhileTensorFlowIsChecked(t *testing.T) {
	fakeSMI(t, 9000)
	s := newScene(t, 1, nil)
	a := s.act("run", s.gpuAssignment(0, 1, "env", map[string]string{"TFOS_TEST_PROOF": "hangs"}))
	s.awaitPhase(0, phaseStarting)
	time.Sleep(time.Second)
	a.kill()
	nothingLeft(t, s.run, s.tmp)
}

// TestVisibleDevices: a role without GPUs sees none, whatever the executor's environment
// says, unless its own says otherwise.
func TestVisibleDevices(t *testing.T) {
	claim := &gpu.Claim{Devices: []gpu.Device{{ID: "GPU-a"}, {ID: "MIG-b"}}}
	for _, c := range []struct {
		role  map[string]string
		claim *gpu.Claim
		want  string
	}{
		{nil, nil, ""},
		{map[string]string{gpu.VisibleVariable: "0,2"}, nil, "0,2"},
		{nil, claim, "GPU-a,MIG-b"},
	} {
		for kind, proof := range map[string]string{childPython: "python3 -m tfos.gpus", childEngine: "/f/tfos-engine gpus"} {
			child := ChildConfig{Kind: kind, Engine: "tfos-engine"}
			a := Assignment{Job: "worker", Config: Config{Child: child, Roles: map[string]RoleConfig{"worker": {Env: c.role}}}}
			plan := childPlan{assignment: a, files: "/f", gpus: c.claim, base: []string{gpu.VisibleVariable + "=1"}, tensorFlow: tensorFlow{dir: "/tf"}}
			program, proved := plan.command(), plan.proof()
			env := newEnv(program.Env)
			if got := env[gpu.VisibleVariable]; got != c.want {
				t.Errorf("%s, %v: %q, not %q", kind, c.role, got, c.want)
			}
			if growth := env["TF_FORCE_GPU_ALLOW_GROWTH"]; (growth == "true") != (c.claim != nil) {
				t.Errorf("%s, %v: memory growth %q", kind, c.role, growth)
			}
			// TensorFlow is asked as the program starts: by the same binary in the same environment.
			if got := strings.Join(proved.Argv, " "); got != proof || !slices.Equal(proved.Env, program.Env) || proved.Dir != program.Dir {
				t.Errorf("%s: the proof is %q", kind, got)
			}
		}
	}
}
