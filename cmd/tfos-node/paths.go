package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"tfos/internal/files"
)

// pathsRequest is what paths reads.
type pathsRequest struct {
	Path string `json:"path"`
	// Options are Spark's; of them those that say which files there are, and where
	// columns in folders' names begin.
	Options map[string]string `json:"options"`
	// Folders says that Spark takes columns from the names of folders.
	Folders bool `json:"folders"`
}

func newPathsCommand(status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "paths",
		Short: "List what a pattern names, for Spark to read (started by the driver)",
		Long: `paths reads from standard input, as JSON, a path that Spark is to read, and
writes to standard output, as JSON, the files and folders that it names. So Spark
reads what tfos would: ** is known, and hidden names are passed over.

Exit codes:
  0  the answer was written
  1  nothing is there, or Spark would leave files out: standard error says why, in a line
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := paths(cmd); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				*status = 1
			}
			return nil
		},
	}
}

func paths(cmd *cobra.Command) error {
	var in pathsRequest
	if err := json.NewDecoder(cmd.InOrStdin()).Decode(&in); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	found, err := files.ListFor(cmd.Context(), in.Path, in.Options, in.Folders)
	if err != nil {
		return err
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(found)
}
