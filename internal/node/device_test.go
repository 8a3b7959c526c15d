package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tfos/internal/proc"
)

func TestExecutorIdentity(t *testing.T) {
	space, err := proc.PIDSpace()
	if err != nil {
		t.Fatal(err)
	}
	one, err := executorIdentity()
	if err != nil {
		t.Fatal(err)
	}
	two, _ := executorIdentity()
	if one != two || !strings.HasPrefix(one, fmt.Sprintf("%s/%d/", space, os.Getppid())) {
		t.Errorf("%q, %q", one, two)
	}
}

func TestRouteAddress(t *testing.T) {
	for server, want := range map[string]string{"127.0.0.1:4000": "127.0.0.1", "localhost:4000": ""} {
		got, err := routeAddress(server)
		if err != nil || net.ParseIP(got) == nil || (want != "" && got != want) {
			t.Errorf("%s: %q, %v", server, got, err)
		}
	}
	if got, err := routeAddress("no port"); err == nil {
		t.Errorf("an address without a port gave %q", got)
	}
}

func TestWatchReader(t *testing.T) {
	t.Run("reader gone", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Close() }()
		time.AfterFunc(50*time.Millisecond, func() { _ = r.Close() })
		gone, err := watchReader(t.Context(), w)
		if !gone || err != nil {
			t.Errorf("gone %v, %v", gone, err)
		}
	})
	t.Run("reader stays", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close(); _ = w.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		gone, err := watchReader(ctx, w)
		if gone || err != nil || ctx.Err() == nil {
			t.Errorf("gone %v, %v, context %v", gone, err, ctx.Err())
		}
	})
	t.Run("no pipe", func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if gone, err := watchReader(t.Context(), f); gone || err == nil {
			t.Errorf("gone %v, %v", gone, err)
		}
	})
}

func TestLibraryDir(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH; the search for libtensorflow is not tested")
	}
	packages := t.TempDir()
	folder := filepath.Join(packages, "tensorflow")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	// An import would fail.
	if err := os.WriteFile(filepath.Join(folder, "__init__.py"), []byte("raise SystemExit(1)"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", packages)
	t.Setenv("TFOS_LIB_DIR", "")
	if got := libraryDir(t.Context(), ChildConfig{}, "/files", python, testLog()); got != folder {
		t.Errorf("the package's folder: %q, want %q", got, folder)
	}
	t.Setenv("TFOS_LIB_DIR", "/executor/lib")
	if got := libraryDir(t.Context(), ChildConfig{}, "/files", python, testLog()); got != "/executor/lib" {
		t.Errorf("TFOS_LIB_DIR: %q", got)
	}
	if got := libraryDir(t.Context(), ChildConfig{LibDir: "archive/lib"}, "/files", python, testLog()); got != "/files/archive/lib" {
		t.Errorf("lib_dir: %q", got)
	}
	t.Setenv("TFOS_LIB_DIR", "")
	if got := libraryDir(t.Context(), ChildConfig{}, "/files", "no-such-python", testLog()); got != "" {
		t.Errorf("without an interpreter: %q", got)
	}
}

func TestReadAssignment(t *testing.T) {
	good := `{"config":{"run":"r","child":{"kind":"python"}},"job":"worker","index":1,"server":"h:1","token":"t"}`
	for _, line := range []string{good + "\n", good, good + "\nmore"} {
		if a, err := readAssignment(t.Context(), strings.NewReader(line)); err != nil || a.Index != 1 {
			t.Errorf("%q: %v", line, err)
		}
	}
	for line, want := range map[string]string{
		"":          "EOF",
		"{}\n":      "config.run is empty",
		"no json\n": "invalid character",
		strings.Replace(good, "python", "cobol", 1):  `"cobol"`,
		strings.Replace(good, "python", "engine", 1): "engine is empty",
		strings.Replace(good, ":1,", ":-1,", 1):      "index is -1",
	} {
		if _, err := readAssignment(t.Context(), strings.NewReader(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", line, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	if _, err := readAssignment(ctx, r); err == nil {
		t.Error("a silent executor and a cancelled context gave no error")
	}
}

// TestOpLibraries: a path stays as it is. A package becomes its libraries that are linked
// to TensorFlow. A package without any stays as a name, which the engine refuses.
func TestOpLibraries(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH; the search for libraries of operations is not tested")
	}
	packages := t.TempDir()
	folder := filepath.Join(packages, "some_text")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"__init__.py": "raise SystemExit(1)", "_no_library.so": "text"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", packages)
	config := ChildConfig{OpLibraries: []string{"./mine.so", "/opt/theirs.so", "some_text", "no_such_package"}}
	want := []string{"/files/mine.so", "/opt/theirs.so", "some_text", "no_such_package"}
	if got := opLibraries(t.Context(), config, "/files", python, testLog()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	command := childPlan{assignment: Assignment{Config: Config{Child: ChildConfig{Kind: childEngine, Engine: "tfos-engine"}}}, files: "/files", tensorFlow: tensorFlow{libraries: want}}.command()
	if !slices.Equal(command.Argv, append([]string{"/files/tfos-engine", "run"}, want...)) {
		t.Errorf("the engine is started as %q", command.Argv)
	}
}
