package launch

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tfos/internal/exit"
)

// Environ is an environment, in the form of os.Environ. Callers pass it in, so
// that they and tests decide what a child sees.
type Environ []string

// Get returns the last value of key, which is the one that programs use, or "".
func (e Environ) Get(key string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(e[i], key+"="); ok {
			return v
		}
	}
	return ""
}

// With returns a copy in which key occurs once, with value.
func (e Environ) With(key, value string) Environ {
	out := make(Environ, 0, len(e)+1)
	for _, kv := range e {
		if !strings.HasPrefix(kv, key+"=") {
			out = append(out, kv)
		}
	}
	return append(out, key+"="+value)
}

// Search says where to look for Spark and Python.
type Search struct {
	Home   string   // spark.home of the job; first choice
	Python string   // tool setting python (TFOS_PYTHON); first choice
	Spark  string   // tool setting spark_home (TFOS_SPARK_HOME); after Home
	Dirs   []string // folders whose .venv/bin/python is tried: the current one, then the job file's
	Env    Environ
	Probe  string // scripts.Probe, the Python program that asks a Python for its version
}

// FindPython returns the Python that runs the driver, and the executors of
// local masters. It starts no process. It takes the first of: the setting,
// .venv/bin/python in Dirs, PYSPARK_PYTHON if it exists on this host (executors
// and driver must have the same minor version), python3 on PATH. The result is
// an absolute path. All errors have the code NoSpark.
func FindPython(s Search) (string, error) {
	if s.Python != "" {
		p, err := s.findExecutable(s.Python)
		if err != nil {
			return "", fail(exit.NoSpark, "find python", "python %q of the settings (TFOS_PYTHON): %v", s.Python, err)
		}
		return p, nil
	}
	for _, dir := range s.Dirs {
		if p, err := s.findExecutable(filepath.Join(dir, ".venv", "bin", "python")); err == nil {
			return p, nil
		}
	}
	for _, name := range []string{s.Env.Get("PYSPARK_PYTHON"), "python3"} {
		if name == "" {
			continue
		}
		if p, err := s.findExecutable(name); err == nil {
			return p, nil
		}
	}
	return "", fail(exit.NoSpark, "find python", "no Python 3 found (TFOS_PYTHON, .venv/bin/python, python3): install the package python3, or set TFOS_PYTHON")
}

// findExecutable finds an executable by path, or on the PATH of Env instead of
// this process's PATH. It does not follow symbolic links: the place of the link
// identifies a virtual environment.
func (s Search) findExecutable(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		p, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		return p, executable(p)
	}
	for _, dir := range filepath.SplitList(s.Env.Get("PATH")) {
		if !filepath.IsAbs(dir) {
			continue // as os/exec: never run a program of the current folder
		}
		if p := filepath.Join(dir, name); executable(p) == nil {
			return p, nil
		}
	}
	return "", exec.ErrNotFound
}

// executable returns nil if path is a file that may be executed.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file")
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return errors.New("not an executable file")
	}
	return nil
}
