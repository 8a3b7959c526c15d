package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tfos/internal/exit"
)

// apiServer answers as Kubernetes 1.34.4 did when testdata/kubernetes was recorded. Its pods
// change; who watches them is told.
type apiServer struct {
	t  *testing.T
	mu sync.Mutex
	// pods by name, as they are now.
	pods    map[string]json.RawMessage
	watched []chan string // a line for each change
	// refusal is the file of the answer to an attempt to create a pod; "": it is accepted.
	refusal string
	// forbidden are "verb resource" that the credentials may not do.
	forbidden []string
	deleted   []string // kinds and label selectors
	down      bool     // every answer is 503
}

func serveAPI(t *testing.T) (*apiServer, *kubernetes) {
	t.Helper()
	api := &apiServer{t: t, pods: map[string]json.RawMessage{}}
	server := httptest.NewServer(api)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	manager, err := Open(Config{Kind: Kubernetes, Master: "k8s://" + server.URL,
		Conf: map[string]string{ExecutorLabel: RunKey("r", ""), "spark.executor.instances": "1", "spark.executor.memory": "1g", "spark.executor.memoryOverhead": "512m",
			"spark.executor.cores": "2", "spark.kubernetes.namespace": "rec"},
		Env: func(name string) string { return map[string]string{"HOME": t.TempDir()}[name] }})
	if err != nil {
		t.Fatal(err)
	}
	return api, manager.(*kubernetes)
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// set has a pod be as it was recorded; edit changes it, with pairs of texts.
func (a *apiServer) set(name string, edit ...string) {
	a.t.Helper()
	pod := strings.NewReplacer(edit...).Replace(string(recorded(a.t, name+".json")))
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := "ADDED"
	if _, there := a.pods[name]; there {
		kind = "MODIFIED"
	}
	a.pods[name] = json.RawMessage(pod)
	a.tell(kind, a.pods[name])
}

// remove has a pod be gone.
func (a *apiServer) remove(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell("DELETED", a.pods[name])
	delete(a.pods, name)
}

func (a *apiServer) tell(kind string, pod json.RawMessage) {
	line, err := json.Marshal(map[string]any{"type": kind, "object": pod})
	if err != nil {
		a.t.Error(err)
	}
	for _, watcher := range a.watched {
		watcher <- string(line) + "\n"
	}
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const pods = "/api/v1/namespaces/rec/pods"
	query := r.URL.Query()
	a.mu.Lock()
	switch {
	case a.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
		var review map[string]any
		_ = json.NewDecoder(r.Body).Decode(&review)
		asked := review["spec"].(map[string]any)["resourceAttributes"].(map[string]any)
		right := fmt.Sprint(asked["verb"], " ", asked["resource"])
		review["status"] = map[string]any{"allowed": !slices.Contains(a.forbidden, right)}
		_ = json.NewEncoder(w).Encode(review)
	case r.Method == http.MethodPost && r.URL.Path == pods:
		if query.Get("dryRun") != "All" {
			a.t.Error("a pod was created")
		}
		a.answerCreate(w, r)
	case r.Method == http.MethodDelete:
		a.deleted = append(a.deleted, filepath.Base(r.URL.Path)+" "+query.Get("labelSelector"))
		fmt.Fprint(w, `{"kind": "PodList"}`)
	case strings.HasSuffix(r.URL.Path, "/log"):
		name := strings.Split(r.URL.Path, "/")[6]
		if sidecar := strings.Contains(string(a.pods[name]), `"sidecar"`); sidecar && query.Get("container") != "spark-kubernetes-executor" {
			w.WriteHeader(http.StatusBadRequest) // "a container name must be specified"
		} else if a.pods[name] == nil {
			w.WriteHeader(http.StatusNotFound)
		} else {
			_, _ = w.Write(recorded(a.t, "exits.log"))
		}
	case query.Get("watch") != "":
		lines := make(chan string, 100)
		a.watched = append(a.watched, lines)
		a.mu.Unlock()
		w.(http.Flusher).Flush()
		for {
			select {
			case line := <-lines:
				fmt.Fprint(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	case r.Method == http.MethodGet && a.pods[strings.TrimPrefix(r.URL.Path, pods+"/")] != nil:
		_, _ = w.Write(a.pods[strings.TrimPrefix(r.URL.Path, pods+"/")])
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, pods+"/"):
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == pods && query.Get("labelSelector") == runLabel+"="+RunKey("r", ""):
		items := []json.RawMessage{}
		for _, pod := range a.pods {
			items = append(items, pod)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": "1"}, "items": items})
	default:
		a.t.Errorf("asked for %s %s", r.Method, r.URL)
	}
	a.mu.Unlock()
}

// answerCreate answers an attempt to create a pod, which must ask for what Spark does.
func (a *apiServer) answerCreate(w http.ResponseWriter, r *http.Request) {
	var pod struct {
		Spec struct {
			Containers []struct {
				Resources struct{ Requests, Limits map[string]string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&pod); err != nil {
		a.t.Error(err)
	}
	resources := pod.Spec.Containers[0].Resources
	if resources.Requests["memory"] != "1536Mi" || resources.Limits["memory"] != "1536Mi" || resources.Requests["cpu"] != "2" {
		a.t.Errorf("a pod with %+v would be created", resources)
	}
	if a.refusal != "" {
		text := recorded(a.t, a.refusal+".json")
		var status struct{ Code int }
		_ = json.Unmarshal(text, &status)
		w.WriteHeader(status.Code)
		_, _ = w.Write(text)
	}
}

func TestKubernetesReach(t *testing.T) {
	api, k := serveAPI(t)
	if err := k.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	for refusal, want := range map[string]string{
		"quota": "exceeded quota: small", "account": `serviceaccount "nobody" not found`, "namespace": `namespaces "nowhere" not found`,
	} {
		api.refusal = refusal
		if err := k.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), want) || exit.CodeOf(err, exit.Internal) != exit.NoSpark {
			t.Errorf("%s: %v, want exit 3 with %s", refusal, err, want)
		}
	}
	api.forbidden = []string{"create pods", "watch pods"}
	want := "may not create pods, watch pods in namespace rec: have it given the rights of configs/kubernetes/rbac.yaml"
	if err := k.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("without rights: %v", err)
	}
}

func TestKubernetesDown(t *testing.T) {
	api, k := serveAPI(t)
	api.down = true
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := k.Reach(ctx); err == nil || exit.CodeOf(err, exit.Internal) != exit.NoSpark {
		t.Errorf("an API server that is down: %v", err)
	}
}

// TestKubernetesUntrusted: an API server whose certificate is not trusted is asked once.
func TestKubernetesUntrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	manager, err := Open(Config{Kind: Kubernetes, Master: "k8s://" + server.URL, Env: func(name string) string { return map[string]string{"HOME": t.TempDir()}[name] }})
	if err == nil {
		err = manager.Reach(t.Context())
	}
	if err == nil || transientKube(err) || !strings.Contains(err.Error(), "x509") {
		t.Errorf("a server that is not trusted: %v", err)
	}
}

// TestKubernetesWaits: the driver is on the launcher's machine, and an executor's pod waits.
func TestKubernetesWaits(t *testing.T) {
	for _, test := range []struct {
		pod   string
		cause Cause
		final bool
		words string
	}{
		{"large", CauseQueue, false, "pod large: Unschedulable: 0/1 nodes are available: 1 Insufficient memory."},
		{"never", CauseImage, true, `pod never: ErrImageNeverPull: Container image "docker.io/tfos/nope:1" is not present`},
		{"pull", CauseImage, false, `pod pull: ErrImagePull: failed to pull and unpack image "127.0.0.1:1/nope:1"`},
	} {
		api, k := serveAPI(t)
		api.set(test.pod)
		state, err := k.State(t.Context(), App{ID: "spark-1"})
		if err != nil || state.Phase != Waiting || state.Cause != test.cause || state.Final != test.final || !strings.HasPrefix(state.Words, test.words) || state.Queue != "rec" {
			t.Errorf("%s: %+v, %v", test.pod, state, err)
		}
	}
	api, k := serveAPI(t)
	api.set("pull")
	_, _ = k.State(t.Context(), App{})
	for _, pod := range k.pods {
		pod.since = time.Now().Add(-2 * pullLeast)
	}
	if state, err := k.State(t.Context(), App{}); err != nil || !state.Final {
		t.Errorf("an image that cannot be pulled for long: %+v, %v", state, err)
	}
	api, k = serveAPI(t)
	api.set("never", `"creationTimestamp"`, `"deletionTimestamp": "2026-11-30T10:52:39Z", "creationTimestamp"`)
	if state, err := k.State(t.Context(), App{}); err == nil {
		t.Errorf("Spark deletes an executor that has not run: %+v", state)
	}
	api, k = serveAPI(t)
	api.refusal = "quota"
	want := "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"
	if state, err := k.State(t.Context(), App{}); err != nil || state.Cause != CauseQueue || !strings.HasSuffix(state.Words, want) {
		t.Errorf("no pod of an executor, and a quota: %+v, %v", state, err)
	}
	api.refusal = ""
	if _, err := k.State(t.Context(), App{}); err == nil {
		t.Error("a state without a pod")
	}
}

// TestKubernetesExecutors: what Spark deletes as soon as it has ended is remembered, with its
// output.
func TestKubernetesExecutors(t *testing.T) {
	api, k := serveAPI(t)
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		k.Follow(ctx)
		close(done)
	}()
	awaitWatch(t, api)
	for _, name := range []string{"exits", "oom", "done"} {
		api.set(name)
	}
	awaitPods(t, k, 3)
	k.tails.Wait()
	for _, name := range []string{"exits", "oom", "done"} {
		api.remove(name)
	}
	end()
	<-done
	all, err := k.Executors(t.Context(), App{})
	if err != nil || len(all) != 2 {
		t.Fatalf("executors: %+v, %v", all, err)
	}
	exits, oom := all[0], all[1]
	if exits.ID != "2" || exits.Cause != CauseExit || exits.ExitCode != 7 || !slices.Equal(exits.Lines, []string{"two", "one"}) || exits.Host != "node1" ||
		exits.Words != "pod exits: container spark-kubernetes-executor ended with exit code 7" {
		t.Errorf("exit code 7: %+v", exits)
	}
	if oom.ID != "1" || oom.Cause != CauseMemory || oom.ExitCode != 137 || !strings.Contains(oom.Words, "more than its memory limit of 32Mi") {
		t.Errorf("out of memory: %+v", oom)
	}
}

func awaitWatch(t *testing.T, api *apiServer) {
	t.Helper()
	await(t, func() bool { api.mu.Lock(); defer api.mu.Unlock(); return len(api.watched) > 0 })
}

func awaitPods(t *testing.T, k *kubernetes, count int) {
	t.Helper()
	await(t, func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.pods) == count })
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// TestKubernetesDriver: the driver is a pod. Its end decides, not spark-submit's.
func TestKubernetesDriver(t *testing.T) {
	driver := []string{`"spark-exec-id"`, `"other"`, `"executor"`, `"driver"`}
	for _, test := range []struct {
		pod   string
		edit  []string
		phase Phase
		code  exit.Code
		cause string
	}{
		{"exits", nil, Failed, exit.Failed, "the driver died (exit 7): pod exits: container spark-kubernetes-executor ended with exit code 7"},
		{"oom", nil, Failed, exit.Failed, "the driver was killed by the cluster: memory: pod oom: OOMKilled"},
		{"never", nil, Waiting, exit.NotFormed, "the application's image or archive cannot be had: pod never"},
		{"large", nil, Waiting, exit.NotFormed, "the cluster has no room for the application: pod large: Unschedulable"},
		{"done", nil, Succeeded, exit.Failed, "the driver died"},
		{"exits", []string{`"creationTimestamp"`, `"deletionTimestamp": "2026-11-30T10:52:39Z", "creationTimestamp"`}, Killed, exit.Terminated, "the application was killed from outside: pod exits was deleted"},
	} {
		api, k := serveAPI(t)
		api.set(test.pod, append(slices.Clone(driver), test.edit...)...)
		app, err := k.Find(t.Context())
		if err != nil || app.ID != "spark-1" {
			t.Fatalf("%s: found %+v, %v", test.pod, app, err)
		}
		state, err := k.State(t.Context(), app)
		v := state.Verdict()
		if err != nil || state.Phase != test.phase || v.Code != test.code || !strings.HasPrefix(v.Cause, test.cause) {
			t.Errorf("%s: %+v, %+v, %v", test.pod, state, v, err)
		}
		if test.pod == "exits" && !slices.Equal(state.Lines, []string{"two", "one"}) {
			t.Errorf("%s: its output is %q", test.pod, state.Lines)
		}
	}
	api, k := serveAPI(t)
	api.set("large", driver...)
	app, _ := k.Find(t.Context())
	api.remove("large")
	if state, err := k.State(t.Context(), app); err != nil || state.Phase != Killed || state.Words != "pod large was deleted" {
		t.Errorf("a driver's pod that is gone: %+v, %v", state, err)
	}
	want := []string{"pods tfos-run=" + RunKey("r", ""), "configmaps spark-app-selector=" + RunKey("r", "")}
	if err := k.Kill(t.Context(), app); err != nil || !slices.Equal(api.deleted, want) {
		t.Errorf("kill deletes %q, %v", api.deleted, err)
	}
}

// TestKubernetesDriverAndSidecar: a container that a pod template has added runs on when the driver
// was killed.
func TestKubernetesDriverAndSidecar(t *testing.T) {
	api, k := serveAPI(t)
	api.set("exits", `"spark-exec-id"`, `"other"`, `"executor"`, `"driver"`, `"phase": "Failed"`, `"phase": "Running"`,
		`"containers": [`, `"containers": [{"name": "sidecar"},`, `"name": "spark-kubernetes-executor",
    "resources"`, `"name": "spark-kubernetes-executor", "env": [{"name": "SPARK_APPLICATION_ID", "value": "spark-1"}], "resources"`,
		`"containerStatuses": [`, `"containerStatuses": [{"name": "sidecar", "state": {"running": {}}},`)
	state, err := k.State(t.Context(), App{})
	if err != nil || state.Phase != Failed || state.ExitCode != 7 || !slices.Equal(state.Lines, []string{"two", "one"}) {
		t.Errorf("a driver that has ended beside a container that runs: %+v, %v", state, err)
	}
}

// TestKubernetesDriverWaits: the driver's pod runs, and executors are what it has not got.
func TestKubernetesDriverWaits(t *testing.T) {
	driver := []string{`"spark-exec-id"`, `"other"`, `"executor"`, `"driver"`, `"Failed"`, `"Running"`, `"uid": "`, `"uid": "driver-`}
	begin := func() (*apiServer, *kubernetes) {
		api, k := serveAPI(t)
		api.set("exits", driver...)
		return api, k
	}
	api, k := begin()
	if state, err := k.State(t.Context(), App{}); err != nil || state.Phase != Running || state.Words != "" {
		t.Errorf("no executor yet: %+v, %v", state, err)
	}
	api.refusal = "quota"
	if state, err := k.State(t.Context(), App{}); err != nil || state.Phase != Waiting || state.Cause != CauseQueue || !strings.Contains(state.Words, "exceeded quota: small") {
		t.Errorf("a quota has room for the driver only: %+v, %v", state, err)
	}
	api, k = begin()
	api.set("never")
	if state, err := k.State(t.Context(), App{}); err != nil || state.Phase != Waiting || !state.Final || !strings.Contains(state.Words, "ErrImageNeverPull") {
		t.Errorf("the executors' image is not there: %+v, %v", state, err)
	}
}

// TestKubernetesOwn: a launcher in a pod knows its pod by name and address.
func TestKubernetesOwn(t *testing.T) {
	api, k := serveAPI(t)
	api.pods["here"] = json.RawMessage(`{"metadata": {"name": "here"}, "status": {"podIP": "127.0.0.1"}}`)
	api.pods["there"] = json.RawMessage(`{"metadata": {"name": "there"}, "status": {"podIP": "10.1.2.3"}}`)
	time.AfterFunc(ownPause/2, func() {
		api.mu.Lock()
		defer api.mu.Unlock()
		api.pods["new"] = json.RawMessage(`{"metadata": {"name": "new"}, "status": {"podIP": "127.0.0.1"}}`)
	})
	api.pods["new"] = json.RawMessage(`{"metadata": {"name": "new"}, "status": {}}`)
	if got := k.Own(t.Context(), "new"); got == nil {
		t.Error("a pod whose address is not known yet")
	}
	if got := k.Own(t.Context(), "here"); got["spark.kubernetes.driver.pod.name"] != "here" {
		t.Errorf("in a pod: %v", got)
	}
	for _, host := range []string{"there", "laptop", ""} {
		if got := k.Own(t.Context(), host); got != nil {
			t.Errorf("host %q: %v", host, got)
		}
	}
}

// TestKubernetesDriverUnseen: an API server that does not answer says nothing of the driver, unless
// its end was seen before.
func TestKubernetesDriverUnseen(t *testing.T) {
	driver := []string{`"spark-exec-id"`, `"other"`, `"executor"`, `"driver"`}
	for pod, seen := range map[string]bool{"": false, "large": false, "exits": true} {
		api, k := serveAPI(t)
		if pod != "" {
			api.set(pod, driver...)
			if _, err := k.Find(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		api.mu.Lock()
		api.down = true
		api.mu.Unlock()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		state, err := k.State(short, App{ID: "spark-1"})
		cancel()
		if errors.Is(err, ErrUnknown) || (err == nil) != seen || seen && state.Phase != Failed {
			t.Errorf("%q: %+v, %v", pod, state, err)
		}
	}
	api, k := serveAPI(t)
	if _, err := k.Find(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("there is no pod: %v", err)
	}
	api.mu.Lock()
	api.down = true
	api.mu.Unlock()
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := k.Find(short); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("find: %v", err)
	}
}
