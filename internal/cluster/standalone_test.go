package cluster

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tfos/internal/exit"
)

func opened(t *testing.T, master string) Manager {
	t.Helper()
	m, err := Open(Config{Kind: Standalone, Master: master})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := l.Addr().String()
	// A bound port without a listener refuses connections, and no other process
	// can take it.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	down := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	defer l.Close()
	for master, want := range map[string]exit.Code{
		"spark://" + up:              exit.Done,
		"spark://" + down + "," + up: exit.Done,
		"spark://" + down:            exit.NoSpark,
		"spark://nonsense":           exit.NoSpark,
	} {
		if err := opened(t, master).Reach(t.Context()); exit.CodeOf(err, exit.Internal) != want {
			t.Errorf("%s: %v, want code %d", master, err, want)
		}
	}
	if err := opened(t, "spark://"+down).Reach(t.Context()); !strings.Contains(err.Error(), "master unreachable") {
		t.Errorf("error %v", err)
	}
}

// Pages as Spark 3.5.9 writes them, cut to what is read.
func TestStandalonePages(t *testing.T) {
	var killed string
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	answer := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	answer("/json/", `{"workers":[{"id":"worker-1","host":"h","webuiaddress":"`+server.URL+`/w","state":"ALIVE"},
		{"id":"worker-0","host":"gone","webuiaddress":"http://127.0.0.1:1","state":"DEAD"}],
		"activeapps":[{"id":"app-1","state":"WAITING"},{"id":"app-2","state":"RUNNING"}],
		"completedapps":[{"id":"app-3","state":"KILLED"},{"id":"app-4","state":"FINISHED"},{"id":"app-5","state":"FAILED"}]}`)
	answer("/w/json/", `{"finishedexecutors":[{"id":10,"appid":"app-2"},{"id":9,"appid":"app-2"},{"id":0,"appid":"app-3"},{"id":11,"appid":"app-2"}]}`)
	logs := map[string]string{
		"9":  "==== Bytes 0-8 of 8 of /w/app-2/9/stderr ====\none\ntwo\n",
		"10": "==== Bytes 40-208 of 208 of /w/app-2/10/stderr ====\n" + strings.Repeat("more\n", 30) + "executor 10\n",
		"11": "==== Bytes 0-0 of 0 of /w/app-2/11/stderr ====\nError: invalid log directory /w/app-2/11/", // its folder is gone
	}
	mux.HandleFunc("/w/log/", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(logs[r.FormValue("executorId")])) })
	mux.HandleFunc("/app/kill/", func(w http.ResponseWriter, r *http.Request) {
		killed = r.Method + r.FormValue("id") + r.FormValue("terminate")
	})
	m := opened(t, "spark://h:7077")
	at := func(id string) App { return App{ID: id, ManagerURL: server.URL} }
	for id, want := range map[string]struct {
		phase Phase
		code  exit.Code
	}{
		"app-1": {Waiting, exit.NotFormed}, "app-2": {Running, exit.Failed}, "app-3": {Killed, exit.Terminated},
		"app-4": {Succeeded, exit.Failed}, "app-5": {Failed, exit.Failed},
	} {
		s, err := m.State(t.Context(), at(id))
		if err != nil || s.Phase != want.phase || s.Verdict().Code != want.code {
			t.Errorf("%s: %+v, %v, code %d", id, s, err, s.Verdict().Code)
		}
	}
	for _, app := range []App{at("app-9"), {ID: "app-1"}} {
		if _, err := m.State(t.Context(), app); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v: %v", app, err)
		}
	}
	if err := m.Kill(t.Context(), at("app-2")); err != nil || killed != "POSTapp-2true" {
		t.Errorf("kill: %v, the master got %q", err, killed)
	}
	list, err := m.Executors(t.Context(), at("app-2"))
	if err != nil || len(list) != 3 || list[0].ID != "9" || list[1].Host != "h" || list[2].ID != "11" {
		t.Fatalf("executors %+v, %v", list, err)
	}
	if lines := list[1].Lines; len(lines) != TailLines || lines[TailLines-1] != "executor 10" || lines[0] != "more" {
		t.Errorf("lines %q", lines)
	}
	if !slices.Equal(list[0].Lines, []string{"one", "two"}) || len(list[2].Lines) > 0 {
		t.Errorf("lines of a short log %q, of one that is gone %q", list[0].Lines, list[2].Lines)
	}
}

func TestRunKey(t *testing.T) {
	seen := map[string]string{}
	for _, run := range []string{"digits-20260102-030405-abcd", "A", "a", "a.", "a h:/of/another", strings.Repeat("x", 64), strings.Repeat("x", 63) + "y"} {
		run, record, _ := strings.Cut(run, " ")
		key := RunKey(run, record)
		if other, found := seen[key]; found {
			t.Errorf("%s and %s have the key %s", run, other, key)
		}
		seen[key] = run
		if len(key) > 54 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasSuffix(key, "-") {
			t.Errorf("%s: key %q", run, key)
		}
	}
}
