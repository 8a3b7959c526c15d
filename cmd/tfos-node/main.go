// Command tfos-node is the part of tfos that runs beside Spark's processes.
//
//   - On executors it supervises a cluster member (run, guard), and uploads what its
//     program writes into a model_dir on a store (upload). It is also the feed task that
//     needs no Python (feed, worker).
//   - Beside the driver it is the reservation server (reserve). It divides input files
//     among feed tasks (splits), lists files for Spark (paths), and checks a table's
//     columns against a model (contract). In a cluster it keeps the run's record
//     (record).
//   - Without Spark it is the driver (local).
//
// The launcher and the Spark application start it, not people.
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

// version is set by the linker. After a plain go build it is "": see versionText.
var version = ""

// Descriptor 3: the guard's events, or the orders of upload (docs/protocols.md, section 6).
const (
	guardEvents  = 3
	uploadOrders = 3
)

func main() {
	os.Exit(start())
}

// start does the work of main, and returns the exit status. Unlike main it can have
// deferred calls.
func start() int {
	// The readers of standard output and error are other processes of the run. When
	// they die, a write must fail and not end this process, which still has to clean
	// up. SIGPIPE is caught and not ignored, because children inherit SIG_IGN.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal drains, the second kills
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	status := 0
	root := newCommand(logger, &status)
	if len(os.Args) > 1 && os.Args[1] == "-m" { // as Spark starts Python
		root.SetArgs([]string{"worker"})
	}
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tfos-node:", err)
		return 2
	}
	return status
}

// newCommand returns the command tree. Subcommands set their exit status in status. They
// return an error only for a wrong command line.
func newCommand(logger *slog.Logger, status *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "tfos-node",
		Short: "Part of a running tfos job; started by tfos and Spark, not by people",
		Long: `A tfos job runs tfos-node beside Spark's processes. The job's Spark application
starts it. docs/protocols.md describes the messages between the parts.
To run a job, use tfos.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRunCommand(logger, status), newGuardCommand(logger, status), newUploadCommand(logger, status),
		newReserveCommand(logger, status), newFeedCommand(logger, status), newWorkerCommand(logger, status),
		newSplitsCommand(status), newPathsCommand(status), newContractCommand(status), newRecordCommand(logger, status), newLocalCommand(logger, status), newVersionCommand())
	return root
}

func newRunCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Supervise one cluster member (started by Spark, once per member)",
		Long: `run reads one line of JSON from standard input: the member's assignment with its
credentials. It registers with the reservation server and supervises the member's
program. It ends when the server sends stop, the lease is lost, or the executor (the
reader of standard output) ends. It leaves no process and no temporary folder.

At the end it writes one line of JSON to standard output. Standard error has the log
and the program's output.

Exit codes:
  0   done, failed for good (reported to the server), or stopped: do not start again
  75  no place, or this executor cannot run it: start again, perhaps elsewhere
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
		Long: `guard makes a member's work folder, and starts the program that standard input
names. It writes the folder, and how the program ended, to descriptor 3 as lines of
JSON. When standard input ends, it kills all its descendants, removes the folder and
ends. It must be the leader of its own process group.

Exit codes:
  0  all is cleaned up
  1  the guard could not start
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The guard ends when standard input ends, not on a signal.
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

func newUploadCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "upload",
		Short: "Upload files of a model_dir at the lowest priority (started by run)",
		Long: `upload reads one line of JSON from standard input: the settings of stores. Then it
does the orders that come by a socket at descriptor 3, until that ends.

Exit codes:
  0  the member has ended
  1  it could not start, or an order could not be read
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// It ends when the socket does, not on a signal.
			ctx := context.WithoutCancel(cmd.Context())
			if err := node.Upload(ctx, os.Stdin, os.NewFile(uploadOrders, "orders")); err != nil {
				logger.Error("upload", "error", err)
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
verdict. It reads JSON lines from standard input. The first is the run's
configuration. The end of standard input is the driver's end. It writes JSON lines to
standard output.

Exit codes:
  0  the run's verdict was written, even a verdict of failure
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
		Long: `local is the driver of a run without Spark. It serves the run's reservations and
starts the member of the plan (plan.json). It writes the run's events to standard
output, as the Spark application does. The verdict is the last event. If a path of the
plan is a URL, the first line of standard input has the settings of the stores.

Exit codes:
  0  the run's verdict was written, even a verdict of failure
  1  no verdict: the plan, the network or this process failed
  2  wrong command line`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// When the launcher dies, several SIGTERM may come, one for each of its
			// threads. Therefore a second signal must not end the drain. Only SIGKILL
			// does, from the launcher or its caretaker.
			signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGTERM)
			err := local.Run(cmd.Context(), local.Options{Plan: args[0], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: logger})
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
		Long: `feed reads one line from standard input: an order with the run's credentials and
the splits of files to read. It sends their rows to the members that the order names.
At the end it writes one line of JSON to standard output: the number of rows, and what
is wrong with them.

Exit codes:
  0  the result was written; it names rows that cannot be sent
  1  a connection or the input failed: start again
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// There is nothing to clean up: Spark's signal may end the task at once.
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
		Long: `Spark starts worker on an executor in place of its Python workers. As a daemon, it
writes its port number to standard output and accepts tasks until standard input ends.
With PYTHON_WORKER_FACTORY_PORT in the environment it runs one task. A task is an
order with the run's credentials, followed by record batches. worker sends their rows
to the members that the order names.

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
		Short: "Divide the files of an input among feed tasks (started by the driver)",
		Long: `splits reads a JSON object from standard input: the files to feed. It writes a JSON
object to standard output: how feed tasks read them, and which task reads which part.

Exit codes:
  0  the answer was written
  1  the files do not exist or cannot be read like this: standard error says why, in a line
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
	var in struct {
		task.Input
		storage
	}
	if err := json.NewDecoder(cmd.InOrStdin()).Decode(&in); err != nil {
		return fmt.Errorf("read what is to be fed: %w", err)
	}
	in.configure()
	out, err := task.Plan(cmd.Context(), in.Input)
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
