package work

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

// patientFor bounds every wait of these tests.
const patientFor = 20 * time.Second

// driver is the other end of Serve, in memory.
type driver struct {
	t      *testing.T
	in     *io.PipeWriter
	events chan map[string]any
	ready  reserve.Ready
	ended  chan error // Serve's
	cancel context.CancelFunc
}

func config(lease time.Duration, members ...reserve.MemberConfig) Config {
	return Config{Config: reserve.Config{Run: "r1", Members: members, Feeds: []reserve.FeedConfig{{Name: "train"}}, LeaseMS: lease.Milliseconds(), ReservationMS: 60_000, StallMS: 60_000}}
}

func worker(i int) reserve.MemberConfig {
	return reserve.MemberConfig{Job: "worker", Index: i, Required: true, Feeds: []string{"train"}}
}

// begin starts Serve and reads its first event.
func begin(t *testing.T, cfg Config) *driver {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	d := &driver{t: t, in: inW, events: make(chan map[string]any, 1000), ended: make(chan error, 1), cancel: cancel}
	go func() {
		err := reserve.Serve(ctx, inR, outW, Open, slog.New(slog.DiscardHandler))
		outW.Close()
		d.ended <- err
	}()
	go func() {
		defer close(d.events)
		lines := bufio.NewScanner(outR)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var event map[string]any
			if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
				t.Errorf("event %q: %v", lines.Text(), err)
			}
			d.events <- event
		}
	}()
	t.Cleanup(func() { inW.Close(); cancel() })
	line, err := json.Marshal(map[string]any{"config": cfg, "host": "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	d.say(string(line))
	ready := d.await("ready")
	text := func(key string) string { return ready[key].(string) }
	d.ready = reserve.Ready{Address: text("address"), CA: text("ca"), Cert: text("cert"), Key: text("key"), Token: text("token")}
	return d
}

func (d *driver) say(line string) {
	d.t.Helper()
	if _, err := io.WriteString(d.in, line+"\n"); err != nil {
		d.t.Fatal(err)
	}
}

// await returns the next event of that name, leaving out others.
func (d *driver) await(name string) map[string]any {
	d.t.Helper()
	deadline := time.After(patientFor)
	for {
		select {
		case e, more := <-d.events:
			if !more {
				d.t.Fatalf("no event %q before the end", name)
			}
			if e["event"] == name {
				return e
			}
		case <-deadline:
			d.t.Fatalf("no event %q in %s", name, patientFor)
		}
	}
}

// verdict awaits the verdict and checks its code.
func (d *driver) verdict(code exit.Code) map[string]any {
	d.t.Helper()
	v := d.await("verdict")
	if v["code"] != float64(code) {
		d.t.Fatalf("verdict %v: %v, want code %d", v["code"], v["cause"], code)
	}
	return v
}

// hangUp ends the driver's input and waits for Serve's end.
func (d *driver) hangUp() {
	d.t.Helper()
	if err := d.in.Close(); err != nil {
		d.t.Fatal(err)
	}
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Fatalf("Serve: %v", err)
		}
	case <-time.After(patientFor):
		d.t.Fatal("Serve does not end")
	}
}

func (d *driver) client(address string) *reserve.Client {
	d.t.Helper()
	c, err := reserve.Dial(d.t.Context(), reserve.Credentials{Server: address, CA: d.ready.CA, Cert: d.ready.Cert, Key: d.ready.Key, Token: d.ready.Token})
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// member is one client that joined.
type member struct {
	*reserve.Client
	place    reserve.Place
	clusters chan reserve.Cluster
	ends     chan reserve.FeedEnd
	marks    chan reserve.LowWater
	stops    chan string
	joined   chan error // Join's
	leave    context.CancelFunc
}

func (d *driver) join(address string, index int, executor string) *member {
	return d.joinAs(d.client(address), index, executor, func() reserve.Renewal { return reserve.Renewal{Phase: "running"} })
}

func (d *driver) joinAs(c *reserve.Client, index int, executor string, renewal func() reserve.Renewal) *member {
	m := &member{Client: c, place: reserve.Place{Job: "worker", Index: index}, clusters: make(chan reserve.Cluster, 10), ends: make(chan reserve.FeedEnd, 10),
		marks: make(chan reserve.LowWater, 100), stops: make(chan string, 10), joined: make(chan error, 1)}
	ctx, cancel := context.WithCancel(d.t.Context())
	m.leave = cancel
	d.t.Cleanup(cancel)
	registration := reserve.Registration{Place: m.place, Address: fmt.Sprintf("127.0.0.1:%d", 4000+index), Executor: executor, Host: "here"}
	go func() {
		m.joined <- c.Join(ctx, registration, reserve.Handler{
			Renewal:  renewal,
			Cluster:  func(c reserve.Cluster) { m.clusters <- c },
			LowWater: func(w reserve.LowWater) { m.marks <- w },
			FeedEnd:  func(e reserve.FeedEnd) { m.ends <- e },
			Stop:     func(reason string) { m.stops <- reason },
		})
	}()
	return m
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patientFor):
		t.Fatalf("no %s in %s", what, patientFor)
		panic("unreachable")
	}
}

func (m *member) end(t *testing.T, o reserve.Outcome) {
	t.Helper()
	o.Place = m.place
	if err := m.Report(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	m.leave()
}

func stage(t *testing.T, path string) { stageText(t, path, "x") }

func stageText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
