package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/modelcache"
)

// contractRequest is what contract reads.
type contractRequest struct {
	Request infer.PartitionsRequest `json:"request"`
	Schema  []byte                  `json:"schema"` // Arrow IPC schema message
	storage
}

// contractAnswer is what contract writes. Code is 0 if the columns fit. Otherwise the run
// must end with this exit code and cause: the columns do not fit, or the model lacks
// something that the job names.
type contractAnswer struct {
	infer.Contract
	Code  exit.Code `json:"code"`
	Cause string    `json:"cause,omitempty"`
}

func newContractCommand(status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "contract",
		Short: "Check a table's columns against a model (started by the driver)",
		Long: `contract reads a JSON object from standard input: what the model computes, and the
Arrow schema of a table. It writes a JSON object to standard output: which columns the
model takes and which it adds, or why they do not fit.

Exit codes:
  0  the answer was written
  1  the request cannot be read: standard error says why, in a line
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := contract(cmd); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				*status = 1
			}
			return nil
		},
	}
}

func contract(cmd *cobra.Command) error {
	var in contractRequest
	if err := json.NewDecoder(cmd.InOrStdin()).Decode(&in); err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	in.configure()
	schema, err := files.DecodeSchema(in.Schema)
	if err != nil {
		return fmt.Errorf("read the table's schema: %w", err)
	}
	if in.Request.Source, err = modelcache.Default().Source(cmd.Context(), in.Request.Source, modelcache.Graph); err != nil {
		return err
	}
	var out contractAnswer
	if out.Contract, err = in.Request.Contract(schema); err != nil {
		out.Code, out.Cause = infer.ExitCode(err), err.Error()
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(out)
}
