package reserve

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
)

// patientFor bounds every wait of these tests.
const patientFor = 20 * time.Second

// driver is the other end of Serve, in memory.
type driver struct {
	t       *testing.T
	network network
	in      *io.PipeWriter
	events  chan map[string]any
	ready   Ready
	ended   chan error // Serve's
	cancel  context.CancelFunc
}

func config(lease time.Duration, members ...MemberConfig) Config {
	return Config{Run: "r1", Members: members, Feeds: []FeedConfig{{Name: "train"}}, LeaseMS: lease.Milliseconds(), ReservationMS: 60_000, StallMS: 60_000}
}

func worker(i int) MemberConfig {
	return MemberConfig{Job: "worker", Index: i, Required: true, Feeds: []string{"train"}}
}

// nothing is the work of members that only come and go.
type nothing struct{}

func openNothing([]byte) (Work, error) { return nothing{}, nil }

func (nothing) ShareOut(context.Context) (Shares, Start)                     { return Shares{}, Start{} }
func (nothing) Command(context.Context, string, []byte) (Start, bool)        { return Start{}, false }
func (nothing) Finish(_ context.Context, v Verdict, _ Made) (Verdict, error) { return v, nil }
func (nothing) Clear(context.Context) error                                  { return nil }

// begin starts a server whose work is nothing.
func begin(t *testing.T, cfg Config) *driver {
	t.Helper()
	return beginWork(t, cfg, openNothing)
}

// beginInMemory is begin for a test in a bubble of testing/synctest.
func beginInMemory(t *testing.T, cfg Config) *driver {
	t.Helper()
	return beginOn(t, memoryNetwork(), cfg, openNothing)
}

// beginWork starts Serve and reads its first event.
func beginWork(t *testing.T, cfg Config, open Open) *driver {
	t.Helper()
	return beginOn(t, tcpNetwork(), cfg, open)
}

func beginOn(t *testing.T, network network, cfg Config, open Open) *driver {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	d := &driver{t: t, network: network, in: inW, events: make(chan map[string]any, 1000), ended: make(chan error, 1), cancel: cancel}
	go func() {
		err := serveOn(ctx, network.listen, inR, outW, open, slog.New(slog.DiscardHandler))
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
	d.ready = Ready{text("address"), text("ca"), text("cert"), text("key"), text("token")}
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

func (d *driver) client(address string) *Client {
	d.t.Helper()
	c, err := Dial(d.t.Context(), Credentials{Server: address, CA: d.ready.CA, Cert: d.ready.Cert, Key: d.ready.Key, Token: d.ready.Token})
	if err != nil {
		d.t.Fatal(err)
	}
	if d.network.inMemory {
		c.dial = d.network.dial
	}
	return c
}

// member is one client that joined.
type member struct {
	*Client
	place    Place
	clusters chan Cluster
	ends     chan FeedEnd
	marks    chan LowWater
	stops    chan string
	met      chan Registered
	joined   chan error // Join's
	leave    context.CancelFunc
}

func (d *driver) join(address string, index int, executor string) *member {
	return d.joinAs(d.client(address), index, executor, func() Renewal { return Renewal{Phase: "running"} })
}

func (d *driver) joinAs(c *Client, index int, executor string, renewal func() Renewal) *member {
	m := &member{Client: c, place: Place{"worker", index}, clusters: make(chan Cluster, 10), ends: make(chan FeedEnd, 10),
		marks: make(chan LowWater, 100), stops: make(chan string, 10), met: make(chan Registered, 10), joined: make(chan error, 1)}
	ctx, cancel := context.WithCancel(d.t.Context())
	m.leave = cancel
	d.t.Cleanup(cancel)
	registration := Registration{Place: m.place, Address: fmt.Sprintf("127.0.0.1:%d", 4000+index), Executor: executor, Host: "here"}
	go func() {
		m.joined <- c.Join(ctx, registration, Handler{
			Renewal:    renewal,
			Registered: func(r Registered) { m.met <- r },
			Cluster:    func(c Cluster) { m.clusters <- c },
			LowWater:   func(w LowWater) { m.marks <- w },
			FeedEnd:    func(e FeedEnd) { m.ends <- e },
			Stop:       func(reason string) { m.stops <- reason },
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

func (m *member) reportEnd(t *testing.T, o Outcome) {
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

// TestListenOn: who is reached by nobody else listens for nobody else.
func TestListenOn(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "10.0.0.1": "0.0.0.0", "driver.example": "0.0.0.0"} {
		if got := listenOn(host); got != want {
			t.Errorf("listenOn(%q) = %q, want %q", host, got, want)
		}
	}
}
