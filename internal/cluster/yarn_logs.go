package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"tfos/internal/store"
)

// logPages begins the path of a NodeManager's page of a log:
// /node/containerlogs/CONTAINER/USER/FILE.
const logPages = "/node/containerlogs/"

// tailBytes is how much of a log is read.
const tailBytes = 16 << 10

// yarnLog is a file of a container.
type yarnLog struct {
	node      *url.URL // http://HOST:PORT of the container's NodeManager
	container string
	user      string
	file      string
}

// logAt returns the log that a NodeManager shows at page.
func (y yarn) logAt(page string) (yarnLog, error) {
	u, err := url.Parse(page)
	if err != nil {
		return yarnLog{}, fmt.Errorf("cluster: %w", err)
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, logPages), "/")
	if !strings.HasPrefix(u.Path, logPages) || len(parts) != 3 {
		return yarnLog{}, fmt.Errorf("cluster: %s is no page of a container's log", page)
	}
	if httpsOnly(y.property) {
		u.Scheme = "https"
	}
	return yarnLog{&url.URL{Scheme: u.Scheme, Host: u.Host}, parts[0], parts[1], parts[2]}, nil
}

// application returns the id of the container's application: container_TIME_APP_ATTEMPT_N
// or container_eEPOCH_TIME_APP_ATTEMPT_N.
func (l yarnLog) application() (id string, number int, err error) {
	parts := strings.Split(l.container, "_")
	if len(parts) == 6 {
		parts = append(parts[:1], parts[2:]...)
	}
	if len(parts) != 5 {
		return "", 0, fmt.Errorf("%s is no container", l.container)
	}
	number, err = strconv.Atoi(parts[2])
	return "application_" + parts[1] + "_" + parts[2], number, err
}

// Lines returns the last lines of a log that a NodeManager shows, or has shown, at page. If
// the NodeManager has it no more, it is where YARN has collected it. Lines waits for that
// until ctx ends.
func (y yarn) Lines(ctx context.Context, page string) ([]string, error) {
	log, err := y.logAt(page)
	if err != nil {
		return nil, err
	}
	text, err := y.logOfNode(ctx, log)
	if err != nil {
		var cerr error
		if text, cerr = y.collectedLog(ctx, log); cerr != nil {
			return nil, fmt.Errorf("cluster: read the log %s: %w", page, errors.Join(err, cerr))
		}
	}
	return lastLines(filled(text)), nil
}

// logOfNode asks the NodeManager, which has a log until a few seconds after the end of the
// application, or, without aggregation, for yarn.nodemanager.log.retain-seconds.
func (y yarn) logOfNode(ctx context.Context, log yarnLog) (string, error) {
	u := *log.node
	u.Path = path.Join("/ws/v1/node/containerlogs", log.container, log.file)
	return y.askForLog(ctx, u)
}

// askForLog asks a NodeManager, or a log server, which answers alike.
func (y yarn) askForLog(ctx context.Context, u url.URL) (string, error) {
	u.RawQuery = url.Values{"size": {fmt.Sprint(-tailBytes)}, "user.name": {y.rm.user}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	text, err := y.rm.send(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	_, log, found := strings.Cut(string(text), "\nLogContents:\n")
	if !found {
		return "", fmt.Errorf("%s: the answer has no log", u.Redacted())
	}
	if end := strings.LastIndex(log, "End of LogType:"); end >= 0 {
		log = log[:end]
	}
	return log, nil
}

// collectedLog reads a log that YARN has collected: at the log server, which knows all
// formats, or in the file that the NodeManager has written.
func (y yarn) collectedLog(ctx context.Context, log yarnLog) (string, error) {
	id, number, err := log.application()
	if err == nil {
		err = y.awaitLogs(ctx, id)
	}
	if err != nil {
		return "", err
	}
	text, serr := y.logOfServer(ctx, log)
	if serr == nil && text != "" {
		return text, nil
	}
	if text, err = y.logInFiles(ctx, log, id, number); err != nil {
		return "", errors.Join(serr, err)
	}
	return text, nil
}

// logOfServer asks the log server. It is "" if there is none.
func (y yarn) logOfServer(ctx context.Context, log yarnLog) (string, error) {
	server := strings.TrimSpace(y.property("yarn.log.server.web-service.url"))
	if server == "" {
		return "", nil
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	return y.askForLog(ctx, *u.JoinPath("containers", log.container, "logs", log.file))
}

// awaitLogs waits until YARN has collected the logs of an application that has ended.
func (y yarn) awaitLogs(ctx context.Context, id string) error {
	for {
		a, err := y.application(ctx, id)
		if err != nil {
			return err
		}
		switch ended := a.ended(); {
		case !ended:
			return fmt.Errorf("%s runs: YARN collects its logs at its end", id)
		case a.Logs == "DISABLED", a.Logs == "":
			return errors.New("yarn.log-aggregation-enable is not true")
		case a.Logs != "NOT_START" && a.Logs != "RUNNING":
			return nil // SUCCEEDED, RUNNING_WITH_FAILURE, FAILED, TIME_OUT: something may be there
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("YARN has not collected the logs of %s yet: %w", id, context.Cause(ctx))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// logInFiles finds the file of the container's host, in which NodeManagers collect logs
// (LogAggregationTFileController; "bucket" is since Hadoop 3.3).
func (y yarn) logInFiles(ctx context.Context, log yarnLog, id string, number int) (string, error) {
	root := strings.TrimSpace(y.property("yarn.nodemanager.remote-app-log-dir"))
	if root == "" {
		root = "/tmp/logs"
	}
	if !strings.Contains(root, "://") {
		root = strings.TrimSuffix(strings.TrimSpace(y.property("fs.defaultFS")), "/") + root
	}
	files, err := store.For(root)
	if err != nil {
		return "", err
	}
	host, found := log.node.Hostname(), []store.Info(nil)
	for _, folder := range []string{fmt.Sprintf("bucket-*/%04d", number%10000), "logs*"} {
		these, merr := files.Match(ctx, fmt.Sprintf("%s/%s/%s/%s/%s_*", root, log.user, folder, id, host))
		found, err = append(found, these...), errors.Join(err, merr)
	}
	for _, info := range found {
		text, terr := tailOfFile(ctx, files, info.Path, log)
		if terr == nil {
			return text, nil
		}
		err = errors.Join(err, fmt.Errorf("%s: %w", info.Path, terr))
	}
	if err == nil {
		err = fmt.Errorf("no file of %s below %s/%s", host, root, log.user)
	}
	return "", err
}

func tailOfFile(ctx context.Context, files store.Store, at string, log yarnLog) (string, error) {
	file, err := files.OpenAt(ctx, at)
	if err != nil {
		return "", err
	}
	defer file.Close()
	read := readerAt(func(p []byte, offset int64) (int, error) { return file.ReadAt(ctx, p, offset) })
	tail, err := tailInTFile(read, file.Size(), log.container, log.file, tailBytes)
	if err == io.EOF {
		err = fmt.Errorf("%s of %s is not there", log.file, log.container)
	}
	return string(tail), err
}

// readerAt is an io.ReaderAt.
type readerAt func(p []byte, offset int64) (int, error)

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) { return r(p, offset) }

// filled returns the lines of a text that are not empty.
func filled(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
