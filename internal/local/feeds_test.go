package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/feed"
	"tfos/internal/feed/batches"
	"tfos/internal/feed/task"
	"tfos/internal/files"
	"tfos/internal/reserve"
	program "tfos/internal/train"
)

// train is the fake engine of a training. It reads the validation rows twice and the
// training rows once, and writes their sums to $SUMS. "some": it wants one batch alone.
// "half": it fails after one batch.
func train(socket, what string) error {
	ctx := context.Background()
	passes, err := batches.OpenPasses(ctx, socket, "validation", os.TempDir(), batches.ShortLastBatch)
	if err != nil {
		return err
	}
	rows, err := batches.Open(ctx, socket, "train", batches.ShortLastBatch)
	if err != nil {
		return err
	}
	var sums []string
	for range 2 {
		pass := passes.Pass()
		sum, err := sumRows(ctx, pass.Next)
		if err = errors.Join(err, pass.Stop()); err != nil {
			return err
		}
		sums = append(sums, fmt.Sprint(sum))
	}
	if what != "train" {
		b, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		b.Rows.Release()
	}
	if what == "half" {
		return errors.New("half way")
	}
	if what == "some" {
		return errors.Join(rows.Stop(), rows.Close(), passes.Close())
	}
	sum, err := sumRows(ctx, rows.Next)
	sums = append(sums, fmt.Sprint(sum))
	return errors.Join(err, rows.Close(), passes.Close(), os.WriteFile(os.Getenv("SUMS"), []byte(strings.Join(sums, " ")), 0o600))
}

// sumRows returns the sum of the first column.
func sumRows(ctx context.Context, next func(context.Context) (program.Batch, error)) (sum int64, err error) {
	for {
		b, err := next(ctx)
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
		for _, x := range b.Rows.Column(0).(*array.Int64).Int64Values() {
			sum += x
		}
		b.Rows.Release()
	}
}

// trainScene is scene for a training with 30 validation rows and 1,000 training rows
// in 4 files.
func trainScene(t *testing.T, what string, epochs int, cacheBytes int64) (dir string, p plan) {
	t.Helper()
	dir, p = scene(t, what)
	writeRows(t, filepath.Join(dir, "validation.json"), 0, 30)
	if err := os.Mkdir(filepath.Join(dir, "train"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		writeRows(t, filepath.Join(dir, "train", fmt.Sprint(i, ".json")), 250*i, 250)
	}
	p.Reserve.Infer, p.Reserve.Outputs = nil, nil
	p.Reserve.Feeds = []reserve.FeedConfig{
		{Name: "validation", Purpose: reserve.Validation, Epochs: 1},
		{Name: "train", Purpose: reserve.Train, Epochs: epochs, Cached: cacheBytes > 0},
	}
	p.Reserve.Members[0].Feeds = []string{"validation", "train"}
	p.Node.Kind = "train"
	p.Node.Roles["worker"].Env["SUMS"] = filepath.Join(dir, "sums")
	for i, f := range p.Reserve.Feeds {
		path := filepath.Join(dir, []string{"validation.json", "train"}[i])
		p.Node.Feeds = append(p.Node.Feeds, feed.Config{Name: f.Name, QueueBytes: 1 << 20, BatchRows: 32, CacheBytes: cacheBytes * int64(i)})
		p.Feeds = append(p.Feeds, feedPlan{
			Feed:   task.Feed{Name: f.Name, ChunkRows: 32, Balance: "equal"},
			Input:  task.Input{Format: files.JSON, Path: path},
			Epochs: f.Epochs,
		})
	}
	return dir, p
}

func writeRows(t *testing.T, path string, first, n int) {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "{\"x\": %d}\n", first+i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeBadRow writes a file whose last row is bad, behind those that decide the
// columns' types.
func writeBadRow(t *testing.T, path string) {
	t.Helper()
	text := strings.Repeat("{\"x\": 1}\n", 300) + "{\"x\": [1]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFeeds: all rows of all epochs reach the program, whether epochs are sent again or
// repeated by the member.
func TestFeeds(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1 << 20} {
		dir, p := trainScene(t, "train", 3, cacheBytes)
		v := verdict(t, drive(t, p, nothing))
		if v["code"] != 0.0 {
			t.Fatalf("verdict %v", v)
		}
		rows := v["rows"].(map[string]any)
		if rows["read"] != 3030.0 || rows["trained"] != 3030.0 {
			t.Errorf("rows %v", rows)
		}
		const validation, train = 29 * 30 / 2, 999 * 1000 / 2
		want := fmt.Sprint(validation, " ", validation, " ", 3*train)
		if sums, err := os.ReadFile(filepath.Join(dir, "sums")); err != nil || string(sums) != want {
			t.Errorf("sums %s, want %s, %v", sums, want, err)
		}
	}
}

// TestFeedEnds: how a run ends whose rows or program end early.
func TestFeedEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		what   string
		epochs int
		change func(*testing.T, *plan)
		code   float64
		phase  string
		cause  string
	}{
		{"the program wants one batch", "some", 0, nil, 0, "", ""},
		{"the program fails", "half", 0, nil, 5, "", "exit status 99"},
		{"a bad row", "train", 2, func(t *testing.T, p *plan) {
			writeBadRow(t, filepath.Join(p.Feeds[1].Path, "3.json"))
		}, 6, "feed", "train/3.json"},
		{"a bad row while the program takes none", "hang", 1, func(t *testing.T, p *plan) {
			p.Node.Feeds[1].QueueBytes = 64 << 10
			writeRows(t, filepath.Join(p.Feeds[1].Path, "0.json"), 0, 50_000)
			writeBadRow(t, filepath.Join(p.Feeds[1].Path, "2.json"))
		}, 6, "feed", "train/2.json"},
		{"no rows", "train", 1, func(t *testing.T, p *plan) {
			p.Feeds[0].Format, p.Feeds[0].Options = files.CSV, map[string]string{"header": "true"}
			if err := os.WriteFile(p.Feeds[0].Path, []byte("x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 6, "feed", "feed validation: the input has no row"},
		{"no file", "train", 1, func(_ *testing.T, p *plan) { p.Feeds[1].Path += "-none" }, 6, "input", "no such file"},
		{"no column", "train", 1, func(_ *testing.T, p *plan) { p.Feeds[1].Columns = []string{"y"} }, 6, "input", "no column \"y\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, p := trainScene(t, c.what, c.epochs, 0)
			if c.change != nil {
				c.change(t, &p)
			}
			began := time.Now()
			v := verdict(t, drive(t, p, nothing))
			cause, _ := v["cause"].(string)
			if v["code"] != c.code || !strings.Contains(cause, c.cause) || c.phase != "" && v["phase"] != c.phase {
				t.Errorf("verdict %v, want %v %s %q", v, c.code, c.phase, c.cause)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
