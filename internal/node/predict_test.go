package node

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/feed"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// childAnswers plays an engine. It sends the bytes of each of two predict tasks back. When
// all tasks have ended, it reports a row for each. slow: it starts late.
func childAnswers(slow time.Duration) int {
	socket := os.Getenv("TFOS_SOCKET")
	control := attach(socket)
	time.Sleep(slow)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(filepath.Dir(socket), feed.PredictSocket)})
	if err == nil {
		err = control.Phase(reserve.PhaseRunning)
	}
	result := infer.Result{Digest: "d"}
	for range 2 {
		if err == nil {
			err = answerOne(l, &result)
		}
	}
	if err == nil {
		err = errors.Join(control.AwaitEnd(), control.Result(result))
	}
	if err != nil {
		_ = control.Failed("running", err.Error(), 5)
	}
	return boolStatus(err == nil)
}

func answerOne(l *net.UnixListener, result *infer.Result) error {
	conn, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	task, hello, err := feed.TakeOver(conn)
	if err != nil {
		return err
	}
	defer task.Close()
	said := make([]byte, 4)
	if _, err := io.ReadFull(task, said); err != nil {
		return err
	}
	result.Served = append(result.Served, infer.ServedPartition{Partition: hello.Partition, Attempt: hello.Attempt, Account: infer.Account{Read: 1, Rows: 1}})
	_, err = task.Write(said)
	return err
}

func answered(c *work.Config) {
	c.Feeds = []reserve.FeedConfig{{Name: "predict", Epochs: 1, Purpose: reserve.Predict}}
	for i := range c.Members {
		c.Members[i].Feeds = []string{"predict"}
	}
	c.Infer = &work.Inference{Request: json.RawMessage(`{"kind":"partitions"}`)}
}

// asEngine changes an assignment to that of an inference member.
func asEngine(a *Assignment) {
	a.Config.Kind, a.Feeds = kindInfer, []string{"predict"}
}

// greet sends a predict task's first frame and returns the frame that answers it.
func (k *feedTask) greet(token string, partition int) (byte, []byte) {
	k.t.Helper()
	err := feed.WriteJSON(k.conn, feed.TypeHello, feed.Hello{Version: feed.Version, Token: token, Feed: "predict", Partition: partition, Attempt: 1})
	typ, payload, readErr := feed.ReadFrame(k.conn)
	if err = errors.Join(err, readErr); err != nil {
		k.t.Fatal(err)
	}
	return typ, payload
}

// TestPredictTasksReachTheEngine: tasks connect by both listeners before the engine runs.
// The run succeeds if there are as many predictions as rows that Spark wrote.
func TestPredictTasksReachTheEngine(t *testing.T) {
	for written, code := range map[int]exit.Code{2: 0, 3: 1} {
		s := newScene(t, 1, answered)
		a := s.assignment(0, "answers")
		asEngine(&a)
		p := s.act("run", a)
		to := s.address(0)
		for partition, overTLS := range []bool{false, true} {
			k := s.dial(to, overTLS)
			if typ, payload := k.greet(a.Token, partition); typ != feed.TypeWelcome {
				t.Fatalf("frame 0x%02x %s", typ, payload)
			}
			said := []byte("rows")
			_, err := k.conn.Write(said)
			if err == nil {
				_, err = io.ReadFull(k.conn, said)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s.command(map[string]any{"cmd": "feed_end", "feed": "predict", "epoch": 0, "rows": written, "last": true})
		v := s.verdict()
		var sum struct {
			infer.Result
			Partitions int
		}
		if err := json.Unmarshal(v.Infer, &sum); err != nil || v.Code != code || sum.Rows != 2 || sum.Partitions != 2 {
			t.Errorf("%d rows written: verdict %+v, infer %s (%v), want code %d", written, v, v.Infer, err, code)
		}
		if status, summary := p.end(); status != ExitDone || summary.Kind != "succeeded" {
			t.Errorf("status %d, %+v", status, summary)
		}
		nothingLeft(t, s.run, s.tmp)
	}
}

// TestPredictTasksOfAnEndedEngineAreStopped, so that Spark does not wait.
func TestPredictTasksOfAnEndedEngineAreStopped(t *testing.T) {
	s := newScene(t, 2, answered)
	one, two := s.assignment(0, "exit3"), s.assignment(1, "sleep")
	asEngine(&one)
	asEngine(&two)
	s.act("run", one)
	p := s.act("run", two)
	late := s.dial(s.address(0), false)
	typ, payload := late.greet(one.Token, 0)
	var stop feed.StopFeed
	if err := json.Unmarshal(payload, &stop); err != nil || typ != feed.TypeStop || !stop.Failed || stop.Reason != "exit status 3" {
		t.Errorf("frame 0x%02x %s", typ, payload)
	}
	if v := s.verdict(); v.Code != 5 || v.Member != "worker:0" {
		t.Errorf("verdict %+v", v)
	}
	p.end()
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newProgramReport().awaitRunning(ctx); err == nil {
		t.Error("it runs")
	}
}
