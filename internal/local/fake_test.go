package local

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tfos/internal/export"
	"tfos/internal/feed"
	"tfos/internal/infer"
	"tfos/internal/model"
	"tfos/internal/node"
	"tfos/internal/proc"
)

// The test binary plays tfos-node, with the real supervisor and guard. It also plays
// tfos-engine, which does what the variable FAKE says. A test sets FAKE in the member's
// environment.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("TFOS_SOCKET") != "":
		os.Exit(fakeEngine(os.Getenv("TFOS_SOCKET"), os.Getenv("FAKE")))
	case len(os.Args) == 2 && os.Args[1] == "run":
		ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
		defer stop()
		os.Exit(node.Run(ctx, node.Options{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: slog.Default()}))
	case len(os.Args) == 2 && os.Args[1] == "guard":
		stdio := node.GuardIO{Orders: os.Stdin, Events: os.NewFile(3, "events"), Stdout: os.Stdout, Stderr: os.Stderr}
		if err := node.Guard(context.Background(), stdio, slog.Default()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fakeEngine attaches to its member and
//
//	predict   writes a file for each split, and their result
//	export    waits until the export is written, and proves it with a model that runs
//	fail      reports bad data (6) and exits 1
//	hang      waits for its end
//	orphan    kills its member's supervisor and waits for its end
func fakeEngine(socket, what string) int {
	member, err := feed.Attach(context.Background(), socket)
	if err == nil {
		err = member.Phase("running")
	}
	switch {
	case err != nil:
	case what == "predict":
		err = predict(member)
	case what == "export":
		err = prove(member)
	case what == "train", what == "some", what == "half":
		err = train(socket, what)
	case what == "fail":
		_ = member.Failed("running", "a bad row", 6)
		return 1
	case what == "orphan":
		err = killSupervisor()
		fallthrough
	default:
		time.Sleep(time.Minute) // a bound, should the test die
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake engine:", err)
		return 99
	}
	return 0
}

func predict(member *feed.Child) error {
	var request infer.SplitsRequest
	if err := json.Unmarshal(member.Context().Work, &request); err != nil {
		return err
	}
	var result infer.Result
	for _, split := range request.Splits {
		name := fmt.Sprintf("part-%d", split.ID)
		if err := os.MkdirAll(request.Output, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(request.Output, name), nil, 0o600); err != nil {
			return err
		}
		one := infer.Account{Read: 1, Rows: 1}
		result.Add(one)
		result.Splits = append(result.Splits, infer.SplitResult{PartInfo: infer.PartInfo{ID: split.ID, Account: one}, Output: name})
	}
	return member.Result(result)
}

func prove(member *feed.Child) error {
	var req export.Request
	if err := json.Unmarshal(member.Context().Work, &req); err != nil {
		return err
	}
	load := func(context.Context, *model.Program) (export.Model, error) { return running{}, nil }
	result, err := export.Run(context.Background(), &req, load, member.Phase)
	if err != nil {
		return err
	}
	return member.Result(result)
}

// running is a model whose signatures run.
type running struct{}

func (running) RunZeros(*model.Signature) error { return nil }
func (running) Close() error                    { return nil }

// killSupervisor kills the parent of the guard, which is this process's parent.
func killSupervisor() error {
	guard, err := proc.ReadStat(os.Getppid())
	if err != nil {
		return err
	}
	return syscall.Kill(guard.Parent, syscall.SIGKILL)
}
