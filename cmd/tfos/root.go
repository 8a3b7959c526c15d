package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
)

func newRootCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tfos COMMAND",
		Short: "Run TensorFlow on Spark executors",
		Long: `tfos runs TensorFlow on Spark executors. A job is one YAML file; tfos turns it
into a spark-submit, follows the run and ends with an exit code that says how
the run ended.

Settings of the tool itself (not of jobs) are environment variables or lines of
~/.config/tfos/settings.yaml:
  TFOS_PYTHON      python      the Python that runs the Spark driver
  TFOS_SPARK_HOME  spark_home  Spark, when the job does not name it
  TFOS_STATE_DIR   state_dir   where records of runs are kept`,
		Example:       "  tfos validate job.yaml\n  tfos train job.yaml --dry-run\n  tfos train job.yaml",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cmd.AddCommand(newTrainCommand(c), newInferCommand(c), newExportCommand(c), newAttachCommand(c), newShowCommand(c), newConvertCommand(c), newBenchCommand(c), newValidateCommand(c), newVersionCommand(c), newCaretakeCommand(c))
	cmd.SetUsageTemplate(cmd.UsageTemplate() + exitCodes())
	return cmd
}

// fileTools are commands that one may look for here, and what the tools of stores call them.
var fileTools = map[string]string{"ls": "ls", "cp": "cp", "mv": "mv", "rm": "rm", "cat": "cat", "get": "cp", "put": "cp", "du": "du", "mkdir": "mkdir"}

// otherTool says which tool has a command that tfos does not have; "": none is known.
func otherTool(args []string) string {
	if len(args) == 0 {
		return ""
	}
	name, known := fileTools[args[0]]
	if !known {
		return ""
	}
	return fmt.Sprintf("tfos has no %s: it lists and copies no files. Use hdfs dfs -%s, aws s3 %s, gcloud storage %s or azcopy; tfos show says what a model holds", args[0], name, name, name)
}

// exitCodes is the table at the end of every command's help.
func exitCodes() string {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, m := range exit.Meanings {
		fmt.Fprintf(&b, "  %-3d  %s\n", m.Code, m.Text)
	}
	return b.String()
}

// oneJob accepts exactly one job file.
var oneJob = one("job file", "job.yaml")

// one accepts exactly one argument. what and example appear in the error.
func one(what, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s needs one %s, such as: %s %s", cmd.CommandPath(), what, cmd.CommandPath(), example)
		}
		return nil
	}
}
