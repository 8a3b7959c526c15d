package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tfos/internal/kube"
)

const (
	// runLabel is the label that all pods of a run carry, with the run's key.
	runLabel = "tfos-run"
	// appLabel is Spark's, with the id of the application: in client mode the run's key.
	appLabel = "spark-app-selector"
)

const (
	killGrace = 5 * time.Second // for processes of pods that are deleted
	// The node tells the address of a pod some time after the pod has begun.
	ownTimeout = 20 * time.Second
	ownPause   = 500 * time.Millisecond
	pullLeast  = time.Minute // how long pulls of an image fail before the run ends
)

// kubernetes is an API server. Pods that have ended are deleted, those of executors by Spark at
// once: what State and Executors say after that is what Follow has seen.
type kubernetes struct {
	client *kube.Client
	conf   map[string]string
	key    string // of the run
	label  string // the selector of its pods

	mu    sync.Mutex
	pods  map[string]*seenPod // by UID
	tails sync.WaitGroup      // of readTail
}

// seenPod is a pod as it was last.
type seenPod struct {
	kube.Pod
	order   int
	ran     bool
	gone    bool
	waiting string // the last words of one that waited, and since when
	since   time.Time
	cause   Cause
	read    bool // readTail has begun
	lines   []string
}

func openKubernetes(c Config) (*kubernetes, error) {
	client, err := kube.Open(kube.Config{Master: c.Master, Conf: c.Conf, Getenv: c.Env})
	if err != nil {
		return nil, unreachable("%w", err)
	}
	key := keyOf(c.Conf)
	return &kubernetes{client: client, conf: c.Conf, key: key, label: runLabel + "=" + key, pods: map[string]*seenPod{}}, nil
}

// rights are what a run needs: configs/kubernetes/rbac.yaml has all.
var rights = []struct{ verb, resource string }{
	{"create", "pods"}, {"list", "pods"}, {"watch", "pods"}, {"deletecollection", "pods"}, {"create", "configmaps"}, {"deletecollection", "configmaps"},
}

// Reach asks whether the credentials may do what a run needs, and whether an executor's pod
// would be accepted.
func (k *kubernetes) Reach(ctx context.Context) error {
	if err := checkTemplates(k.conf); err != nil {
		return unreachable("%w", err)
	}
	if err := k.client.Login(ctx); err != nil {
		return unreachable("credentials of %s: %w", k.client.Who(), err)
	}
	var missing []string
	for _, right := range rights {
		var allowed bool
		err := repeat(ctx, transientKube, func(ctx context.Context) (err error) {
			allowed, err = k.client.Allowed(ctx, right.verb, right.resource)
			return err
		})
		var refused *kube.StatusError
		switch {
		case errors.As(err, &refused):
			return unreachable("API server: %w", err)
		case err != nil:
			return unreachable("API server unreachable: %w", err)
		}
		if !allowed {
			missing = append(missing, right.verb+" "+right.resource)
		}
	}
	if len(missing) > 0 {
		return unreachable("%s may not %s in namespace %s: have it given the rights of configs/kubernetes/rbac.yaml",
			k.client.Who(), strings.Join(missing, ", "), k.client.Namespace())
	}
	if refused := k.tryExecutor(ctx); refused != nil {
		return unreachable("the API server would refuse an executor's pod: %s", refused.Message)
	}
	return nil
}

// transientKube says that a request may succeed when it is repeated. A server whose certificate
// is not trusted stays so.
func transientKube(err error) bool {
	var status *kube.StatusError
	return !distrusts(err) && (!errors.As(err, &status) || status.Code >= 500 || status.Code == http.StatusTooManyRequests)
}

// tryExecutor returns the API server's refusal of a pod such as executors'; nil: it accepts
// one, or cannot say. A pod template may change what is accepted.
func (k *kubernetes) tryExecutor(ctx context.Context) *kube.StatusError {
	if k.conf["spark.kubernetes.executor.podTemplateFile"] != "" {
		return nil
	}
	type object = map[string]any
	account := cmp.Or(k.conf["spark.kubernetes.authenticate.executor.serviceAccountName"],
		k.conf["spark.kubernetes.authenticate.driver.serviceAccountName"], k.conf["spark.kubernetes.authenticate.serviceAccountName"], "default")
	requests, limits := object{}, object{}
	if memory := podMemory(k.conf); memory != "" {
		requests["memory"], limits["memory"] = memory, memory
	}
	if cores := cmp.Or(k.conf["spark.kubernetes.executor.request.cores"], k.conf["spark.executor.cores"]); cores != "" {
		requests["cpu"] = cores
	}
	if cores := k.conf["spark.kubernetes.executor.limit.cores"]; cores != "" {
		limits["cpu"] = cores
	}
	pod := object{"apiVersion": "v1", "kind": "Pod",
		"metadata": object{"generateName": "tfos-try-"},
		"spec": object{"restartPolicy": "Never", "serviceAccountName": account, "containers": []object{{
			"name": "executor", "image": cmp.Or(k.conf["spark.kubernetes.executor.container.image"], k.conf["spark.kubernetes.container.image"], "none"),
			"resources": object{"requests": requests, "limits": limits}}}},
	}
	var status *kube.StatusError
	if err := k.client.TryCreate(ctx, pod); errors.As(err, &status) && (status.Code == http.StatusForbidden || status.Code == http.StatusNotFound) {
		return status
	}
	return nil
}

