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

// libraryTimeout bounds asking the interpreter for a package's folder. It
// only starts Python and looks at its path: 0.1 s, more on a slow file system.
const libraryTimeout = 30 * time.Second

// findPackage prints where a package lies without importing it, which would take
// seconds and the memory of TensorFlow.
const findPackage = `import importlib.util, sys
spec = importlib.util.find_spec(sys.argv[1])
sys.stdout.write(list(spec.submodule_search_locations)[0] if spec and spec.submodule_search_locations else "")`

// libraryDir is the folder of libtensorflow for an engine child: the job's
// (tensorflow.lib_dir), else the executor's TFOS_LIB_DIR, else the tensorflow
// package of its Python. "" leaves it to the system's loader.
func libraryDir(ctx context.Context, config ChildConfig, files string, interpreter string, logger *slog.Logger) string {
	if config.LibDir != "" {
		return within(files, config.LibDir)
	}
	if dir := setting("TFOS_LIB_DIR"); dir != "" {
		return within(files, dir)
	}
	return packageDir(ctx, interpreter, "tensorflow", logger)
}

// packageDir is the folder of a Python package, "" when there is none.
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

// libraryFailure says, from how an engine child ended before it attached, what
// was wrong with libtensorflow: the loader's exit status and message (ld.so(8)),
// or an engine that was never shipped. "": something else.
func libraryFailure(end childEnd, stderr []string, host string) string {
	for _, line := range stderr {
		// The library is there, and another TensorFlow or libc than it needs.
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
