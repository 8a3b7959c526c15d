package cluster

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// logPages begins the path of a NodeManager's page of a log:
// /node/containerlogs/CONTAINER/USER/FILE.
const logPages = "/node/containerlogs/"

// tailBytes is how much of a log is read.
const tailBytes = 16 << 10

// Lines returns the last lines of a log that a NodeManager shows at page. It has them until a
// few seconds after the application's end. Then they are where YARN aggregates logs.
func (y yarn) Lines(ctx context.Context, page string) ([]string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, logPages), "/")
	if !strings.HasPrefix(u.Path, logPages) || len(parts) != 3 {
		return nil, fmt.Errorf("cluster: %s is no page of a container's log", page)
	}
	if strings.TrimSpace(y.property("yarn.http.policy")) == "HTTPS_ONLY" {
		u.Scheme = "https"
	}
	u.Path = path.Join("/ws/v1/node/containerlogs", parts[0], parts[2])
	u.RawQuery = url.Values{"size": {fmt.Sprint(-tailBytes)}, "user.name": {y.rm.user}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	text, err := y.rm.send(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("cluster: read the log %s: %w", page, err)
	}
	_, log, found := strings.Cut(string(text), "\nLogContents:\n")
	if !found {
		return nil, fmt.Errorf("cluster: read the log %s: the answer has no log", page)
	}
	if end := strings.LastIndex(log, "End of LogType:"); end >= 0 {
		log = log[:end]
	}
	return LastLines(filled(log)), nil
}

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
