package store

import (
	"os"
	"strings"
)

// Properties of short-circuit reads.
const (
	shortCircuitProperty = "dfs.client.read.shortcircuit"
	socketProperty       = "dfs.domain.socket.path"
	skipChecksumProperty = "dfs.client.read.shortcircuit.skip.checksum"
)

// readLocally has blocks of this host read from their files, if the settings say so. The user
// is told once if none can be.
func (h *hdfsCluster) readLocally(s Settings) {
	if !s.isTrue(shortCircuitProperty) {
		return
	}
	h.dataNodes.SkipChecksum = s.isTrue(skipChecksumProperty)
	if h.dataNodes.Socket = strings.TrimSpace(s[socketProperty]); h.dataNodes.Socket == "" {
		warn(h.root + ": blocks are read over the network: " + shortCircuitProperty + " is true, and " + socketProperty + " is not set")
		return
	}
	h.dataNodes.Refused = func(err error) {
		if h.dataNodes.Local.Load() > 0 { // it is this block alone
			return
		}
		h.warned.Do(func() {
			host, _ := os.Hostname() // the rest of the line says enough
			warn(h.root + ": " + host + " reads blocks of its own disks over the network, though " + shortCircuitProperty + " is true: " + err.Error())
		})
	}
}

// isTrue reads a property as Hadoop does: without spaces, in upper or lower case. What is
// neither true nor false counts as false, Hadoop's default of these properties.
func (s Settings) isTrue(name string) bool {
	return strings.EqualFold(strings.TrimSpace(s[name]), "true")
}
