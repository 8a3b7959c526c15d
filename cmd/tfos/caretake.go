package main

import (
	"github.com/spf13/cobra"

	"tfos/internal/launch"
)

// newCaretakeCommand is the hidden command that tfos starts for each run.
func newCaretakeCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:    launch.CaretakeCommand + " FOLDER",
		Short:  "Remove a run's scratch folder when its launcher was killed (started by tfos itself)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return launch.Caretake(c.in, args[0], c.env)
		},
	}
}
