package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the build (-ldflags -X main.version=…). It consists of the
// file VERSION and the commit.
var version string

func newVersionCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version and what this tfos carries",
		Example: "  tfos version",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return runVersion(c) },
	}
}

func runVersion(c *cli) error {
	var carries []string
	for _, name := range []string{nodeBinary, engineBinary} {
		state := name
		if !hasBinary(c.payload, name) {
			state = "no " + name
		}
		carries = append(carries, state)
	}
	_, err := fmt.Fprintf(c.out, "tfos %s (%s, %s/%s; with %s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(carries, ", "))
	return err
}

// buildVersion returns the version of the build, else the commit that Go
// recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "commit " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
