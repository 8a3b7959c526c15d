package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestShortCircuitSettings: which settings have blocks read from their files, and what the
// user is told where none is.
func TestShortCircuitSettings(t *testing.T) {
	var told []string
	OnWarning(func(text string) { told = append(told, text) })
	t.Cleanup(func() { OnWarning(func(string) {}) })
	open := func(s Settings) HDFS {
		t.Helper()
		told = nil
		opened, err := openHDFS("hdfs://a:1", s)
		if err != nil {
			t.Fatal(err)
		}
		return opened.(HDFS)
	}
	for text, want := range map[string]bool{"true": true, " TRUE\n": true, "false": false, "": false, "yes": false, "1": false} {
		s := open(Settings{shortCircuitProperty: text, socketProperty: " /run/dn\n"})
		if got := s.dataNodes.Socket; (got == "/run/dn") != want || !want && got != "" || told != nil {
			t.Errorf("%q: socket %q, told %q", text, got, told)
		}
	}
	open(Settings{shortCircuitProperty: "true"})
	if len(told) != 1 || !strings.HasPrefix(told[0], "hdfs://a:1: ") || !strings.Contains(told[0], socketProperty+" is not set") {
		t.Errorf("without a socket: told %q", told)
	}

	s := open(shortCircuit("/run/dn"))
	s.dataNodes.Refused(errors.New("dial unix /run/dn: permission denied"))
	s.dataNodes.Refused(errors.New("again"))
	if len(told) != 1 || !strings.Contains(told[0], "over the network") || !strings.HasSuffix(told[0], ": dial unix /run/dn: permission denied") {
		t.Errorf("refused: told %q", told)
	}
	s = open(shortCircuit("/run/dn"))
	s.dataNodes.Local.Add(1)
	if s.dataNodes.Refused(errors.New("this block is being written")); slices.ContainsFunc(told, func(string) bool { return true }) {
		t.Errorf("one of many blocks: told %q", told)
	}
}
