package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/hadoop"
	"tfos/internal/kerberos"
)

// yarn is a YARN cluster. An application is asked for at the web services of its
// ResourceManager (Hadoop: YARN, "ResourceManager REST API's").
type yarn struct {
	key      string                   // of the run
	property func(name string) string // of core-site.xml and yarn-site.xml
	env      func(name string) string
	managers []managerSite
	rm       *resourceManager
}

func openYARN(c Config) (Manager, error) {
	if c.Env("HADOOP_CONF_DIR") == "" && c.Env("YARN_CONF_DIR") == "" { // spark-submit says so too, after its JVM has started
		return nil, unreachable("spark.master is yarn, and neither HADOOP_CONF_DIR nor YARN_CONF_DIR is set: set HADOOP_CONF_DIR to the folder of core-site.xml and yarn-site.xml")
	}
	configuration, err := hadoop.LoadYARN(c.Env, c.Conf)
	if err != nil {
		return nil, err
	}
	y := yarn{key: keyOf(c.Conf), property: configuration.Get, env: c.Env}
	if y.managers, err = managerSites(y.property); err != nil {
		return nil, err
	}
	y.rm, err = newResourceManager(y.managers, y.property, y.env)
	return y, err
}

// Reach connects to the port of a ResourceManager to which Spark submits, and checks that
// there is a ticket for it on a cluster with Kerberos. Hadoop's client tries for 15 minutes.
func (y yarn) Reach(ctx context.Context) error {
	var last error
	err := repeat(ctx, func(error) bool { return true }, func(ctx context.Context) error {
		var errs []error
		for _, m := range y.managers {
			conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", m.submit)
			if err == nil {
				return conn.Close()
			}
			errs = append(errs, err)
		}
		if ctx.Err() == nil || last == nil {
			last = errors.Join(errs...)
		}
		return last
	})
	switch {
	case err == nil:
		return y.checkTicket()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return unreachable("ResourceManager unreachable: %s: start it, or correct yarn.resourcemanager.* of yarn-site.xml in HADOOP_CONF_DIR", OneLine(last.Error()))
}

// checkTicket returns an error if the cluster has Kerberos and this process no ticket for it.
func (y yarn) checkTicket() error {
	if !strings.EqualFold(strings.TrimSpace(y.property("hadoop.security.authentication")), "kerberos") {
		return nil
	}
	client, err := y.rm.credentials()
	if service := y.property("yarn.resourcemanager.principal"); err == nil && service != "" {
		var hosts []string
		for _, m := range y.managers {
			host, _, _ := net.SplitHostPort(m.submit)
			hosts = append(hosts, host)
		}
		err = kerberos.CheckTicket(client, service, hosts)
	}
	if err != nil {
		return unreachable("%w", err)
	}
	return nil
}

// yarnApplication is what a ResourceManager says of an application.
type yarnApplication struct {
	ID          string        `json:"id"`
	Queue       string        `json:"queue"`
	State       string        `json:"state"`       // NEW, NEW_SAVING, SUBMITTED, ACCEPTED, RUNNING, FINISHED, FAILED, KILLED
	FinalStatus string        `json:"finalStatus"` // UNDEFINED, SUCCEEDED, FAILED, KILLED
	Diagnostics string        `json:"diagnostics"`
	TrackingURL string        `json:"trackingUrl"`
	AMLogs      string        `json:"amContainerLogs"` // a page of the NodeManager
	Logs        string        `json:"logAggregationStatus"`
	Started     int64         `json:"startedTime"` // ms since 1970
	Allocated   int64         `json:"allocatedMB"`
	Requests    []yarnRequest `json:"resourceRequests"`
}

func (a yarnApplication) ended() bool {
	return a.State == "FINISHED" || a.State == "FAILED" || a.State == "KILLED"
}

// Find asks for the applications with the run's tag. YARN keeps ended ones, 1000 of all users
// by default.
func (y yarn) Find(ctx context.Context) (App, error) {
	var answer struct {
		Apps struct {
			App []yarnApplication `json:"app"`
		} `json:"apps"`
	}
	if y.key == "" {
		return App{}, ErrUnknown // without a tag YARN would list all applications
	}
	err := y.rm.get(ctx, "/ws/v1/cluster/apps", url.Values{"applicationTags": {y.key}}, &answer)
	if err != nil {
		return App{}, fmt.Errorf("cluster: find %s: %w", y.key, err)
	}
	if len(answer.Apps.App) == 0 {
		return App{}, ErrUnknown
	}
	newest := slices.MaxFunc(answer.Apps.App, func(a, b yarnApplication) int { return int(a.Started - b.Started) })
	return App{ID: newest.ID}, nil
}

func (y yarn) application(ctx context.Context, id string) (yarnApplication, error) {
	var answer struct {
		App yarnApplication `json:"app"`
	}
	err := y.rm.get(ctx, "/ws/v1/cluster/apps/"+url.PathEscape(id), nil, &answer)
	var answered *statusError
	if errors.As(err, &answered) && answered.status == http.StatusNotFound {
		err = errors.Join(ErrUnknown, err)
	}
	if err != nil {
		return yarnApplication{}, fmt.Errorf("cluster: ask YARN for %s: %w", id, err)
	}
	return answer.App, nil
}

// State has words while the scheduler has not given the application all that it asks for.
func (y yarn) State(ctx context.Context, app App) (State, error) {
	a, err := y.application(ctx, app.ID)
	if err != nil {
		return State{}, err
	}
	state := State{App: app, Queue: a.Queue, URL: a.TrackingURL}
	switch {
	case a.State == "RUNNING":
		state.Phase, state.Words = Running, y.queueWords(ctx, a)
	case a.ended():
		y.describeEnd(&state, a)
	default:
		state.Phase, state.Cause = Waiting, CauseQueue
		state.Words = y.queueWords(ctx, a)
	}
	return state, nil
}

var (
	// What a NodeManager says of a container that has ended.
	containerStatus = regexp.MustCompile(`[Ee]xit ?[Cc]ode(?: is|:) (-?\d+)`)
	memoryUsed      = regexp.MustCompile(`([\d.]+ [KMGT]?B) of ([\d.]+ [KMGT]?B) (physical|virtual) memory used`)
)

// refusedRequest is the exception of a scheduler to which an application's request makes no sense:
// an unknown label, more than a container may have.
var refusedRequest = regexp.MustCompile(`\borg\.apache\.hadoop\.yarn\.exceptions\.Invalid(Label)?ResourceRequestException\b`)

// Exit codes of containers (org.apache.hadoop.yarn.api.records.ContainerExitStatus).
const (
	exitAborted        = -100
	exitDisksFailed    = -101
	exitPreempted      = -102
	exitVirtualMemory  = -103
	exitPhysicalMemory = -104
)

// describeEnd says how an application has ended.
func (y yarn) describeEnd(state *State, a yarnApplication) {
	state.Words = yarnWords(a.Diagnostics)
	switch {
	case a.State == "FINISHED" && a.FinalStatus == "SUCCEEDED":
		state.Phase, state.Words = Succeeded, ""
		return
	case a.State == "KILLED", a.FinalStatus == "KILLED":
		state.Phase, state.Cause = Killed, CauseKilled
		return
	}
	state.Phase, state.Cause = Failed, CauseExit
	if a.AMLogs != "" { // Python's standard error is in stdout too (Spark's PythonRunner)
		state.Logs = []string{a.AMLogs + "/stdout", a.AMLogs + "/stderr"}
	}
	// No container was ever started, or the scheduler does not take what the driver asks for.
	if a.Allocated < 0 && a.AMLogs == "" || refusedRequest.MatchString(a.Diagnostics) {
		state.Cause = CauseRefused
		return
	}
	found := containerStatus.FindStringSubmatch(a.Diagnostics)
	if found == nil {
		return
	}
	status, _ := strconv.Atoi(found[1])
	switch {
	case status == exitPhysicalMemory || status == exitVirtualMemory:
		state.Cause = CauseMemory
		if used := memoryWords(a.Diagnostics); used != "" {
			state.Words = used
		}
	case status == exitAborted, status == exitDisksFailed, status == exitPreempted:
		state.Cause = CauseLost
	case status == 137 || status == 143:
		state.Cause, state.ExitCode = CauseSignal, status
	case status > 0:
		state.ExitCode = status
	}
}

// memoryWords returns "2.3 GB of 2 GB physical memory used" of YARN's words about a container
// that had more memory than its limit; "": they are about something else.
func memoryWords(words string) string { return memoryUsed.FindString(words) }

var (
	wordsTime  = regexp.MustCompile(`\[(?:\w{3} )?[^\][]*\d\d:\d\d:\d\d[^\][]*\] ?`)
	wordsExtra = regexp.MustCompile(`(?s)\.? *(?:\s+at [\w.$]+\([\w. ]+(?::\d+)?\)|Details *:|For more detailed output, check|Dump of the process-tree).*`)
)

// yarnWords are YARN's diagnostics without times and dumps.
func yarnWords(diagnostics string) string {
	return OneLine(wordsExtra.ReplaceAllString(wordsTime.ReplaceAllString(diagnostics, ""), ""))
}

// Kill asks for the application's end.
func (y yarn) Kill(ctx context.Context, app App) error {
	err := y.rm.put(ctx, "/ws/v1/cluster/apps/"+url.PathEscape(app.ID)+"/state", map[string]string{"state": "KILLED"})
	var refused *statusError
	if errors.As(err, &refused) && refused.status == http.StatusForbidden {
		return fmt.Errorf("cluster: kill %s: the user may not: %w", app.ID, err)
	}
	if err != nil {
		return fmt.Errorf("cluster: kill %s: %w", app.ID, err)
	}
	return nil
}

// Executors is not known: a ResourceManager forgets containers that have ended.
func (yarn) Executors(context.Context, App) ([]Executor, error) { return nil, nil }
