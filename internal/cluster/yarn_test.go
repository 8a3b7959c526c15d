package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tfos/internal/exit"
)

// yarnSite writes yarn-site.xml and returns an environment that names its folder.
func yarnSite(t *testing.T, properties map[string]string) func(string) string {
	t.Helper()
	dir, text := t.TempDir(), "<configuration>"
	for name, value := range properties {
		text += "<property><name>" + name + "</name><value>" + value + "</value></property>"
	}
	if err := os.WriteFile(dir+"/yarn-site.xml", []byte(text+"</configuration>"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(name string) string {
		return map[string]string{"HADOOP_CONF_DIR": dir, "HADOOP_USER_NAME": "ann"}[name]
	}
}

func openedYARN(t *testing.T, properties map[string]string) yarn {
	t.Helper()
	m, err := Open(Config{Kind: YARN, Master: "yarn", Conf: map[string]string{YARNTags: "mine,tfos," + RunKey("Digits.1", "hdfs://n/r")}, Env: yarnSite(t, properties)})
	if err != nil {
		t.Fatal(err)
	}
	return m.(yarn)
}

// address is HOST:PORT of a server.
func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

// TestYARNSites: site files as tools and people write them, with other names of hosts. Hadoop's own
// client finds the same addresses to submit to.
func TestYARNSites(t *testing.T) {
	t.Parallel()
	sites := map[string][2]string{ // addresses to submit to, web addresses
		"ambari":   {"master1.example.com:8032 master2.example.com:8032", "http://master1.example.com:8088 http://master2.example.com:8088"},
		"cloudera": {"node1.example.com:8032 node2.example.com:8032", "https://node1.example.com:8090 https://node2.example.com:8090"},
		"dataproc": {"cluster-m-0:8032 cluster-m-1:8032 cluster-m-2:8032", "https://cluster-m-0:8090 https://cluster-m-1:8890 https://cluster-m-2:8090"},
		"docker":   {"resourcemanager:8032", "http://resourcemanager:8188"},
		"puppet":   {"analytics10.example.net:8032", "http://analytics10.example.net:8088"},
		"tutorial": {"hadoop102:8032 hadoop103:8032", "http://hadoop102:8088 http://hadoop103:8088"},
	}
	folders, err := os.ReadDir("testdata/sites")
	if err != nil || len(folders) != len(sites) {
		t.Fatal(len(folders), err)
	}
	for name, want := range sites {
		m, err := Open(Config{Kind: YARN, Env: func(variable string) string {
			return map[string]string{"HADOOP_CONF_DIR": "testdata/sites/" + name, "HADOOP_USER_NAME": "ann"}[variable]
		}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := addresses(m.(yarn)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name, found := range hadoopsManagers(t) {
		if want := sites[name][0]; found != want {
			t.Errorf("%s: Hadoop's client finds %s, want %s", name, found, want)
		}
	}
}

// addresses returns where ResourceManagers are, in their order: to submit to, and their web addresses.
func addresses(y yarn) [2]string {
	var submit, web []string
	for _, m := range y.managers {
		submit, web = append(submit, m.submit), append(web, m.web)
	}
	return [2]string{strings.Join(submit, " "), strings.Join(web, " ")}
}

// hadoopsManagers asks Hadoop's client for the addresses of ResourceManagers: folder of testdata/sites
// -> addresses.
func hadoopsManagers(t *testing.T) map[string]string {
	jars, _ := filepath.Glob("../../.venv/lib/python3*/site-packages/pyspark/jars/hadoop-client-api*.jar")
	java, err := exec.LookPath("java")
	if err != nil || len(jars) == 0 {
		message := "no Java, or no PySpark in .venv: where Hadoop's own client finds ResourceManagers is not compared"
		if strings.Contains(os.Getenv("TFOS_REQUIRE"), "yarn") {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	sites, _ := filepath.Glob("testdata/sites/*")
	argv := append([]string{"-cp", filepath.Dir(jars[0]) + "/*", "testdata/Managers.java"}, sites...)
	out, err := exec.CommandContext(t.Context(), java, argv...).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); words[0] == "FOUND" {
			found[filepath.Base(words[1])] = strings.Join(words[2:], " ")
		}
	}
	if len(found) != len(sites) {
		t.Fatalf("%d of %d sites: %s", len(found), len(sites), out)
	}
	return found
}

func TestYARNAddresses(t *testing.T) {
	const p = "yarn.resourcemanager."
	for _, c := range []struct {
		properties map[string]string
		web, rpc   string
	}{
		{nil, "http://0.0.0.0:8088", "0.0.0.0:8032"},
		{map[string]string{p + "hostname": "h"}, "http://h:8088", "h:8032"},
		{map[string]string{p + "hostname": "h", p + "webapp.address": "${yarn.resourcemanager.hostname}:1", p + "address": "g:2"}, "http://h:1", "g:2"},
		{map[string]string{p + "hostname": "h", "yarn.http.policy": "HTTPS_ONLY"}, "https://h:8090", "h:8032"},
		{map[string]string{p + "ha.enabled": "true", p + "ha.rm-ids": "a, b", p + "hostname.a": "h", p + "hostname.b": "g", p + "webapp.address.b": "w:3"},
			"http://h:8088 http://w:3", "h:8032 g:8032"},
		{map[string]string{p + "hostname": "h", p + "webapp.address": "0.0.0.0:1", p + "address": "g:2"}, "http://h:1", "g:2"},
		{map[string]string{p + "hostname": "0.0.0.0", p + "webapp.address": "[::]:1", p + "address": "g"}, "http://g:1", "g:8032"},
		{map[string]string{p + "hostname": "h", p + "webapp.address": "https://w/", p + "address": "0.0.0.0:2", "yarn.http.policy": "HTTP_AND_HTTPS"}, "http://w:8088", "0.0.0.0:2"},
		{map[string]string{p + "hostname": "[::1]", p + "webapp.address": ":1"}, "http://[::1]:1", "[::1]:8032"},
	} {
		if got := addresses(openedYARN(t, c.properties)); got != [2]string{c.rpc, c.web} {
			t.Errorf("%v: %s, want %s and %s", c.properties, got, c.rpc, c.web)
		}
	}
	for _, properties := range []map[string]string{
		{p + "ha.enabled": "true", p + "hostname": "h"},
		{p + "ha.enabled": "true", p + "ha.rm-ids": "a,b", p + "hostname.a": "h", p + "webapp.address.b": "w:3"},
	} {
		_, err := Open(Config{Kind: YARN, Env: yarnSite(t, properties)})
		if exit.CodeOf(err, 0) != exit.NoSpark || !strings.Contains(err.Error(), "yarn-site.xml") {
			t.Errorf("%v: %v", properties, err)
		}
	}
	if _, err := Open(Config{Kind: YARN, Env: func(string) string { return "" }}); exit.CodeOf(err, 0) != exit.NoSpark || !strings.Contains(err.Error(), "HADOOP_CONF_DIR") {
		t.Errorf("without HADOOP_CONF_DIR: %v", err)
	}
}

// TestYARNStates: what a ResourceManager says of an application, and the verdict of it. The
// texts are those of Hadoop 3.3.4.
func TestYARNStates(t *testing.T) {
	const memory = "Application application_1_0001 failed 1 times due to AM Container for appattempt_1_0001_000001 exited with  exitCode: -104\n" +
		"Failing this attempt.Diagnostics: [2026-11-30 10:00:00.001]Container [pid=7,containerID=container_1_0001_01_000001] is running 300000000B beyond the 'PHYSICAL' memory limit. " +
		"Current usage: 2.3 GB of 2 GB physical memory used; 5.0 GB of 4.2 GB virtual memory used. Killing container.\nDump of the process-tree for container_1_0001_01_000001 :\n\t|- PID PPID"
	for name, c := range map[string]struct {
		app   map[string]any
		phase Phase
		cause Cause
		code  exit.Code
		words string
	}{
		"waits":      {map[string]any{"state": "ACCEPTED", "finalStatus": "UNDEFINED"}, Waiting, CauseQueue, exit.NotFormed, "queue q"},
		"runs":       {map[string]any{"state": "RUNNING", "finalStatus": "UNDEFINED"}, Running, "", exit.Failed, ""},
		"well":       {map[string]any{"state": "FINISHED", "finalStatus": "SUCCEEDED", "diagnostics": "x"}, Succeeded, "", exit.Failed, ""},
		"killed":     {map[string]any{"state": "KILLED", "finalStatus": "KILLED", "diagnostics": "Application application_1_0001 was killed by user ann at 10.0.0.1"}, Killed, CauseKilled, exit.Terminated, "was killed by user ann"},
		"memory":     {map[string]any{"state": "FAILED", "finalStatus": "FAILED", "diagnostics": memory, "amContainerLogs": "u"}, Failed, CauseMemory, exit.Failed, "2.3 GB of 2 GB physical memory used"},
		"AM's exit":  {map[string]any{"state": "FAILED", "finalStatus": "FAILED", "diagnostics": "AM Container exited with  exitCode: 13", "amContainerLogs": "u"}, Failed, CauseExit, exit.Failed, "exitCode: 13"},
		"node lost":  {map[string]any{"state": "FAILED", "finalStatus": "FAILED", "diagnostics": "AM Container exited with  exitCode: -100", "amContainerLogs": "u"}, Failed, CauseLost, exit.Failed, "exitCode: -100"},
		"SIGKILL":    {map[string]any{"state": "FAILED", "finalStatus": "FAILED", "diagnostics": "[2026-11-30 10:00:00.001]Container exited with a non-zero exit code 137. exitCode: 137", "amContainerLogs": "u"}, Failed, CauseSignal, exit.Failed, "exit code 137"},
		"no label":   {map[string]any{"state": "FINISHED", "finalStatus": "FAILED", "amContainerLogs": "u", "diagnostics": "Uncaught exception: org.apache.hadoop.yarn.exceptions.InvalidLabelResourceRequestException: Invalid label resource request, cluster do not contain , label= green\n\tat org.apache.hadoop.yarn.server.resourcemanager.scheduler.SchedulerUtils.checkQueueLabelInLabelManager(SchedulerUtils.java:522)\n\tat Dump"}, Failed, CauseRefused, exit.NoSpark, "label= green"},
		"no queue":   {map[string]any{"state": "FAILED", "finalStatus": "FAILED", "allocatedMB": -1, "diagnostics": "Application application_1_0001 submitted by user ann to unknown queue: none"}, Failed, CauseRefused, exit.NoSpark, "unknown queue: none"},
		"app failed": {map[string]any{"state": "FINISHED", "finalStatus": "FAILED", "diagnostics": "User application exited with status 1", "amContainerLogs": "u"}, Failed, CauseExit, exit.Failed, "User application exited"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /ws/v1/cluster/apps/application_1_0001", func(w http.ResponseWriter, r *http.Request) {
				c.app["id"], c.app["queue"] = "application_1_0001", "q"
				_ = json.NewEncoder(w).Encode(map[string]any{"app": c.app})
			})
			server := httptest.NewServer(mux)
			defer server.Close()
			y := openedYARN(t, map[string]string{"yarn.resourcemanager.webapp.address": address(server)})
			s, err := y.State(t.Context(), App{ID: "application_1_0001"})
			if err != nil || s.Phase != c.phase || s.Cause != c.cause || s.Verdict().Code != c.code || !strings.Contains(s.Words, c.words) {
				t.Errorf("%+v, %v, verdict %+v", s, err, s.Verdict())
			}
			if strings.Contains(s.Words, "2026-11-30") || strings.Contains(s.Words, "Dump") {
				t.Errorf("words %q", s.Words)
			}
		})
	}
}

// standby answers as one: it names the active ResourceManager, or does not know it.
func standby(t *testing.T, active string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if active == "" {
			w.Header().Set("Refresh", "3")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "There is currently no active RM.")
			return
		}
		w.Header().Set("Location", active+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
		fmt.Fprintf(w, "This is standby RM. The redirect url is: %s", active)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestYARNStandby(t *testing.T) {
	var killed []string
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /ws/v1/cluster/apps/a/state", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ State string }
		err := json.NewDecoder(r.Body).Decode(&body)
		killed = append(killed, fmt.Sprint(r.FormValue("user.name"), body.State, err))
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /ws/v1/cluster/apps", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("applicationTags") != RunKey("Digits.1", "hdfs://n/r") {
			fmt.Fprint(w, `{"apps":null}`)
			return
		}
		fmt.Fprint(w, `{"apps":{"app":[{"id":"old","startedTime":1},{"id":"a","startedTime":3},{"id":"older","startedTime":0}]}}`)
	})
	active := httptest.NewServer(mux)
	defer active.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, others := range map[string][]string{
		"a standby is first":         {address(standby(t, "")), address(active)},
		"a standby names the active": {address(standby(t, active.URL))},
		"one is down":                {address(gone), address(active)},
	} {
		properties := map[string]string{"yarn.resourcemanager.ha.enabled": "true", "yarn.resourcemanager.ha.rm-ids": ""}
		for i, at := range others {
			id := fmt.Sprint("rm", i)
			properties["yarn.resourcemanager.ha.rm-ids"] += id + ","
			properties["yarn.resourcemanager.webapp.address."+id] = at
			properties["yarn.resourcemanager.hostname."+id] = "127.0.0.1"
		}
		properties["yarn.resourcemanager.ha.rm-ids"] = strings.TrimSuffix(properties["yarn.resourcemanager.ha.rm-ids"], ",")
		y := openedYARN(t, properties)
		begin := time.Now()
		app, err := y.Find(t.Context())
		if err != nil || app.ID != "a" {
			t.Errorf("%s: %v, %v", name, app, err)
		}
		killed = nil
		if err := y.Kill(t.Context(), app); err != nil || len(killed) != 1 || killed[0] != "annKILLED<nil>" {
			t.Errorf("%s: kill: %v, %q", name, err, killed)
		}
		if spent := time.Since(begin); spent > 5*time.Second {
			t.Errorf("%s: took %s", name, spent)
		}
	}
	y := openedYARN(t, map[string]string{"yarn.resourcemanager.webapp.address": address(active)})
	y.key = "tfos-other"
	if _, err := y.Find(t.Context()); !errors.Is(err, ErrUnknown) {
		t.Errorf("another run: %v", err)
	}
	if _, err := y.State(t.Context(), App{ID: "forgotten"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("an application that is not known: %v", err)
	}
	active.Close()
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := y.Find(short); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("find, without a ResourceManager: %v", err)
	}
	if _, err := y.State(short, App{ID: "a"}); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("state, without a ResourceManager: %v", err)
	}
}

