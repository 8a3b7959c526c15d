// Package scripts holds the Spark application and what Python programs import,
// scripts/tfos, inside of the tfos binary.
//
// In: the *.py files beside it, at build time. Out: tfos.zip, the importable
// package for spark-submit's --py-files, app.py, the application itself, and the
// text that asks a Python for its versions. A sub-package is a folder in tfos; it
// is in the archive without being named here. tfos/foreign has what stands for
// packages of others, in programs alone.
// It never runs Python.
package scripts

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
)

// Every Python file, at most two folders deep. A folder as a pattern would leave out
// __init__.py, or with all: take __pycache__ in.
//
//go:embed tfos/*.py tfos/*/*.py tfos/*/*/*.py
var files embed.FS

// appFile is the application; the package does not need it.
const appFile = "tfos/app.py"

// App is the application file that spark-submit is given.
func App() ([]byte, error) {
	data, err := files.ReadFile(appFile)
	if err != nil {
		return nil, fmt.Errorf("scripts: %w", err)
	}
	return data, nil
}

// Probe is what a Python is given as `-c` to print which versions it has.
func Probe() (string, error) {
	data, err := files.ReadFile("tfos/versions.py")
	if err != nil {
		return "", fmt.Errorf("scripts: %w", err)
	}
	return string(data), nil
}

// KerasFile is what a Python is given as `-c` to make a SavedModel of a Keras file.
func KerasFile() (string, error) {
	data, err := files.ReadFile("tfos/keras_file.py")
	if err != nil {
		return "", fmt.Errorf("scripts: %w", err)
	}
	return string(data), nil
}

// Zip is the package as an archive with the folder tfos in it. The same files
// give the same bytes: sorted names, no times.
func Zip() ([]byte, error) {
	var names []string
	err := fs.WalkDir(files, "tfos", func(name string, entry fs.DirEntry, err error) error { // sorted
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scripts: %w", err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range names {
		if name == appFile {
			continue
		}
		if err := add(w, name); err != nil {
			return nil, fmt.Errorf("scripts: zip %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("scripts: zip: %w", err)
	}
	return out.Bytes(), nil
}

func add(w *zip.Writer, name string) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return err
}
