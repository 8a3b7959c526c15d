package node

import (
	"slices"
	"strings"
	"testing"
)

func envValue(c command, name string) string {
	for _, entry := range c.Env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return "(unset)"
}

func TestTFConfig(t *testing.T) {
	members := []memberAddress{
		{"ps", 0, "a:1", ""}, {"worker", 1, "c:3", ""}, {"worker", 0, "b:2", ""}, {"evaluator", 0, "[::1]:4", ""},
	}
	got, err := tfConfig(members, "worker", 1)
	if err != nil {
		t.Fatal(err)
	}
	// The evaluator is not part of TensorFlow's cluster.
	want := `{"cluster":{"ps":["a:1"],"worker":["b:2","c:3"]},"task":{"type":"worker","index":1}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPythonChildsCommand(t *testing.T) {
	p := childPlan{
		assignment: Assignment{Job: "worker", Config: Config{
			Run:   "r1",
			Child: ChildConfig{Kind: childPython, PythonPath: []string{"tfos.zip", "/abs/lib"}},
			Roles: map[string]RoleConfig{"worker": {Cores: 2, Env: map[string]string{"OMP_NUM_THREADS": "9", "MINE": "x", "PYTHONPATH": "/role"}}},
		}},
		files: "/files", dir: "/files/tfos-worker-0", work: "/tmp/tfos-1", tfConfig: "{}",
		base: []string{"PATH=/bin", "PYTHONPATH=/old", "TFOS_RUN=stale"},
	}
	c := p.command()
	if want := []string{"python3", "-m", "tfos.program"}; !slices.Equal(c.Argv, want) || c.Dir != "/files/tfos-worker-0" {
		t.Errorf("argv %q in %s", c.Argv, c.Dir)
	}
	for name, want := range map[string]string{
		"PATH": "/bin", "TF_CONFIG": "{}", "TFOS_SOCKET": "/tmp/tfos-1/child.sock", "TFOS_RUN": "r1", "TMPDIR": "/tmp/tfos-1",
		"PYTHONUNBUFFERED": "1", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "(unset)",
		"OMP_NUM_THREADS": "9", "MINE": "x", // the role's environment wins
		"PYTHONPATH":      "/files/tfos-worker-0:/files/tfos.zip:/abs/lib:/role",
		"LD_LIBRARY_PATH": "(unset)",
	} {
		if got := envValue(c, name); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if !slices.IsSorted(c.Env) {
		t.Error("the environment is not sorted")
	}
}

func TestInterpreterIsAbsoluteOrAName(t *testing.T) {
	for given, want := range map[string]string{
		"": "python3", "python3.11": "python3.11", "/opt/py/bin/python": "/opt/py/bin/python",
		"env/bin/python": "/files/env/bin/python", "./env/bin/python": "/files/env/bin/python",
	} {
		p := childPlan{files: "/files", assignment: Assignment{Config: Config{Child: ChildConfig{Interpreter: given}}}}
		if got := p.interpreter(); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

func TestEngineChildsCommand(t *testing.T) {
	p := childPlan{
		assignment: Assignment{Job: "worker", Config: Config{Child: ChildConfig{Kind: childEngine, Engine: "tfos-engine"}}},
		files:      "/files", tensorFlow: tensorFlow{dir: "/lib/tf"}, base: []string{"LD_LIBRARY_PATH=/old"},
	}
	c := p.command()
	if want := []string{"/files/tfos-engine", "run"}; !slices.Equal(c.Argv, want) {
		t.Errorf("argv %q", c.Argv)
	}
	if got := envValue(c, "LD_LIBRARY_PATH"); got != "/lib/tf:/old" {
		t.Errorf("LD_LIBRARY_PATH=%s", got)
	}
	if got := envValue(c, "TF_NUM_INTRAOP_THREADS"); got != "(unset)" {
		t.Errorf("a role without cores set TF_NUM_INTRAOP_THREADS=%s", got)
	}
}
