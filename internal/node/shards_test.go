package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/feed"
	"tfos/internal/feed/batches"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/train"
	"tfos/internal/work"
)

// childTrains reads the feed train in batches, and prints the number of rows and the sum
// of their values. "trains-some" wants one batch alone.
func childTrains(mode string) int {
	ctx, socket := context.Background(), os.Getenv("TFOS_SOCKET")
	control := attach(socket)
	rows, err := batches.Open(ctx, socket, "train", batches.ShortLastBatch)
	if err != nil {
		panic(err)
	}
	err = control.Phase("running")
	var n, sum int64
	steps := 0
	for err == nil && !(mode == "trains-some" && n > 0) {
		var b train.Batch
		if b, err = rows.Next(ctx); err == nil {
			for _, x := range b.Rows.Column(0).(*array.Int64).Int64Values() {
				n, sum = n+1, sum+x
			}
			steps++
			b.Rows.Release()
		}
	}
	if mode == "trains-some" {
		err = errors.Join(err, rows.Stop())
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	fmt.Println("rows", n, "sum", sum, "steps", steps)
	role := train.RoleTrainer
	if control.Context().TaskIndex == 0 {
		role = train.RoleChief
	}
	if err = errors.Join(err, rows.Close(), control.Result(train.Result{Role: role, Steps: int64(steps)})); err != nil {
		panic(err)
	}
	return 0
}

// lines are n rows of JSON with the values 1, 2, 3… .
func lines(n int) string {
	var text strings.Builder
	for x := range n {
		fmt.Fprintf(&text, "{\"x\": %d}\n", x+1)
	}
	return text.String()
}

// sharded is a scene whose n workers read JSON files themselves, so many epochs.
func sharded(t *testing.T, n, epochs int, synchronous bool, texts ...string) (s *scene, path string, assignments []Assignment) {
	t.Helper()
	path = t.TempDir()
	for i, text := range texts {
		if err := os.WriteFile(filepath.Join(path, fmt.Sprint(i, ".json")), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = newScene(t, n, func(c *work.Config) {
		fedBy(c)
		c.Feeds[0].Purpose, c.Feeds[0].Epochs, c.Feeds[0].Synchronous = reserve.Train, epochs, synchronous
		c.Train = json.RawMessage(`{}`)
		c.Shards = []work.Shard{{Feed: "train", Input: infer.Input{Format: files.JSON, Path: path}, Readers: 2}}
	})
	for i := range n {
		a := s.assignment(i, "trains")
		a.Feeds = []string{"train"}
		a.Config.Feeds = []feed.Config{{Name: "train", QueueBytes: 1 << 20, BatchRows: 10, Synchronous: synchronous, Epochs: epochs}}
		assignments = append(assignments, a)
	}
	return s, path, assignments
}

// trained returns what worker i has printed.
func (s *scene) trained(i int) (rows, sum, steps int64) {
	s.t.Helper()
	_, line, found := strings.Cut(s.log(i), "rows ")
	if _, err := fmt.Sscanf("rows "+line, "rows %d sum %d steps %d", &rows, &sum, &steps); !found || err != nil {
		s.t.Fatalf("log %q: %v", s.log(i), err)
	}
	return rows, sum, steps
}

// Members read all rows of all epochs between them, each row at one member. The run
// succeeds without a word of the driver.
func TestMembersReadTheirShares(t *testing.T) {
	s, _, assignments := sharded(t, 2, 3, false, lines(50), lines(60), lines(70), lines(80))
	var members []*actor
	for _, a := range assignments {
		members = append(members, s.act("run", a))
	}
	v := s.verdict()
	if v.Code != 0 || v.Rows.Read != 3*260 || v.Rows.Trained != 3*260 {
		t.Errorf("verdict %+v", v)
	}
	for _, m := range members {
		m.end()
	}
	sum := int64(0)
	for i := range assignments {
		rows, one, _ := s.trained(i)
		if rows < 3*100 || rows > 3*160 {
			t.Errorf("worker %d got %d rows", i, rows)
		}
		sum += one
	}
	if want := int64(3 * (50*51 + 60*61 + 70*71 + 80*81) / 2); sum != want {
		t.Errorf("sum %d, want %d", sum, want)
	}
	nothingLeft(t, s.run, s.tmp)
}

// Workers in step take the same number of steps, though one has fewer rows: the
// low-water mark becomes final without the driver.
func TestSharesInStep(t *testing.T) {
	s, _, assignments := sharded(t, 2, 2, true, lines(300), lines(155))
	var members []*actor
	for _, a := range assignments {
		members = append(members, s.act("run", a))
	}
	v := s.verdict()
	for _, m := range members {
		m.end()
	}
	_, _, one := s.trained(0)
	_, _, two := s.trained(1)
	if v.Code != 0 || one != two || one < 31 || v.Rows.Trained != 10*(one+two) || v.Rows.Dropped != 910-v.Rows.Trained {
		t.Errorf("steps %d and %d, verdict %+v", one, two, v)
	}
}

// A row that cannot be fed fails the member and the run, with the file's name.
func TestBadRowOfAShare(t *testing.T) {
	// There are more rows than decide the columns' types.
	s, path, assignments := sharded(t, 2, 0, false, lines(2000), lines(2000)+"{\"x\": [1]}\n")
	for _, a := range assignments {
		s.act("run", a)
	}
	v := s.verdict()
	if v.Code != 6 || v.Phase != phaseFeed || !strings.Contains(v.Cause, filepath.Join(path, "1.json")) || !strings.HasPrefix(v.Member, "worker:") {
		t.Errorf("verdict %+v", v)
	}
}

// A share without rows says whose it is. The file has lost its rows since it was shared
// out.
func TestEmptyShare(t *testing.T) {
	s, path, assignments := sharded(t, 1, 1, false, lines(1))
	if err := os.WriteFile(filepath.Join(path, "0.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.act("run", assignments[0])
	if v := s.verdict(); v.Code != 6 || !strings.Contains(v.Cause, "feed train: worker:0's share of the input has no row") {
		t.Errorf("verdict %+v", v)
	}
}

// A program that wants no more rows ends a feed without end.
func TestEnoughOfAShare(t *testing.T) {
	s, _, assignments := sharded(t, 1, 0, false, lines(100))
	assignments[0].Config.Roles["worker"].Env["TFOS_TEST_CHILD"] = "trains-some"
	p := s.act("run", assignments[0])
	if v := s.verdict(); v.Code != 0 || v.Rows.Trained != 10 || v.Rows.Read != v.Rows.Trained+v.Rows.Dropped {
		t.Errorf("verdict %+v", v)
	}
	p.end()
	nothingLeft(t, s.run, s.tmp)
}
