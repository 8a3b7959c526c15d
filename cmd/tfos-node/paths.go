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
	// Options are Spark's options of the source. Used are those that select files, and
	// the one that says where columns in folder names begin.
	Options map[string]string `json:"options"`
	// Folders says that Spark reads columns from the names of folders.
	Folders bool `json:"folders"`
	storage
}

func newPathsCommand(status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "paths",
		Short: "List the files that a pattern matches, for Spark to read (started by the driver)",
		Long: `paths reads a JSON object from standard input: a path that Spark has to read. It
writes JSON to standard output: the files and folders that the path matches. Spark
thus reads the same files as tfos: ** is supported, and hidden names are skipped.

Exit codes:
  0  the answer was written
  1  nothing matches, or Spark would leave files out: standard error says why, in a line
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
	in.configure()
	found, err := files.ListFor(cmd.Context(), in.Path, in.Options, in.Folders)
	if err != nil {
		return err
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(found)
}