// TestYARNCertificate: a certificate that this machine does not trust is an error at once, which says
// what to do.
func TestYARNCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	y := openedYARN(t, map[string]string{"yarn.http.policy": "HTTPS_ONLY", "yarn.resourcemanager.webapp.https.address": strings.TrimPrefix(server.URL, "https://")})
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	if _, err := y.Find(ctx); err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE") || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

// TestYARNReach: one of several ResourceManagers is enough; none is one error, which names them.
func TestYARNReach(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	_ = free.Close()
	y := openedYARN(t, map[string]string{
		"yarn.resourcemanager.ha.enabled": "true", "yarn.resourcemanager.ha.rm-ids": "a,b",
		"yarn.resourcemanager.address.a": nobody, "yarn.resourcemanager.address.b": listener.Addr().String(),
	})
	if err := y.Reach(t.Context()); err != nil {
		t.Error(err)
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		y := openedYARN(t, map[string]string{"yarn.resourcemanager.address": nobody})
		err := y.Reach(t.Context())
		if exit.CodeOf(err, 0) != exit.NoSpark || strings.Count(err.Error(), nobody) != 1 || !strings.Contains(err.Error(), "yarn-site.xml") {
			t.Error(err)
		}
	})
	t.Run("no ticket", func(t *testing.T) {
		y := openedYARN(t, map[string]string{"yarn.resourcemanager.address": listener.Addr().String(), "hadoop.security.authentication": "kerberos"})
		env := y.env
		y.env = func(name string) string {
			return map[string]string{"KRB5_CONFIG": "/nowhere/krb5.conf"}[name] + env(name)
		}
		y.rm, _ = newResourceManager(y.managers, y.property, y.env)
		if err := y.Reach(t.Context()); exit.CodeOf(err, 0) != exit.NoSpark || !strings.Contains(err.Error(), "krb5.conf") || !strings.Contains(err.Error(), "kinit") {
			t.Error(err)
		}
	})
}

