package feed

import (
	"bytes"
	"fmt"
	"os"
)

// BootID returns the id of this boot of this kernel. A feed task reaches a member
// over a Unix socket only if both read the same id.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("feed: read the kernel's boot id: %w", err)
	}
	return string(bytes.TrimSpace(id)), nil
}