// podMemory is the memory of an executor's pod as Spark works it out; "": not known.
func podMemory(conf map[string]string) string {
	total := int64(0)
	for _, name := range []string{"spark.executor.memory", "spark.executor.memoryOverhead"} {
		mib, ok := sparkMiB(conf[name])
		if !ok {
			return ""
		}
		total += mib
	}
	return fmt.Sprintf("%dMi", total)
}

// sparkMiB reads a size of Spark's; a plain number is MiB.
func sparkMiB(text string) (int64, bool) {
	var n int64
	var unit string
	if count, _ := fmt.Sscanf(strings.ToLower(text), "%d%s", &n, &unit); count == 0 {
		return 0, false
	}
	factor, ok := map[string]int64{"": 1, "m": 1, "mb": 1, "mib": 1, "g": 1 << 10, "gb": 1 << 10, "gib": 1 << 10}[unit]
	return n * factor, ok
}

// Find knows runs that have pods. A driver on the launcher's machine has none of its own.
func (k *kubernetes) Find(ctx context.Context) (App, error) {
	if err := k.look(ctx); err != nil {
		return App{}, fmt.Errorf("cluster: find the run: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, pod := range k.ordered() {
		return App{ID: pod.Metadata.Labels[appLabel]}, nil
	}
	return App{}, ErrUnknown
}

// look asks for all pods that are there, and waits for the output of those that have ended.
func (k *kubernetes) look(ctx context.Context) error {
	pods, err := k.client.List(ctx, k.label)
	if err == nil {
		there := map[string]bool{}
		for _, pod := range pods {
			there[pod.Metadata.UID] = true
			k.change(ctx, kube.Change{Pod: pod})
		}
		k.mu.Lock()
		for uid, pod := range k.pods {
			pod.gone = pod.gone || !there[uid]
		}
		k.mu.Unlock()
	}
	k.tails.Wait()
	return err
}

// State is that of the driver's pod. While it runs, or is on the launcher's machine, the
// application waits while one of its executors does, or cannot be created.
func (k *kubernetes) State(ctx context.Context, app App) (State, error) {
	err := k.look(ctx) // after an error, an end that was seen counts
	state := State{App: app, Phase: Running, Queue: k.client.Namespace()}
	k.mu.Lock()
	defer k.mu.Unlock()
	pods := k.ordered()
	driver := len(pods) > 0 && pods[0].Executor() == ""
	if driver {
		switch pods[0].describe(&state); {
		case err != nil && !state.Phase.Ended():
			return State{}, fmt.Errorf("cluster: ask Kubernetes for the run: %w", err)
		case state.Phase != Running:
			return state, nil
		}
		pods = pods[1:]
	}
	living := 0
	for _, pod := range pods {
		if pod.gone || pod.Ended() || pod.Metadata.Deletion != nil { // by Spark, when the driver ends
			continue
		}
		living++
		if !pod.ran && pod.waiting != "" && state.Words == "" {
			pod.describe(&state)
		}
	}
	if want, _ := strconv.Atoi(k.conf["spark.executor.instances"]); state.Words == "" && err == nil && living < want {
		k.mu.Unlock()
		refused := k.tryExecutor(ctx)
		k.mu.Lock()
		if refused != nil {
			state.Phase, state.Cause, state.Words = Waiting, CauseQueue, refused.Message
		}
	}
	switch {
	case driver || living > 0 || state.Words != "":
		return state, nil
	case err != nil:
		return State{}, fmt.Errorf("cluster: ask Kubernetes for the run: %w", err)
	}
	return State{}, ErrUnknown
}

func (p *seenPod) name() string { return "pod " + p.Metadata.Name }

// describe sets the state of an application whose driver's pod is p.
func (p *seenPod) describe(state *State) {
	state.Lines, state.ExitCode = p.lines, p.ExitCode()
	switch {
	case p.Outcome() == "Succeeded":
		state.Phase = Succeeded
	case p.gone || p.Metadata.Deletion != nil: // its processes may have ended with a code since
		state.Phase, state.Cause, state.Words = Killed, CauseKilled, p.name()+" was deleted"
	case p.Ended():
		state.Phase, state.Cause, state.Words = Failed, deathCause(p.Pod), p.name()+": "+p.Death()
	case p.waiting != "" && !p.ran:
		state.Phase, state.Cause, state.Words = Waiting, p.cause, p.name()+": "+p.waiting
		state.Final = p.Hopeless() || p.cause == CauseImage && time.Since(p.since) > pullLeast
	case !p.ran:
		state.Phase = Waiting
	}
}

// deathCause classifies how a pod ended.
func deathCause(pod kube.Pod) Cause {
	switch code := pod.ExitCode(); {
	case pod.OutOfMemory():
		return CauseMemory
	case pod.Status.Reason != "": // Evicted, NodeLost
		return CauseLost
	case code > 128:
		return CauseSignal
	}
	return CauseExit
}

// Kill deletes all pods of the run.
func (k *kubernetes) Kill(ctx context.Context, _ App) error { return k.Clean(ctx) }

// Clean deletes what is left of the run. Spark leaves the pods that failed, and if the driver
// was killed all pods and the settings of executors. Those belong to the driver's pod if it has
// one, and go with it.
func (k *kubernetes) Clean(ctx context.Context) error {
	var errs []error
	for _, left := range []struct{ kind, label string }{{"pods", k.label}, {"configmaps", appLabel + "=" + k.key}} {
		err := repeat(ctx, transientKube, func(ctx context.Context) error { return k.client.Delete(ctx, left.kind, left.label, killGrace) })
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster: delete %s %s of namespace %s: %w", left.kind, left.label, k.client.Namespace(), err))
		}
	}
	return errors.Join(errs...)
}

