package tensorboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestMain makes of the test binary a program that writes an event file, if
// TFOS_EVENT_WRITER is set. scripts/tests/test_event_files.py reads the file with
// TensorBoard.
func TestMain(m *testing.M) {
	if setup := os.Getenv("TFOS_EVENT_WRITER"); setup != "" {
		if err := writeCommands(setup); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// point is one of a curve. Each line of standard input is a list of them. Points are flushed,
// and then answered by an empty line.
type point struct {
	Tag   string
	Value string // JSON has no NaN
	Step  int64
	Time  float64
}

func writeCommands(setup string) error {
	ctx := context.Background()
	var at struct {
		Dir, Host string
		Now       float64
		Done      int64
	}
	if err := json.Unmarshal([]byte(setup), &at); err != nil {
		return err
	}
	w, err := Create(ctx, at.Dir, at.Host, at.Done, seconds(at.Now))
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var points []point
		if err := json.Unmarshal(lines.Bytes(), &points); err != nil {
			return err
		}
		for _, p := range points {
			value, err := strconv.ParseFloat(p.Value, 64)
			if err != nil {
				return err
			}
			if err := w.Scalars(p.Step, seconds(p.Time), []string{p.Tag}, []float64{value}); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Println()
	}
	return lines.Err()
}

func seconds(s float64) time.Time { return time.UnixMicro(int64(s * 1e6)) }
