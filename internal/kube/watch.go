package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Change is what has become of a pod.
type Change struct {
	Pod     Pod
	Deleted bool // the pod is gone: Pod is its last state
}

// quiet bounds a stream without a change: a connection that died in silence is noticed.
const quiet = 5 * time.Minute

// Watch calls change for each pod that has the label, now and whenever it changes, until ctx
// ends. A connection that breaks is made again, after a second at least; broken is told why.
// It returns ctx's cause, or the refusal of a request that will not be granted later.
func (c *Client) Watch(ctx context.Context, label string, change func(Change), broken func(error)) error {
	known := map[string]Pod{}
	for {
		err := c.watchOnce(ctx, label, known, change)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var status *StatusError
		if errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
			return err
		}
		if err != nil {
			broken(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// watchOnce lists the pods, tells what has changed since known, and follows one stream.
func (c *Client) watchOnce(ctx context.Context, label string, known map[string]Pod, change func(Change)) error {
	list, err := c.list(ctx, label)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, pod := range list.Items {
		seen[pod.Metadata.UID] = true
		known[pod.Metadata.UID] = pod
		change(Change{Pod: pod})
	}
	for uid, pod := range known {
		if !seen[uid] {
			delete(known, uid)
			change(Change{Pod: pod, Deleted: true})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, quiet+callTimeout)
	defer cancel()
	query := url.Values{"labelSelector": {label}, "watch": {"1"}, "resourceVersion": {list.Metadata.ResourceVersion},
		"timeoutSeconds": {"300"}}
	stream, err := c.do(ctx, http.MethodGet, c.pods(), query, nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	for decoder := json.NewDecoder(stream); ; {
		var event struct {
			Type   string
			Object Pod
		}
		if err := decoder.Decode(&event); err != nil {
			return nil //nolint:nilerr // the stream ends after timeoutSeconds, or with its connection
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			known[event.Object.Metadata.UID] = event.Object
			change(Change{Pod: event.Object})
		case "DELETED":
			delete(known, event.Object.Metadata.UID)
			change(Change{Pod: event.Object, Deleted: true})
		case "ERROR": // such as 410 Gone: the list is asked for again
			return nil
		}
	}
}
