package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"tfos/internal/engine"
	"tfos/internal/feed"
	"tfos/internal/gpu"
	"tfos/internal/infer"
	"tfos/internal/modelcache"
	"tfos/internal/store"
)

// Exit statuses of this process. The run's exit code goes to the member in the FAILED
// frame.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

const usage = `usage:
  tfos-engine run [LIBRARY...]   load these libraries of operations, then do what
                                 the member at TFOS_SOCKET says
  tfos-engine gpus               print the GPUs that TensorFlow computes on, as lines of JSON
  tfos-engine version            print TensorFlow's version
`

// run runs the command and returns the process's exit status.
func run(ctx context.Context, args []string, socket string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch {
	case command == "version" && len(args) == 1:
		fmt.Fprintln(stdout, engine.Version())
		return statusDone
	case command == "gpus" && len(args) == 1:
		lines := json.NewEncoder(stdout)
		seen := engine.GPUs(func(now gpu.Seen) { _ = lines.Encode(now) })
		if err := lines.Encode(seen); err != nil {
			fmt.Fprintln(stderr, "tfos-engine:", err)
			return statusFailed
		}
		return statusDone
	case command == "run" && socket == "":
		fmt.Fprintln(stderr, "tfos-engine: TFOS_SOCKET is not set: tfos-node starts this program")
		return statusUsage
	case command == "run":
		if err := serve(ctx, socket, args[1:]); err != nil {
			fmt.Fprintln(stderr, "tfos-engine:", err)
			return statusFailed
		}
		return statusDone
	}
	fmt.Fprint(stderr, usage)
	return statusUsage
}

// serve attaches to the member, does its work, and reports the end to it.
func serve(ctx context.Context, socket string, libraries []string) error {
	member, err := feed.Attach(ctx, socket)
	if err != nil {
		return err
	}
	defer member.Close()
	w := &worker{member: member, phase: "importing", socket: socket, folder: filepath.Dir(socket), libraries: libraries}
	store.OnWarning(w.warn)
	if settings := member.Context().Storage; settings != nil {
		store.Configure(settings)
	}
	if err := w.work(ctx); err != nil {
		return errors.Join(err, member.Failed(w.phase, err.Error(), infer.ExitCode(err)))
	}
	return member.Phase("ended")
}

// worker does the work of one attachment to a member.
type worker struct {
	member *feed.Child
	phase  string
	socket string // of the member, for connections of feeds
	folder string // the member's work folder
	// libraries of operations, which TensorFlow loads before the model
	libraries []string
}

// Kinds of work that a member brings: its job's kind.
const (
	kindTrain  = "train"
	kindInfer  = "infer"
	kindExport = "export"
)

func (w *worker) enter(phase string) error {
	w.phase = phase
	return w.member.Phase(phase)
}

func (w *worker) work(ctx context.Context) error {
	if err := w.enter("importing"); err != nil {
		return err
	}
	kind := w.member.Context().Kind
	if kind != kindTrain && kind != kindInfer && kind != kindExport {
		return fmt.Errorf("tfos-engine of this version does training, inference and export, not %q", kind)
	}
	if err := w.warnUntested(engine.Version()); err != nil {
		return err
	}
	switch kind {
	case kindTrain:
		return w.train(ctx)
	case kindExport:
		return w.export(ctx)
	}
	request, err := infer.ParseRequest(w.member.Context().Work)
	if err != nil {
		return fmt.Errorf("decode the work: %w", err)
	}
	if err := engine.LoadLibraries(w.libraries); err != nil {
		return err
	}
	var result infer.Result
	switch request := request.(type) {
	case *infer.SplitsRequest:
		if request.Source, err = modelcache.Default().Source(ctx, request.Source, modelcache.Whole); err != nil {
			return err
		}
		request.Warn = w.warn
		result, err = w.infer(ctx, request)
	case *infer.PartitionsRequest:
		if request.Source, err = modelcache.Default().Source(ctx, request.Source, modelcache.Whole); err != nil {
			return err
		}
		request.Warn = w.warn
		result, err = w.answer(ctx, request)
	}
	if err != nil {
		return err
	}
	return w.member.Result(result)
}

// warn tells the user something. A member that is gone ends this process anyway.
func (w *worker) warn(text string) { _ = w.member.Warn(text) }

// warnUntested warns the user of a version of TensorFlow with which tfos is not tested.
// Only the member with task index 0 warns.
func (w *worker) warnUntested(version string) error {
	if warning := engine.Untested(version); warning != "" && w.member.Context().TaskIndex == 0 {
		return w.member.Warn(warning)
	}
	return nil
}

func (w *worker) infer(ctx context.Context, req *infer.SplitsRequest) (infer.Result, error) {
	// A member that is gone ends this process too, but a report that fails
	// for any other reason must not: the result is what counts.
	report := every(progressInterval, time.Now, func(splits, rows, bytes int64) { _ = w.member.Progress(splits, rows, bytes) })
	return infer.Run(ctx, req, func(ctx context.Context) (infer.Model, error) {
		m, err := load(ctx, &req.Computation)
		if err != nil {
			return nil, err
		}
		if err := w.enter("running"); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		return m, nil
	}, report)
}

// load makes a request's model ready to run.
func load(ctx context.Context, req *infer.Computation) (*engine.Model, error) {
	program, err := req.Source.Program(req.Signature, req.Mapping())
	if err != nil {
		return nil, err
	}
	return engine.Load(ctx, program, req.Threads)
}

// progressInterval is the shortest time between two reports of progress.
const progressInterval = time.Second

// every returns a function that passes reports on to to, at most one per interval. The
// first report, and each that has finished another split, are always passed on.
func every(interval time.Duration, now func() time.Time, to infer.Progress) infer.Progress {
	var last time.Time
	var finished int64
	return func(splits, rows, bytes int64) {
		if splits == finished && now().Sub(last) < interval {
			return
		}
		last, finished = now(), splits
		to(splits, rows, bytes)
	}
}
