package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tfos/internal/feed"
)

const (
	feedSocket  = "feed.sock"  // feed tasks of the same host
	childSocket = "child.sock" // the program

	// A unix socket's path, its final NUL included, has 108 bytes (unix(7)).
	maxSocketPath = 107
	// longestWorkSuffix is the length of the folder's random name and the longest
	// socket's name.
	longestWorkSuffix = len("/tfos-4294967295/") + len(feed.PredictSocket)
)

// makeWorkFolder makes the member's work folder (mode 0700), at a path that is short
// enough for sockets. TMPDIR may be a container folder of YARN, which is too long.
func makeWorkFolder() (string, error) {
	var failures []error
	for _, base := range []string{tempDir(), "/tmp"} {
		if len(base)+longestWorkSuffix > maxSocketPath {
			failures = append(failures, fmt.Errorf("%s is too long for a socket's path", base))
			continue
		}
		work, err := os.MkdirTemp(filepath.Clean(base), "tfos-")
		if err == nil {
			return work, nil
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("node: make the work folder: %w", errors.Join(failures...))
}