// TestYARNLog: the last lines of a log of a NodeManager. The text is Hadoop 3.3.4's.
func TestYARNLog(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws/v1/node/containerlogs/container_1/tfos-worker-0.log", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/plain") {
			w.WriteHeader(http.StatusNotAcceptable) // as Hadoop's server
			return
		}
		fmt.Fprintf(w, "Container: container_1 on h:1\nLogAggregationType: LOCAL\n====\nLogType:tfos-worker-0.log\nLogLength:9\nLogContents:\n%s\nlast\nEnd of LogType:tfos-worker-0.log.This log file belongs to a running container.\n****\n",
			strings.Repeat("a line\n", 30))
	})
	node := httptest.NewServer(mux)
	defer node.Close()
	y := openedYARN(t, nil)
	lines, err := y.Lines(t.Context(), node.URL+"/node/containerlogs/container_1/ann/tfos-worker-0.log")
	if err != nil || len(lines) != TailLines || lines[TailLines-1] != "last" || lines[0] != "a line" {
		t.Errorf("%q, %v", lines, err)
	}
	for _, page := range []string{"/node/containerlogs/container_2/ann/x.log", "/logPage/?appId=a"} {
		if lines, err := y.Lines(t.Context(), node.URL+page); err == nil {
			t.Errorf("%s: %q", page, lines)
		}
	}
}