// Executors are those whose containers have ended with an error.
func (k *kubernetes) Executors(context.Context, App) ([]Executor, error) {
	k.tails.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Executor
	for _, pod := range k.ordered() {
		if words := pod.Death(); pod.Executor() != "" && words != "" {
			all = append(all, Executor{ID: pod.Executor(), Host: pod.Spec.NodeName, Cause: deathCause(pod.Pod),
				Words: pod.name() + ": " + words, ExitCode: pod.ExitCode(), Lines: pod.lines})
		}
	}
	return all, nil
}

// Follow takes in what becomes of the run's pods.
func (k *kubernetes) Follow(ctx context.Context) {
	// An error is a refusal of what State asks too.
	_ = k.client.Watch(ctx, k.label, func(c kube.Change) { k.change(ctx, c) }, func(error) {})
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// change takes in a pod, and begins to read the output of one that has ended.
func (k *kubernetes) change(ctx context.Context, c kube.Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pod := k.pods[c.Pod.Metadata.UID]
	if pod == nil {
		pod = &seenPod{order: len(k.pods)}
		k.pods[c.Pod.Metadata.UID] = pod
	}
	pod.Pod, pod.gone = c.Pod, c.Deleted
	pod.ran = pod.ran || c.Pod.Status.Phase != "Pending"
	if c.Pod.Ended() && !c.Deleted && !pod.read {
		pod.read = true
		k.tails.Go(func() { k.readTail(ctx, pod, c.Pod.Metadata.Name, c.Pod.Own()) })
	}
	words := c.Pod.Waiting()
	if words == "" || c.Deleted {
		return
	}
	if pod.cause = CauseImage; c.Pod.Unschedulable() {
		pod.cause = CauseQueue
	}
	if pod.waiting == "" {
		pod.since = time.Now()
	}
	pod.waiting = words
}

// readTail reads a pod's last lines at once: Spark deletes the pod within a second or so.
func (k *kubernetes) readTail(ctx context.Context, pod *seenPod, name, container string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	lines, err := k.client.Log(ctx, name, container, TailLines)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		pod.lines = lines
	}
}

// ordered are the pods in the order in which they were seen first, the driver's in front.
// k.mu is held.
func (k *kubernetes) ordered() []*seenPod {
	all := slices.Collect(maps.Values(k.pods))
	slices.SortFunc(all, func(a, b *seenPod) int {
		return cmp.Or(one(a.Executor() != "")-one(b.Executor() != ""), a.order-b.order)
	})
	return all
}

// Own names the pod of this process: executors then belong to it, and go with it. A pod of
// this name that has another address than this machine is another's.
func (k *kubernetes) Own(ctx context.Context, host string) map[string]string {
	if host == "" {
		return nil
	}
	for end := time.Now().Add(ownTimeout); ; time.Sleep(ownPause) {
		pod, err := k.client.Get(ctx, host)
		switch {
		case err != nil:
			return nil
		case pod.Status.PodIP != "" && pod.Status.PodIP == addressTo(k.client.Host()):
			return map[string]string{"spark.kubernetes.driver.pod.name": host}
		case pod.Status.PodIP != "" || time.Now().After(end):
			return nil
		}
	}
}

// AddressTo returns the address of this machine from which packets go to an API server
// (k8s://…); "": there is no way to it. Nothing is sent.
func AddressTo(master string) string {
	hostPort, err := kube.HostPort(master)
	if err != nil {
		return ""
	}
	return addressTo(hostPort)
}

func addressTo(hostPort string) string {
	conn, err := net.DialTimeout("udp", hostPort, dialTimeout)
	if err != nil {
		return ""
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return host
}
