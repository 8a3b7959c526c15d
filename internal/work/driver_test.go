package work

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

func config(lease time.Duration, members ...reserve.MemberConfig) Config {
	return Config{Config: reservetest.Config(lease, members...)}
}

// begin starts a server for this package's work.
func begin(t *testing.T, cfg Config) *reservetest.Driver {
	t.Helper()
	return reservetest.Begin(t, cfg, Open)
}

func stage(t *testing.T, path string) { stageText(t, path, "x") }

func stageText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