// TestYARNCollectedLog: where a NodeManager has a log no more, it is with the log server, or
// in the file that YARN has collected, in the folders of each version of Hadoop.
func TestYARNCollectedLog(t *testing.T) {
	const container, page = "container_e7_12_10003_01_000002", "/node/containerlogs/container_e7_12_10003_01_000002/ann/stderr"
	collected := tfile("gz", 100, logsOf{container, [][2]string{{"stderr", "first\nlast of the file\n"}}})
	for name, tt := range map[string]struct {
		folder string // of the file, "": there is none
		status []string
		server string // path of the log server; "": there is none
		last   string // "": no log
		words  string // of the error
	}{
		"Hadoop 3.3":       {folder: "ann/bucket-logs-tfile/0003/application_12_10003", status: []string{"SUCCEEDED"}, last: "last of the file"},
		"Hadoop 3.2":       {folder: "ann/logs-tfile/application_12_10003", status: []string{"SUCCEEDED"}, last: "last of the file"},
		"Hadoop 2":         {folder: "ann/logs/application_12_10003", status: []string{"RUNNING_WITH_FAILURE"}, last: "last of the file"},
		"not yet":          {folder: "ann/logs/application_12_10003", status: []string{"NOT_START", "RUNNING", "SUCCEEDED"}, last: "last of the file"},
		"a log server":     {folder: "ann/logs/application_12_10003", status: []string{"SUCCEEDED"}, server: "/history", last: "last of the server"},
		"its server fails": {folder: "ann/logs/application_12_10003", status: []string{"SUCCEEDED"}, server: "/elsewhere", last: "last of the file"},
		"another user":     {folder: "bob/logs/application_12_10003", status: []string{"SUCCEEDED"}, words: "no file of 127.0.0.1"},
		"not aggregated":   {folder: "ann/logs/application_12_10003", status: []string{"DISABLED"}, words: "yarn.log-aggregation-enable"},
		"nothing is done":  {status: []string{"RUNNING"}, words: "not collected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if tt.folder != "" {
				folder := root + "/" + tt.folder
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(folder+"/127.0.0.1_45454", collected, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var asked atomic.Int64
			mux := http.NewServeMux()
			mux.HandleFunc("GET /ws/v1/cluster/apps/application_12_10003", func(w http.ResponseWriter, r *http.Request) {
				now := int(asked.Add(1)) - 1
				fmt.Fprintf(w, `{"app":{"state":"FAILED","logAggregationStatus":%q}}`, tt.status[min(now, len(tt.status)-1)])
			})
			mux.HandleFunc("GET /history/containers/"+container+"/logs/stderr", func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "LogContents:\nnot this\nLogContents:\nlast of the server\nEnd of LogType:stderr\n")
			})
			server := httptest.NewServer(mux) // also the NodeManager, which has no log
			defer server.Close()
			properties := map[string]string{"yarn.resourcemanager.webapp.address": address(server), "fs.defaultFS": "file://", "yarn.nodemanager.remote-app-log-dir": root}
			if tt.server != "" {
				properties["yarn.log.server.web-service.url"] = server.URL + tt.server
			}
			y := openedYARN(t, properties)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			lines, err := y.Lines(ctx, server.URL+page)
			if tt.last != "" && (err != nil || lines[len(lines)-1] != tt.last) {
				t.Errorf("%q, %v", lines, err)
			}
			if tt.last == "" && (err == nil || !strings.Contains(err.Error(), tt.words)) {
				t.Errorf("%q, %v", lines, err)
			}
		})
	}
}

