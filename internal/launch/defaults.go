package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tfos/internal/exit"
)

// Defaults are the settings of the site's spark-defaults.conf. spark-submit
// reads that file itself.
type Defaults struct {
	Path     string // "": no such file
	Settings map[string]string
}

// FindDefaults reads the file where spark-submit looks for it: in
// SPARK_CONF_DIR, else in the conf folder of home. A missing file is not an
// error.
func FindDefaults(home string, env Environ) (Defaults, error) {
	dir := env.Get("SPARK_CONF_DIR")
	if dir == "" {
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
	return Defaults{path, parseProperties(string(text))}, nil
}

// parseProperties reads Java's properties format (java.util.Properties.load). A
// name ends at the first =, : or space. A line that ends with a backslash
// continues in the next line. Escapes are not decoded: names and values of
// Spark settings have none.
func parseProperties(text string) map[string]string {
	out := map[string]string{}
	pending := ""
	for line := range strings.Lines(text) {
		line = pending + strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t\f")
		pending = ""
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			pending = rest
			continue
		}
		end := strings.IndexAny(line, "=: \t\f")
		if end < 0 {
			end = len(line)
		}
		value := strings.TrimLeft(line[end:], " \t\f")
		if value != "" && strings.ContainsRune("=:", rune(value[0])) {
			value = strings.TrimLeft(value[1:], " \t\f")
		}
		out[line[:end]] = strings.TrimSpace(value) // Spark trims it too
	}
	return out
}
