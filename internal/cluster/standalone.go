package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// standalone is a standalone master. Its driver is always on the launcher's machine: Spark
// refuses Python applications in cluster mode there.
//
// Applications are asked for at the master's web pages (org.apache.spark.deploy.JsonProtocol).
// Only the driver knows their address: App.ManagerURL.
type standalone struct {
	master string
	http   *http.Client
}

func openStandalone(c Config) standalone { return standalone{c.Master, direct()} }

// dialTimeout bounds the connection to one master. A reachable master answers within a
// round trip.
const dialTimeout = 3 * time.Second

// Reach connects to the master's port: spark-submit needs a minute to find out. If several
// masters are given (spark://a:7077,b:7077), one is enough.
func (s standalone) Reach(ctx context.Context) error {
	var reasons []string
	for address := range strings.SplitSeq(strings.TrimPrefix(s.master, "spark://"), ",") {
		d := net.Dialer{Timeout: dialTimeout}
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		reasons = append(reasons, err.Error())
	}
	return unreachable("master unreachable: %s (%s): start the master, or correct spark.master", s.master, strings.Join(reasons, "; "))
}

// Find knows nothing: a master has no tags, and the driver's own event has the id.
func (standalone) Find(context.Context) (App, error) { return App{}, ErrUnknown }

// masterPage is what a master's page /json/ says.
type masterPage struct {
	Workers   []masterWorker      `json:"workers"`
	Active    []masterApplication `json:"activeapps"`
	Completed []masterApplication `json:"completedapps"`
}

type masterWorker struct {
	ID    string `json:"id"`
	Host  string `json:"host"`
	Page  string `json:"webuiaddress"`
	State string `json:"state"` // ALIVE, DEAD, DECOMMISSIONED, UNKNOWN
}

type masterApplication struct {
	ID    string `json:"id"`
	State string `json:"state"` // WAITING, RUNNING, FINISHED, FAILED, KILLED, UNKNOWN
	Cores int    `json:"cores"`
}

func (s standalone) page(ctx context.Context, app App) (masterPage, error) {
	var page masterPage
	if app.ManagerURL == "" {
		return page, ErrUnknown
	}
	err := getJSON(ctx, s.http, strings.TrimSuffix(app.ManagerURL, "/")+"/json/", &page)
	return page, err
}

func (s standalone) State(ctx context.Context, app App) (State, error) {
	page, err := s.page(ctx, app)
	if err != nil {
		return State{}, fmt.Errorf("cluster: ask %s for %s: %w", s.master, app.ID, err)
	}
	all := append(page.Active, page.Completed...)
	at := slices.IndexFunc(all, func(a masterApplication) bool { return a.ID == app.ID })
	if at < 0 {
		return State{}, fmt.Errorf("cluster: %s of %s: %w", app.ID, s.master, ErrUnknown)
	}
	state := State{App: app, URL: app.ManagerURL + "/app/?appId=" + url.QueryEscape(app.ID)}
	switch all[at].State {
	case "WAITING":
		state.Phase, state.Cause = Waiting, CauseQueue
		state.Words = fmt.Sprintf("no worker of %s has free cores and memory enough for an executor", s.master)
	case "RUNNING":
		state.Phase = Running
	case "FINISHED": // the driver disconnected, whatever it had to say
		state.Phase = Succeeded
	case "KILLED":
		state.Phase, state.Cause, state.Words = Killed, CauseKilled, "the master "+s.master+" says KILLED"
	default:
		state.Phase, state.Words = Failed, "the master "+s.master+" says "+all[at].State
	}
	return state, nil
}

// Kill is the button of the master's page. A master with spark.ui.killEnabled=false has
// none.
func (s standalone) Kill(ctx context.Context, app App) error {
	if app.ManagerURL == "" {
		return fmt.Errorf("cluster: kill %s: %w", app.ID, ErrUnknown)
	}
	form := url.Values{"id": {app.ID}, "terminate": {"true"}}.Encode()
	err := repeat(ctx, transient, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(app.ManagerURL, "/")+"/app/kill/", strings.NewReader(form))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, err = roundTrip(s.http, req)
		return err
	})
	if err != nil {
		return fmt.Errorf("cluster: kill %s: %w", app.ID, err)
	}
	return nil
}

// workerPage is what a worker's page /json/ says.
type workerPage struct {
	Finished []struct {
		ID  int    `json:"id"`
		App string `json:"appid"`
	} `json:"finishedexecutors"`
}

// Executors asks all living workers. The pages say nothing of exit codes.
func (s standalone) Executors(ctx context.Context, app App) ([]Executor, error) {
	page, err := s.page(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("cluster: executors of %s: %w", app.ID, err)
	}
	var all []Executor
	for _, w := range page.Workers {
		if w.State != "ALIVE" {
			continue
		}
		var worker workerPage
		if err := getJSON(ctx, s.http, w.Page+"/json/", &worker); err != nil {
			return all, fmt.Errorf("cluster: executors of %s: %w", app.ID, err)
		}
		for _, f := range worker.Finished {
			if f.App == app.ID {
				query := fmt.Sprintf("?appId=%s&executorId=%d&logType=stderr", url.QueryEscape(app.ID), f.ID)
				e := Executor{ID: fmt.Sprint(f.ID), Host: w.Host, LogURL: w.Page + "/logPage/" + query}
				e.Lines = s.tail(ctx, w.Page+"/log/"+query+"&byteLength=16384")
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b Executor) int { return len(a.ID)*1000 + strings.Compare(a.ID, b.ID) - len(b.ID)*1000 })
	return all, nil
}

// emptyLog begins the page of a log that has no byte. Of an executor whose folder was deleted
// (spark.worker.cleanup.enabled) the page then has an error of the worker's own, with status
// 200.
var emptyLog = regexp.MustCompile(`^==== Bytes \d+-\d+ of 0 of `)

// tail reads the last lines of a worker's log. The first line of the page is its title.
func (s standalone) tail(ctx context.Context, page string) []string {
	var lines []string
	_ = repeat(ctx, transient, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
		if err != nil {
			return err
		}
		body, err := roundTrip(s.http, req)
		title, text, _ := strings.Cut(strings.TrimRight(string(body), "\n"), "\n")
		if err == nil && text != "" && !emptyLog.MatchString(title) {
			lines = lastLines(strings.Split(text, "\n"))
		}
		return err
	})
	return lines
}

// lastLines returns the last TailLines of lines.
func lastLines(lines []string) []string { return lines[max(0, len(lines)-TailLines):] }
