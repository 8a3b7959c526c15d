package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/launch"
	"tfos/scripts"
)

// kerasFolder is the name of the SavedModel to which a Keras file is converted.
const kerasFolder = "saved_model"

// convertKeras makes a SavedModel of a Keras file with the Keras of the tool's Python.
// The SavedModel is kerasFolder in the folder at. library is the Python package: see
// model.KerasFile.
func (o *exportOptions) convertKeras(ctx context.Context, c *cli, library, at string) error {
	settings, err := loadSettings(c.env)
	if err != nil {
		return err
	}
	python, err := launch.FindPython(launch.Search{Python: settings.Python, Dirs: []string{c.dir}, Env: c.env})
	if err != nil {
		return err
	}
	text, err := scripts.KerasFile()
	if err != nil {
		return err
	}
	path, folder := o.model, filepath.Join(at, kerasFolder)
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.dir, path)
	}
	argv := []string{"-c", text, library, path, folder}
	if o.allowCode {
		argv = append(argv, "code")
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, python, argv...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = at, &stdout, &stderr
	cmd.Env = c.env.With("PYTHONSAFEPATH", "1")
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return o.kerasError(c, python, stdout.String(), errors.Join(err, lastWords(err, stderr.String())))
}

// kerasError is what the conversion said that keeps the export from going on.
func (o *exportOptions) kerasError(c *cli, python, stdout string, err error) error {
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var said struct{ Version, Missing, Code, Error string }
	if jerr := json.Unmarshal([]byte(lines[len(lines)-1]), &said); err != nil || jerr != nil {
		return kerasFault("%s: %s could not convert it: %v", o.model, python, errors.Join(err, jerr))
	}
	switch {
	case said.Missing != "":
		return kerasFault("%s is a Keras file, and %s has no package %s: pip install %s there, or name another Python (TFOS_PYTHON)", o.model, python, said.Missing, said.Missing)
	case said.Code != "":
		return kerasFault("%s holds code, or needs code of others: %s. If you trust the file, --run-code-in-file runs it; else export the model in its program: model.export(…)", o.model, said.Code)
	case said.Error != "":
		return kerasFault("%s: Keras cannot export it: %s", o.model, said.Error)
	}
	c.talk("tfos: %s was converted by Keras %s of %s", o.model, said.Version, python)
	return nil
}

func kerasFault(format string, args ...any) error {
	return &launch.Error{Code: exit.Usage, Phase: "model", Err: fmt.Errorf(format, args...)}
}

// lastWords returns the end of a failed program's standard error.
func lastWords(err error, stderr string) error {
	const words = 2000
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s", stderr[max(0, len(stderr)-words):])
}

// temporary makes a folder that the caller removes.
func (c *cli) temporary() (folder string, remove func(), err error) {
	folder, err = os.MkdirTemp(c.tmp, "tfos-keras-")
	return folder, func() {
		if err := os.RemoveAll(folder); err != nil {
			c.talk("tfos: warning: %v", err)
		}
	}, err
}
