package node

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// libraryTimeout limits the search for a package's folder. Python only starts and looks
// at its path: 0.1 s, more on a slow file system.
const libraryTimeout = 30 * time.Second

// findPackage is Python code that prints a package's folder. It does not import the
// package, which would take seconds and the memory of TensorFlow.
const findPackage = `import importlib.util, sys
spec = importlib.util.find_spec(sys.argv[1])
sys.stdout.write(list(spec.submodule_search_locations)[0] if spec and spec.submodule_search_locations else "")`

// tensorFlow is what an engine loads.
type tensorFlow struct {
	dir       string   // folder of libtensorflow; "": the loader finds it
	libraries []string // libraries of operations
}

// libraryDir returns the folder of libtensorflow for an engine child: the job's
// tensorflow.lib_dir, else the executor's TFOS_LIB_DIR, else the tensorflow package of
// its Python. "": the system's loader finds it.
func libraryDir(ctx context.Context, config ChildConfig, files string, interpreter string, logger *slog.Logger) string {
	if config.LibDir != "" {
		return libraryBelow(resolvePath(files, config.LibDir))
	}
	if dir := envVar("TFOS_LIB_DIR"); dir != "" {
		return resolvePath(files, dir)
	}
	return packageDir(ctx, interpreter, "tensorflow", logger)
}

// libraryBelow returns the folder of libtensorflow in an unpacked archive, or folder: an archive
// of libtensorflow has it in lib, a wheel in tensorflow.
func libraryBelow(folder string) string {
	for _, below := range []string{"", "lib", "tensorflow"} {
		if found, _ := filepath.Glob(filepath.Join(folder, below, "libtensorflow*.so*")); len(found) > 0 {
			return filepath.Join(folder, below)
		}
	}
	return folder
}

// packageDir returns the folder of a Python package, or "".
func packageDir(ctx context.Context, interpreter, name string, logger *slog.Logger) string {
	ctx, cancel := context.WithTimeout(ctx, libraryTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "-c", findPackage, name)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		logger.Info("node: ask Python for a package's folder", "package", name, "interpreter", interpreter, "error", err)
		return ""
	}
	dir := strings.TrimSpace(string(out))
	if !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// libraryFailure returns what was wrong with libtensorflow, if that is why an engine
// child ended before it attached. It looks at the exit status and the messages of the
// loader (ld.so(8)), and at the error of starting the engine. "": another cause.
func libraryFailure(end childEnd, stderr []string, host string) string {
	for _, line := range stderr {
		// There is a library, but it needs another TensorFlow or libc.
		if strings.Contains(line, "symbol lookup error: ") || strings.Contains(line, " not found (required by ") {
			return fmt.Sprintf("libtensorflow on %s does not fit (%s): install another there (pip install tensorflow-cpu), or name its folder as tensorflow.lib_dir in the job file", host, oneLine(line))
		}
	}
	missing := end.Error != "" || end.Exit == 127
	for _, line := range stderr {
		missing = missing || strings.Contains(line, "error while loading shared libraries: libtensorflow")
	}
	if !missing {
		return ""
	}
	cause := fmt.Sprintf("no libtensorflow on %s", host)
	if end.Error != "" {
		cause += " (" + end.Error + ")"
	}
	return cause + ": install it there (pip install tensorflow-cpu), or name its folder as tensorflow.lib_dir in the job file"
}
