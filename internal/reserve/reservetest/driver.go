package reservetest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

// Patience bounds every wait.
const Patience = 20 * time.Second

// Network is how the server and the members of a test reach each other.
type Network interface {
	// Serve is reserve.Serve on this network.
	Serve(ctx context.Context, in io.Reader, out io.Writer, open reserve.Open, log *slog.Logger) error
	// Dial is reserve.Dial on this network.
	Dial(ctx context.Context, c reserve.Credentials) (*reserve.Client, error)
}

// tcp is the network of this machine.
type tcp struct{}

func (tcp) Serve(ctx context.Context, in io.Reader, out io.Writer, open reserve.Open, log *slog.Logger) error {
	return reserve.Serve(ctx, in, out, open, log)
}

func (tcp) Dial(ctx context.Context, c reserve.Credentials) (*reserve.Client, error) {
	return reserve.Dial(ctx, c)
}

// Driver is the other end of Serve, in memory.
type Driver struct {
	Ready  reserve.Ready       // the server's first event
	Events chan map[string]any // later ones, in order; closed at the end of Serve
	// Cancel ends Serve's context.
	Cancel context.CancelFunc

	t       testing.TB
	network Network
	in      *io.PipeWriter
	ended   chan error // Serve's
}

// Begin starts Serve over TCP and reads its first event. config becomes the
// configuration's JSON.
func Begin(t testing.TB, config any, open reserve.Open) *Driver {
	t.Helper()
	return BeginOn(t, tcp{}, config, open)
}

// BeginOn is Begin on another network.
func BeginOn(t testing.TB, network Network, config any, open reserve.Open) *Driver {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	d := &Driver{t: t, network: network, in: inW, Events: make(chan map[string]any, 1000), ended: make(chan error, 1), Cancel: cancel}
	go func() {
		err := network.Serve(ctx, inR, outW, open, slog.New(slog.DiscardHandler))
		outW.Close()
		d.ended <- err
	}()
	go d.readEvents(outR)
	t.Cleanup(func() { inW.Close(); cancel() })
	line, err := json.Marshal(map[string]any{"config": config, "host": "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	d.Say(string(line))
	ready := d.Await("ready")
	text := func(key string) string { return ready[key].(string) }
	d.Ready = reserve.Ready{Address: text("address"), CA: text("ca"), Cert: text("cert"), Key: text("key"), Token: text("token")}
	return d
}

func (d *Driver) readEvents(out io.Reader) {
	defer close(d.Events)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event map[string]any
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			d.t.Errorf("event %q: %v", lines.Text(), err)
		}
		d.Events <- event
	}
}

// Say writes a line to the server.
func (d *Driver) Say(line string) {
	d.t.Helper()
	if _, err := io.WriteString(d.in, line+"\n"); err != nil {
		d.t.Fatal(err)
	}
}

// Await returns the next event of that name, leaving out others.
func (d *Driver) Await(name string) map[string]any {
	d.t.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case e, more := <-d.Events:
			if !more {
				d.t.Fatalf("no event %q before the end", name)
			}
			if e["event"] == name {
				return e
			}
		case <-deadline:
			d.t.Fatalf("no event %q in %s", name, Patience)
		}
	}
}

// AwaitVerdict awaits the verdict and checks its code.
func (d *Driver) AwaitVerdict(code exit.Code) map[string]any {
	d.t.Helper()
	v := d.Await("verdict")
	if v["code"] != float64(code) {
		d.t.Fatalf("verdict %v: %v, want code %d", v["code"], v["cause"], code)
	}
	return v
}

// CloseInput ends the server's input, as the death of the driver does.
func (d *Driver) CloseInput() {
	d.t.Helper()
	if err := d.in.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// HangUp ends the server's input and waits for Serve's end.
func (d *Driver) HangUp() {
	d.t.Helper()
	d.CloseInput()
	if err := Receive(d.t, d.ended, "end of Serve"); err != nil {
		d.t.Fatalf("Serve: %v", err)
	}
}

// Receive returns the next value of a channel. what names it.
func Receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Patience):
		t.Fatalf("no %s in %s", what, Patience)
		panic("unreachable")
	}
}
