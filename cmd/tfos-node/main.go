// Command tfos-node is the part of tfos that runs beside Spark's processes: on
// executors as the supervisor of a cluster member (run, guard), beside the
// driver as the reservation server (reserve), to share files out (splits), to list
// them for Spark (paths) and to hold columns against a model (contract), without Spark as the driver itself
// (local), between executors and members as the feed task that needs no Python
// (feed, worker).
// People do not call it; the launcher and the Spark application do.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tfos/internal/feed/task"
	"tfos/internal/local"
	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// version is set by the linker; a plain go build has the module's.
var version = ""

// guardEvents is the descriptor of the guard's events: docs/protocols.md,
// section 6.
const guardEvents = 3

func main() {
	os.Exit(start())
}

// start is main with deferred calls.
func start() int {
	// The readers of standard output and error are other processes of the run.
	// When they die, a write must fail and not end this process, which has
	// clearing up to do. Caught, not ignored: children inherit SIG_IGN.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal drains, the second kills
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	status := 0
	root := newCommand(logger, &status)
	if len(os.Args) > 1 && os.Args[1] == "-m" { // as Python is started
		root.SetArgs([]string{"worker"})
	}
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tfos-node:", err)
		return 2
	}
	return status
}

// newCommand is the command tree; subcommands leave their exit status in
// status. An error from one is a wrong command line.
func newCommand(logger *slog.Logger, status *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "tfos-node",
		Short: "Part of a running tfos job; started by tfos and Spark, not by people",
		Long: `tfos-node is what a tfos job runs beside Spark's processes. The job's Spark
application starts it; see docs/protocols.md for what passes between the parts.
To run a job, use tfos.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRunCommand(logger, status), newGuardCommand(logger, status),
		newReserveCommand(logger, status), newFeedCommand(logger, status), newWorkerCommand(logger, status),
		newSplitsCommand(status), newPathsCommand(status), newContractCommand(status), newLocalCommand(logger, status), newVersionCommand())
	return root
}

func newRunCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Supervise one cluster member (started by Spark, once per member)",
		Long: `run reads one line of JSON, the member's assignment with its credentials, from
standard input, registers with the reservation server, and supervises the
member's program until the server says stop, the lease is lost or the executor
(the reader of standard output) is gone. It leaves no process and no temporary
folder behind.

Standard output takes one line of JSON at the end, standard error the log and
the program's output.

Exit codes:
  0   done, failed for good (reported to the server), or stopped: do not start again
  75  no place or no means here: start again, perhaps elsewhere
  2   wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			*status = node.Run(cmd.Context(), node.Options{
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: logger,
			})
			return nil
		},
	}
}

func newGuardCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "guard",
		Short: "Start a member's program and kill it when the supervisor is gone (started by run)",
		Long: `guard makes a member's work folder, starts the program that standard input
names, and writes to descriptor 3, in lines of JSON, the folder and how the
program ended. When standard input ends it kills everything that descends from
it, removes the folder and ends. It must lead its own process group.

Exit codes:
  0  cleared up
  1  could not begin
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Its end is standard input's, not a signal's.
			ctx := context.WithoutCancel(cmd.Context())
			stdio := node.GuardIO{
				Orders: os.Stdin, Events: os.NewFile(guardEvents, "events"),
				Stdout: os.Stdout, Stderr: os.Stderr,
			}
			if err := node.Guard(ctx, stdio, logger); err != nil {
				logger.Error("guard", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

func newReserveCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "reserve",
		Short: "Serve one run's reservations (started by the driver)",
		Long: `reserve is the reservation server of one run: roster, leases, low-water marks,
verdict. It reads JSON lines from standard input, the run's configuration first,
and writes JSON lines to standard output; its end of input is the driver's end.

Exit codes:
  0  the run's verdict was written, whatever it is
  1  no verdict: the configuration, the network or the driver failed
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := reserve.Serve(cmd.Context(), os.Stdin, os.Stdout, work.Open, logger); err != nil {
				logger.Error("reserve", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

func newLocalCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "local PLAN",
		Short: "Drive a run on this machine, without Spark (started by tfos)",
		Long: `local is the driver of a run without Spark: it serves the run's reservations,
starts the member of the plan (plan.json) and writes what happens, the verdict
last, to standard output, as the Spark application does.

Exit codes:
  0  the run's verdict was written, whatever it is
  1  no verdict: the plan, the network or this process failed
  2  wrong command line`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// The launcher's death can come as several SIGTERM, one for each of its
			// threads: only SIGKILL, from the launcher or its caretaker, ends a drain.
			signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM)
			err := local.Run(cmd.Context(), local.Options{Plan: args[0], Stdout: os.Stdout, Stderr: os.Stderr, Log: logger})
			if err != nil {
				logger.Error("local", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

func newFeedCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "feed",
		Short: "Send one partition of files to the members (started by Spark, once per partition)",
		Long: `feed reads one line from standard input, an order with the run's credentials and
which splits of files to read, and sends their rows to the members that the order
names. Standard output takes one line of JSON at the end: how many rows, and what
is wrong with them.

Exit codes:
  0  the result was written; it names rows that cannot be sent
  1  a connection or the input broke: start again
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// There is nothing to clear up: Spark's signal may end it at once.
			signal.Reset(unix.SIGINT, unix.SIGTERM)
			if err := task.Run(cmd.Context(), os.Stdin, os.Stdout); err != nil {
				logger.Error("feed", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

func newWorkerCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Send partitions that Spark reads to the members (started by Spark as -m MODULE)",
		Long: `worker is what Spark starts on an executor in the place of its Python workers:
as a daemon, which writes the number of its port to standard output and takes
tasks until standard input ends, or, with PYTHON_WORKER_FACTORY_PORT in the
environment, for one task. A task is an order with the run's credentials and then
record batches; it sends their rows to the members that the order names.

Exit codes:
  0  the executor is gone, or the one task has ended
  1  Spark could not be reached
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			worker := task.Worker{Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Log: logger}
			if err := worker.Serve(cmd.Context()); err != nil {
				logger.Error("worker", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

func newSplitsCommand(status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "splits",
		Short: "Share the files of an input out to feed tasks (started by the driver)",
		Long: `splits reads from standard input, as JSON, which files are to be fed, and writes
to standard output, as JSON, how feed tasks read them and which task reads what.

Exit codes:
  0  the answer was written
  1  the files are not there or cannot be read so: standard error says why, in a line
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := splits(cmd); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				*status = 1
			}
			return nil
		},
	}
}

func splits(cmd *cobra.Command) error {
	var in task.Input
	if err := json.NewDecoder(cmd.InOrStdin()).Decode(&in); err != nil {
		return fmt.Errorf("read what is to be fed: %w", err)
	}
	out, err := task.Plan(cmd.Context(), in)
	if err != nil {
		return err
	}
	return json.NewEncoder(cmd.OutOrStdout()).Encode(out)
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "tfos-node", versionText())
			return err
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
