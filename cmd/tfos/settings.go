package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/viper"

	"tfos/internal/exit"
	"tfos/internal/launch"
)

// settings are those of the tool, not of a job. TFOS_* overrides the settings
// file.
type settings struct {
	Python    string // python, TFOS_PYTHON
	SparkHome string // spark_home, TFOS_SPARK_HOME
	StateDir  string // state_dir, TFOS_STATE_DIR
}

var settingNames = []string{"python", "spark_home", "state_dir"}

// loadSettings reads the settings file, which may be missing, and the
// environment. An unknown name in the file is an error, so that a typing error
// is noticed.
func loadSettings(env launch.Environ) (settings, error) {
	v := viper.New()
	if path := settingsFile(env); path != "" {
		v.SetConfigFile(path)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return settings{}, settingsError(path, err)
		}
		if err := knownSettings(v, path); err != nil {
			return settings{}, err
		}
	}
	for _, name := range settingNames {
		if value := env.Get("TFOS_" + strings.ToUpper(name)); value != "" {
			v.Set(name, value)
		}
	}
	return settings{Python: v.GetString("python"), SparkHome: v.GetString("spark_home"), StateDir: v.GetString("state_dir")}, nil
}

func knownSettings(v *viper.Viper, path string) error {
	known := map[string]bool{}
	for _, name := range settingNames {
		known[name] = true
	}
	for _, key := range v.AllKeys() {
		if !known[key] {
			return settingsError(path, fmt.Errorf("unknown setting %s: it has %s", key, strings.Join(settingNames, ", ")))
		}
	}
	return nil
}

// settingsFile is in $XDG_CONFIG_HOME or ~/.config. It is "" if both are
// unknown.
func settingsFile(env launch.Environ) string {
	dir := env.Get("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		if env.Get("HOME") == "" {
			return ""
		}
		dir = filepath.Join(env.Get("HOME"), ".config")
	}
	return filepath.Join(dir, "tfos", "settings.yaml")
}

func settingsError(path string, err error) error {
	return &launch.Error{Code: exit.Usage, Phase: "settings", Err: fmt.Errorf("%s: %w", path, err)}
}
