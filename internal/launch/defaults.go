package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"tfos/internal/exit"
	"tfos/internal/hadoop"
)

// Defaults are the settings of the site's spark-defaults.conf. spark-submit
// reads that file itself.
type Defaults struct {
	Path     string // "": no such file
	Text     string // of the file
	Settings map[string]string
}

// FindDefaults reads the file where spark-submit looks for it: in
// SPARK_CONF_DIR, else in the conf folder of home. A missing file, or home "", is
// not an error.
func FindDefaults(home string, env Environ) (Defaults, error) {
	dir := env.Get("SPARK_CONF_DIR")
	switch {
	case dir != "":
	case home == "":
		return Defaults{}, nil
	default:
		dir = filepath.Join(home, "conf")
	}
	path := filepath.Join(dir, "spark-defaults.conf")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Defaults{}, nil
	case err != nil:
		return Defaults{}, fail(exit.NoSpark, "find spark", "read Spark's defaults: %w: make the file readable, or unset SPARK_CONF_DIR", err)
	}
	return Defaults{path, string(text), hadoop.ParseProperties(string(text))}, nil
}
