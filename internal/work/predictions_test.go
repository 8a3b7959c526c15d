package work

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/store"
	"tfos/internal/store/storetest"
)

// predicting is the claim of an inference run, without its work.
func predicting(t *testing.T, root, run string) reserve.Work {
	t.Helper()
	cfg := Config{Config: reserve.Config{Run: run, LeaseMS: 1000}, Infer: &Inference{Request: json.RawMessage(`{}`)}, Outputs: []Output{{
		Kind: "predictions", Final: root + "/p", Staging: root + "/.p.tfos-" + run, Aside: root + "/.p.tfos.quarantine-" + run,
	}}}
	return claiming(cfg, program{cfg})
}

// TestPredictionsAtOnce: one run at a time makes an output. It deletes what dead runs have
// staged, and nothing else.
func TestPredictionsAtOnce(t *testing.T) { testPredictions(t, t.TempDir()) }

// TestPredictionsAtOnceOnStores is TestPredictionsAtOnce on a real HDFS.
func TestPredictionsAtOnceOnStores(t *testing.T) {
	testPredictions(t, fmt.Sprintf("%s/work-%d", storetest.Address(t, "TFOS_TEST_HDFS"), os.Getpid()))
}

func testPredictions(t *testing.T, root string) {
	st, err := store.For(root)
	if err != nil {
		t.Fatal(err)
	}
	others := []string{".p.tfos.resume/r/parts/x", ".p.tfos-x.tfos-r/x", ".q.tfos-r/x", "p/x", "p.tfos-r/x"}
	for _, name := range append([]string{".p.tfos-dead/x", ".p.tfos.quarantine-dead/x", ".p.tfos-first/x"}, others...) {
		err := st.Mkdir(t.Context(), store.Dir(root+"/"+name))
		if err == nil {
			err = store.WriteFile(t.Context(), st, root+"/"+name, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	first := predicting(t, root, "first")
	if _, start := first.ShareOut(t.Context()); start.End != nil {
		t.Fatal(failure(start))
	}
	want := slices.Sorted(slices.Values(append([]string{".p.tfos-first/x", ".p.tfos.lock"}, others...)))
	if got := allBelow(t, st, root, ""); !slices.Equal(got, want) {
		t.Errorf("at the start: %q, want %q", got, want)
	}
	if !store.Remote(root) { // there a run waits for the lease of a dead one
		_, start := predicting(t, root, "second").ShareOut(t.Context())
		if end, _ := start.End.(reserve.Fail); end.Code != exit.Output || !strings.Contains(end.Cause, root+"/p is being written by another run") {
			t.Errorf("two runs at once: %+v", start.End)
		}
	}
	waiting, cancel := context.WithCancel(t.Context())
	result := make(chan reserve.Start)
	third := predicting(t, root, "third")
	go func() {
		_, start := third.ShareOut(waiting)
		result <- start
	}()
	cancel()
	if start := <-result; start.End != nil {
		t.Errorf("an interrupted wait is no failure: %+v", start.End)
	}
	if err := third.Clear(t.Context()); err != nil {
		t.Error(err)
	}
	if err := first.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := allBelow(t, st, root, ""); !slices.Equal(got, slices.Sorted(slices.Values(others))) {
		t.Errorf("at the end: %q", got)
	}
}

// allBelow are the files of a folder of a store, hidden ones too.
func allBelow(t *testing.T, st store.Store, root, folder string) (names []string) {
	t.Helper()
	found, err := st.Match(t.Context(), store.Literal(root+folder)+"/{*,.*,_*}")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		name := strings.TrimPrefix(strings.TrimSuffix(f.Path, "/"), root)
		if f.Dir {
			names = append(names, allBelow(t, st, root, name)...)
		} else {
			names = append(names, name[1:])
		}
	}
	slices.Sort(names)
	return names
}
