package node

import (
	"context"
	"debug/elf"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
)

// opLibraries returns the paths of the libraries of operations that an engine child
// loads. A package that does not exist or has no library stays in the list as a name.
// The engine refuses names.
func opLibraries(ctx context.Context, config ChildConfig, files, interpreter string, logger *slog.Logger) []string {
	var paths []string
	for _, entry := range config.OpLibraries {
		if strings.ContainsRune(entry, filepath.Separator) {
			paths = append(paths, resolvePath(files, entry))
			continue
		}
		found := librariesIn(packageDir(ctx, interpreter, entry, logger))
		if len(found) == 0 {
			found = []string{entry}
		}
		paths = append(paths, found...)
	}
	return paths
}

// librariesIn returns the libraries of operations in a folder and below it, in lexical
// order.
func librariesIn(dir string) []string {
	if dir == "" {
		return nil
	}
	var paths []string
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".so") && hasOperations(path) {
			paths = append(paths, path)
		}
		return nil // folders that cannot be read are skipped
	})
	return paths
}

// hasOperations reports whether a shared library is a library of operations. Such a
// library is linked to TensorFlow's framework, where operations register themselves. It
// has no function PyInit_…, which Python's extension modules beside it have.
func hasOperations(path string) bool {
	file, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil || !slices.ContainsFunc(needed, func(name string) bool { return strings.HasPrefix(name, "libtensorflow_framework.so") }) {
		return false
	}
	symbols, err := file.DynamicSymbols()
	return err == nil && !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return strings.HasPrefix(s.Name, "PyInit_") })
}
