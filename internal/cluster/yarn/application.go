package yarn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// State is YARN's state of an application.
type State string

// States of YARN. An application in one of the last three has ended.
const (
	New_      State = "NEW"
	Submitted State = "SUBMITTED"
	Accepted  State = "ACCEPTED" // waits for the container of its AM
	Running   State = "RUNNING"
	Finished  State = "FINISHED"
	Failed    State = "FAILED"
	Killed    State = "KILLED"
)

// Ended tells whether nothing of the application runs any more.
func (s State) Ended() bool { return s == Finished || s == Failed || s == Killed }

// Application is what YARN says of an application.
type Application struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	User            string `json:"user"`
	Queue           string `json:"queue"`
	State           State  `json:"state"`
	FinalStatus     string `json:"finalStatus"` // UNDEFINED, SUCCEEDED, FAILED, KILLED
	Diagnostics     string `json:"diagnostics"`
	TrackingURL     string `json:"trackingUrl"`
	AMContainerLogs string `json:"amContainerLogs"` // page of the NodeManager
	Tags            string `json:"applicationTags"`
	Started         int64  `json:"startedTime"` // ms since 1970
	Containers      int    `json:"runningContainers"`
	AllocatedMiB    int64  `json:"allocatedMB"`
	AllocatedCores  int64  `json:"allocatedVCores"`
}

// Succeeded tells whether the application says of itself that it succeeded.
func (a Application) Succeeded() bool { return a.State == Finished && a.FinalStatus == "SUCCEEDED" }

// ErrNoApplication says that YARN does not know an application, or no longer.
var ErrNoApplication = errors.New("YARN knows no such application")

// Application returns what YARN says of the application with this id.
func (c *Client) Application(ctx context.Context, id string) (Application, error) {
	var answer struct {
		App Application `json:"app"`
	}
	err := c.call(ctx, http.MethodGet, "/ws/v1/cluster/apps/"+url.PathEscape(id), nil, nil, &answer)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return Application{}, fmt.Errorf("yarn: %s: %w", id, ErrNoApplication)
	}
	return answer.App, err
}

// Tagged returns the applications that have a tag, the newest first.
func (c *Client) Tagged(ctx context.Context, tag string) ([]Application, error) {
	var answer struct {
		Apps struct {
			App []Application `json:"app"`
		} `json:"apps"`
	}
	query := url.Values{"applicationTags": {strings.ToLower(tag)}} // YARN's tags are in lower case
	if err := c.call(ctx, http.MethodGet, "/ws/v1/cluster/apps", query, nil, &answer); err != nil {
		return nil, err
	}
	apps := answer.Apps.App
	for i := 1; i < len(apps); i++ {
		for j := i; j > 0 && apps[j].Started > apps[j-1].Started; j-- {
			apps[j], apps[j-1] = apps[j-1], apps[j]
		}
	}
	return apps, nil
}

// Kill ends an application, and waits until YARN says so. One that has ended already stays as
// it is.
func (c *Client) Kill(ctx context.Context, id string) error {
	for {
		var answer struct {
			State State `json:"state"`
		}
		err := c.call(ctx, http.MethodPut, "/ws/v1/cluster/apps/"+url.PathEscape(id)+"/state", nil, map[string]State{"state": Killed}, &answer)
		if err != nil || answer.State.Ended() {
			return err
		}
		select { // a kill that is under way answers 202
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

var (
	inactive = regexp.MustCompile(`(?s)^\[[^\]]*\]\s*`) // the time before each message
	details  = regexp.MustCompile(`(?s)\s*Details\s*:.*`)
)

// Waiting says why an application has not started, in the scheduler's words; "": it has, or
// the scheduler says nothing.
func (a Application) Waiting() string {
	if a.State != Accepted && a.State != Submitted && a.State != New_ {
		return ""
	}
	said := details.ReplaceAllString(inactive.ReplaceAllString(strings.TrimSpace(a.Diagnostics), ""), "")
	return strings.TrimSpace(said)
}
