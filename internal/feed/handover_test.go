package feed

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// engineListener is an engine's listener, and its path.
func engineListener(t *testing.T) (*net.UnixListener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tfos") // short: a socket's path is limited to 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, PredictSocket)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, path
}

// connected returns both ends of a connection, of a Unix socket or of TCP.
func connected(t *testing.T, network string) (task, member net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if task, err = net.Dial(network, l.Addr().String()); err == nil {
		member, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { task.Close(); member.Close() })
	for _, c := range []net.Conn{task, member} {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return task, member
}

// TestHandOver: the engine gets what a task sends after HELLO, and the task
// gets the engine's answer. On one kernel the bytes do not pass through the
// member.
func TestHandOver(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			l, path := engineListener(t)
			task, member := connected(t, network)
			sent := Hello{Version: Version, Token: "secret", Feed: "predict", Partition: 3, Attempt: 70_000_000_000}
			if err := WriteJSON(task, TypeHello, sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(task, "rows"); err != nil { // at once: no byte belongs to HELLO
				t.Fatal(err)
			}
			hello, err := Greet(t.Context(), member, "secret")
			if err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			go func() { over <- HandOver(t.Context(), member, path, hello) }()
			conn, err := l.AcceptUnix()
			if err != nil {
				t.Fatal(err)
			}
			engine, got, err := TakeOver(conn)
			if err != nil {
				t.Fatal(err)
			}
			if network == "unix" { // the member no longer takes part
				if err := <-over; err != nil {
					t.Fatal(err)
				}
				member.Close()
			}
			sent.Token = ""
			if got != sent {
				t.Errorf("hello %+v, want %+v", got, sent)
			}
			exchange(t, task, engine)
			engine.Close()
			if n, err := task.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the engine's end: %d, %v", n, err)
			}
			if network == "tcp" {
				task.Close()
				if err := <-over; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func exchange(t *testing.T, task, engine net.Conn) {
	t.Helper()
	got := make([]byte, 4)
	if _, err := io.ReadFull(engine, got); err != nil || string(got) != "rows" {
		t.Fatalf("the engine read %q, %v", got, err)
	}
	if _, err := io.WriteString(engine, "back"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(task, got); err != nil || string(got) != "back" {
		t.Fatalf("the task read %q, %v", got, err)
	}
}

func TestGreetRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		hello any
		want  error
	}{
		"a stranger":      {Hello{Version: Version, Token: "guess"}, ErrToken},
		"another version": {Hello{Version: Version + 1, Token: "secret"}, ErrProtocol},
		"no partition":    {Hello{Version: Version, Token: "secret", Partition: -1}, ErrProtocol},
		"nonsense":        {"hello", ErrProtocol},
	} {
		task, member := connected(t, "unix")
		if err := WriteJSON(task, TypeHello, c.hello); err != nil {
			t.Fatal(err)
		}
		if _, err := Greet(t.Context(), member, "secret"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	task, member := connected(t, "unix")
	task.Close()
	if _, err := Greet(t.Context(), member, "secret"); !errors.Is(err, io.EOF) {
		t.Errorf("nobody: %v", err)
	}
}

// TestTakeOverOfNothing: if the member dies during the handover, the engine
// gets an error.
func TestTakeOverOfNothing(t *testing.T) {
	l, path := engineListener(t)
	caller, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	caller.Close()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := TakeOver(conn); err == nil {
		t.Error("taken over")
	}
}
