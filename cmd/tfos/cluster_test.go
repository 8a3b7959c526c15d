package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tfos/internal/record"
	"tfos/internal/store"
)

// Scripts run beside a ResourceManager whose answers are the files of $WORK/rm: apps, and one
// for each application.
func TestClusterScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/cluster",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			if err := setUp(env); err != nil {
				return err
			}
			server := httptest.NewServer(resourceManager(filepath.Join(env.WorkDir, "rm")))
			env.Defer(server.Close)
			conf := filepath.Join(env.WorkDir, "conf")
			site := "<configuration>"
			for _, name := range []string{"address", "webapp.address"} {
				site += "<property><name>yarn.resourcemanager." + name + "</name><value>" + strings.TrimPrefix(server.URL, "http://") + "</value></property>"
			}
			if err := os.Mkdir(conf, 0o755); err != nil {
				return err
			}
			env.Setenv("HADOOP_CONF_DIR", conf)
			return os.WriteFile(filepath.Join(conf, "yarn-site.xml"), []byte(site+"</configuration>"), 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor},
	})
}

// resourceManager answers with the files of a folder. Without one YARN knows no application.
func resourceManager(dir string) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, name, otherwise string) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			text = []byte(otherwise)
		}
		if len(text) == 0 {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(text)
	}
	mux.HandleFunc("GET /ws/v1/cluster/apps", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.FormValue("applicationTags"), "tfos-r") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, "apps", `{"apps":null}`)
	})
	mux.HandleFunc("GET /ws/v1/cluster/apps/{id}", func(w http.ResponseWriter, r *http.Request) { answer(w, r.PathValue("id"), "") })
	return mux
}

// waitFor FILE [TEXT] waits until a file is there, and has a text.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor FILE [TEXT]")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && (len(args) == 1 || strings.Contains(string(text), args[1])) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v does not come: %s", args, text)
		}
	}
}

// driver is the program "driver RECORD" of the scripts: the driver of a run that succeeds.
// Then YARN says so too.
func driver(args []string) error {
	at, err := store.For(args[0])
	if err != nil {
		return err
	}
	c := record.Config{Store: at, Dir: args[0], Now: time.Now, Warn: func(error) {}}
	if c.Run.Writer, err = record.ThisProcess(); err != nil {
		return err
	}
	ctx := context.Background()
	w, err := record.Adopt(ctx, c)
	if err != nil {
		return err
	}
	w.Event(record.Context{Application: "application_1_1", Master: "yarn"})
	v := record.Verdict{Run: w.Run().ID}
	w.Event(v)
	if err := w.Finish(ctx, v); err != nil {
		return err
	}
	return os.WriteFile("rm/application_1_1", []byte(`{"app":{"id":"application_1_1","state":"FINISHED","finalStatus":"SUCCEEDED"}}`), 0o644)
}

// lines is the program "lines FILE N" of the scripts: the file has N lines.
func lines(args []string) error {
	text, err := os.ReadFile(args[0])
	if got := strings.Count(string(text), "\n"); err == nil && strconv.Itoa(got) != args[1] {
		err = fmt.Errorf("%s has %d lines, not %s", args[0], got, args[1])
	}
	return err
}

// program makes one of the scripts' programs of a function.
func program(f func(args []string) error) func() {
	return func() {
		if err := f(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
