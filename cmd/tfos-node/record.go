package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tfos/internal/record"
	"tfos/internal/store"
)

// stopEvery is the time between two looks for a request to stop: a request to the store.
const stopEvery = 2 * time.Second

// recordOrder is the first line that record reads.
type recordOrder struct {
	Dir string `json:"dir"`
	storage
}

func newRecordCommand(logger *slog.Logger, status *int) *cobra.Command {
	return &cobra.Command{
		Use:   "record",
		Short: "Keep the record of a run in a cluster (started by the driver)",
		Long: `record takes over the record that the launcher has made. It reads JSON lines from
standard input: the record's folder and the settings of stores, then the events of the
driver. The verdict is the last event. It writes JSON lines to standard output: that it
has begun, and a request of a launcher to stop the run.

Exit codes:
  0  the verdict is in the record
  1  another driver has the record, it cannot be written, or there was no verdict
  2  wrong command line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The end of standard input is the driver's end.
			if err := keepRecord(context.WithoutCancel(cmd.Context()), cmd.InOrStdin(), cmd.OutOrStdout(), logger); err != nil {
				logger.Error("record", "error", err)
				*status = 1
			}
			return nil
		},
	}
}

// keepRecord writes the events of a driver into its record until the verdict.
func keepRecord(ctx context.Context, in io.Reader, out io.Writer, logger *slog.Logger) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	var order recordOrder
	if err := readLine(lines, &order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	order.configure()
	at, err := store.For(order.Dir)
	if err != nil {
		return err
	}
	process, err := record.ThisProcess()
	if err != nil {
		return err
	}
	writer, err := record.Adopt(ctx, record.Config{
		Store: at, Dir: order.Dir, Run: record.Run{Writer: process}, Now: time.Now,
		Warn: func(err error) { logger.Warn("record", "error", err) },
	})
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(map[string]any{"event": "recording"}); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { tellStop(watching, record.Follow(at, order.Dir), answers, logger) })
	defer watch.Wait()
	defer stop()
	return writeEvents(ctx, lines, writer, order.Dir)
}

// writeEvents writes events until the verdict, which it completes.
func writeEvents(ctx context.Context, lines *bufio.Reader, writer *record.Writer, dir string) error {
	run := writer.Run()
	phases := record.Phases{Begin: run.Started}
	for {
		var line json.RawMessage
		if err := readLine(lines, &line); err != nil {
			writer.Leave()
			return fmt.Errorf("the driver ended without a verdict: %w", err)
		}
		event, err := record.Parse(line)
		if err != nil || event == nil { // the driver is of this version
			continue
		}
		phases.Note(time.Now(), event)
		writer.Event(event)
		if v, last := event.(record.Verdict); last {
			v.Run, v.Kind, v.Record = run.ID, run.Kind, dir
			v.Seconds = phases.Seconds(time.Now())
			return writer.Finish(ctx, v)
		}
	}
}

// tellStop writes one line when a launcher has left a request to stop.
func tellStop(ctx context.Context, follower *record.Follower, answers *json.Encoder, logger *slog.Logger) {
	tick := time.NewTicker(stopEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stop, err := follower.Stopped(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			logger.Warn("look for a request to stop", "error", err)
		case stop != nil:
			if err := answers.Encode(map[string]any{"event": "stop", "reason": stop.Reason}); err != nil {
				logger.Warn("pass on a request to stop", "error", err)
			}
			return
		}
	}
}

// readLine reads one line of JSON. The end of input is io.EOF.
func readLine(lines *bufio.Reader, v any) error {
	line, err := lines.ReadBytes('\n')
	if err != nil && !(errors.Is(err, io.EOF) && len(line) > 0) {
		return err
	}
	return json.Unmarshal(line, v)
}