// TestYARNQueueWords: what an application waits for, how full its queue is, and what the
// scheduler says. The answers are those of Hadoop 3.3.4, shortened.
func TestYARNQueueWords(t *testing.T) {
	mux := http.NewServeMux()
	serve := func(path, answer string) {
		mux.HandleFunc("GET /ws/v1/cluster/"+path, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer) })
	}
	const resource = `{"memory":2816,"vCores":1}`
	serve("apps/running", `{"app":{"id":"running","queue":"small","state":"RUNNING","resourceRequests":[
		{"resourceName":"*","capability":`+resource+`,"numContainers":2,"nodeLabelExpression":"blue"},{"resourceName":"h","capability":`+resource+`,"numContainers":2}]}}`)
	serve("apps/enough", `{"app":{"id":"enough","queue":"small","state":"RUNNING","resourceRequests":[{"resourceName":"*","capability":`+resource+`,"numContainers":0}]}}`)
	serve("apps/accepted", `{"app":{"id":"accepted","queue":"root.users.ann","state":"ACCEPTED","diagnostics":"[Mon Nov 30 10:00:00 +0000 2026] Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded.  Details : AM Partition = <DEFAULT_PARTITION>; x"}}`)
	serve("scheduler", `{"scheduler":{"schedulerInfo":{"type":"capacityScheduler","queueName":"root","queues":{"queue":[{"queueName":"users","state":"RUNNING","queues":{"queue":[{"queueName":"ann","state":"STOPPED"}]}},
		{"queueName":"small","state":"RUNNING","resourcesUsed":{"memory":896,"vCores":1},"capacities":{"queueCapacitiesByPartition":[{"partitionName":"","effectiveMaxResource":{"memory":1228,"vCores":2}},{"partitionName":"blue","effectiveMaxResource":{"memory":0,"vCores":0}}]}}]}}}}`)
	serve("scheduler/app-activities/running", `{"appActivities":{"allocations":[{"allocationState":"SKIPPED","diagnostic":"outer","children":[{"allocationState":"REJECTED","diagnostic":"Queue does not have enough headroom"}]},{"diagnostic":"older"}]}}`)
	server := httptest.NewServer(mux)
	defer server.Close()
	y := openedYARN(t, map[string]string{"yarn.resourcemanager.webapp.address": address(server)})
	for id, want := range map[string]string{
		"running":  "queue small has 896 of 1228 MiB and 1 of 2 cores in use; the application waits for 2 containers of 2816 MiB and 1 core on nodes with the label blue: Queue does not have enough headroom",
		"enough":   "",
		"accepted": "queue root.users.ann is STOPPED: Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded",
	} {
		if s, err := y.State(t.Context(), App{ID: id}); err != nil || s.Words != want {
			t.Errorf("%s: %q, %v", id, s.Words, err)
		}
	}
}
