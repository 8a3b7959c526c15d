package engine_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// python returns an interpreter with TensorFlow, pyarrow and pandas: TFOS_PYTHON, or that
// of the checkout's .venv.
func python() string {
	if p := os.Getenv("TFOS_PYTHON"); p != "" {
		return p
	}
	return filepath.Join("..", "..", ".venv", "bin", "python")
}

// pythonCommand runs Python with args, whose import of TensorFlow is fast.
func pythonCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python(), args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "..", "scripts", "tests", "fast_imports"))
	return cmd
}

// needTensorFlow skips the test if Python's TensorFlow is missing. It fails the test if
// TFOS_REQUIRE requires TensorFlow.
func needTensorFlow(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath(python())
	if err == nil {
		return
	}
	if strings.Contains(os.Getenv("TFOS_REQUIRE"), "tensorflow") {
		t.Fatalf("TFOS_REQUIRE=tensorflow, but there is no Python with TensorFlow at %s: %v", python(), err)
	}
	t.Skipf("SKIPPED: no Python with TensorFlow at %s (make .venv, or set TFOS_PYTHON)", python())
}

// fixtureTimeout limits a script, which takes 7 s to 40 s on an idle machine.
const fixtureTimeout = 8 * time.Minute

// made is a folder of models that a script makes once.
type made struct {
	script string
	once   sync.Once
	dir    string
	err    error
	log    []byte
}

var (
	models  = made{script: "testdata/models.py"}
	savings = made{script: "testdata/loading.py"}
	graphs  = made{script: "testdata/training.py"}
)

func (m *made) folder(t testing.TB) string {
	t.Helper()
	m.once.Do(func() {
		if m.dir, m.err = os.MkdirTemp("", "tfos-engine-test-"); m.err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), fixtureTimeout)
			defer cancel()
			m.log, m.err = pythonCommand(ctx, m.script, m.dir).CombinedOutput()
		}
	})
	if m.err != nil {
		t.Fatalf("%s: %v\n%s", m.script, m.err, m.log)
	}
	return m.dir
}

// fixtures returns the folder with the models of testdata/models.py.
func fixtures(t testing.TB) string {
	t.Helper()
	return models.folder(t)
}

func TestMain(m *testing.M) {
	if task := os.Getenv(memberVariable); task != "" {
		if err := runMember(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	checks.end()
	for _, dir := range []string{models.dir, savings.dir, graphs.dir} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}
