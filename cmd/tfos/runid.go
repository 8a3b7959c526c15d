package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	runIDForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	notInRunIDs = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
)

// maxNameInRunID keeps the scratch folder's path short, because paths of Unix
// sockets in it are limited to 108 bytes.
const maxNameInRunID = 20

// checkRunID refuses a run id that cannot be a folder's name or is too long.
func checkRunID(given string) error {
	if runIDForm.MatchString(given) {
		return nil
	}
	return usageError("--run-id %s: must be up to 64 letters, digits, dots, dashes and underscores, not a dot or dash first", given)
}

// newRunID joins the job's name, the time and 4 random hex digits.
func newRunID(name string, now time.Time) (string, error) {
	name = strings.Trim(notInRunIDs.ReplaceAllString(name, "-"), "-_")
	if name == "" {
		name = "run"
	}
	random := make([]byte, 2)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a run id: %w", err)
	}
	name = name[:min(maxNameInRunID, len(name))]
	return name + "-" + now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(random), nil
}
