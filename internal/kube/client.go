package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	dialTimeout = 10 * time.Second // until the API server answers the handshake
	callTimeout = 30 * time.Second // for one request that is not a stream
	answerLimit = 64 << 20         // bytes of one answer
)

// Client asks one API server about one namespace. Its methods may be called at once.
type Client struct {
	server    *url.URL
	namespace string
	who       identity
	http      *http.Client
}

// Namespace is the one that the client asks about.
func (c *Client) Namespace() string { return c.namespace }

// Host is the API server's host and port.
func (c *Client) Host() string { return hostPort(c.server) }

// Who says whose credentials the client has.
func (c *Client) Who() string { return c.who.name }

// Login has the credentials ready: a plugin runs, which may take a while. Requests renew what
// has ended. An error is about the credentials, and not about the API server.
func (c *Client) Login(ctx context.Context) error {
	if c.who.token == nil {
		return nil
	}
	_, err := c.who.token(ctx)
	return err
}

// StatusError is the API server's refusal of a request.
type StatusError struct {
	Code    int    // of HTTP
	Reason  string // such as Forbidden, NotFound
	Message string // the server's
	Who     string // whose credentials they were
	Hint    string // what the credentials lack; "": nothing that is known
}

func (e *StatusError) Error() string {
	switch {
	case e.Code == http.StatusUnauthorized:
		return fmt.Sprintf("kube: the API server does not accept the credentials of %s (401 Unauthorized): sign in again, or correct the kubeconfig%s", e.Who, hinted(e.Hint))
	case e.Message != "":
		return "kube: " + e.Message + hinted(e.Hint)
	}
	return fmt.Sprintf("kube: the API server answers %d %s%s", e.Code, e.Reason, hinted(e.Hint))
}

func hinted(hint string) string {
	if hint == "" {
		return ""
	}
	return " (" + hint + ")"
}

// IsNotFound tells whether err says that an object is not there.
func IsNotFound(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotFound
}

// do sends a request and returns the answer's body. An answer that is not 2xx is a *StatusError.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	target := c.server.JoinPath(path)
	target.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, */*")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "tfos")
	if c.who.token != nil {
		token, err := c.who.token(ctx)
		if err != nil {
			return nil, err
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
	} else if c.who.user != "" {
		request.SetBasicAuth(c.who.user, c.who.word)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("kube: %w%s", err, hinted(c.who.hint))
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	refusal := &StatusError{Code: answer.StatusCode, Reason: http.StatusText(answer.StatusCode), Who: c.who.name, Hint: c.who.hint}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	var status struct{ Reason, Message string }
	if json.Unmarshal(text, &status) == nil && status.Message != "" {
		refusal.Reason, refusal.Message = status.Reason, status.Message
	}
	return nil, refusal
}

// call does one request and decodes its answer; into nil: ignores it.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer, answerLimit)).Decode(into); err != nil {
		return fmt.Errorf("kube: %s %s: %w", method, path, err)
	}
	return nil
}

// path is that of a kind of objects of the namespace, such as pods.
func (c *Client) path(kind string) string { return "/api/v1/namespaces/" + c.namespace + "/" + kind }

func (c *Client) pods() string { return c.path("pods") }

// List returns the pods that have the label.
func (c *Client) List(ctx context.Context, label string) ([]Pod, error) {
	list, err := c.list(ctx, label)
	return list.Items, err
}

type podList struct {
	Metadata struct{ ResourceVersion string }
	Items    []Pod
}

func (c *Client) list(ctx context.Context, label string) (podList, error) {
	var list podList
	err := c.call(ctx, http.MethodGet, c.pods(), url.Values{"labelSelector": {label}}, nil, &list)
	return list, err
}

// Get returns one pod.
func (c *Client) Get(ctx context.Context, name string) (Pod, error) {
	var pod Pod
	err := c.call(ctx, http.MethodGet, c.pods()+"/"+name, nil, nil, &pod)
	return pod, err
}

// Delete asks for the end of all objects of a kind, such as pods, that have the label. One
// that is gone is no error. grace is what processes of pods have for an orderly end.
func (c *Client) Delete(ctx context.Context, kind, label string, grace time.Duration) error {
	query := url.Values{"labelSelector": {label}, "gracePeriodSeconds": {fmt.Sprint(int(grace.Seconds()))}}
	return c.call(ctx, http.MethodDelete, c.path(kind), query, nil, nil)
}

// TryCreate asks whether a pod would be accepted, and creates none: credentials, namespace,
// service account, quotas and policies are checked. The refusal is the server's.
func (c *Client) TryCreate(ctx context.Context, pod any) error {
	return c.call(ctx, http.MethodPost, c.pods(), url.Values{"dryRun": {"All"}}, pod, nil)
}

// Log returns the last lines of the output of a pod's container, standard error included.
// container may be "" if the pod has one only.
func (c *Client) Log(ctx context.Context, name, container string, lines int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	query := url.Values{"tailLines": {fmt.Sprint(lines)}, "limitBytes": {"1048576"}}
	if container != "" {
		query.Set("container", container)
	}
	answer, err := c.do(ctx, http.MethodGet, c.pods()+"/"+name+"/log", query, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	text, err := io.ReadAll(io.LimitReader(answer, answerLimit))
	if len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), err
}

// Allowed asks whether the credentials may do verb with a resource of the namespace.
func (c *Client) Allowed(ctx context.Context, verb, resource string) (bool, error) {
	type attributes struct {
		Namespace string `json:"namespace"`
		Verb      string `json:"verb"`
		Resource  string `json:"resource"`
	}
	type spec struct {
		Attributes attributes `json:"resourceAttributes"`
	}
	review := struct {
		Version string `json:"apiVersion"`
		Kind    string `json:"kind"`
		Spec    spec   `json:"spec"`
		Status  struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}{Version: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview", Spec: spec{attributes{c.namespace, verb, resource}}}
	answer := review
	err := c.call(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", nil, review, &answer)
	return answer.Status.Allowed, err
}
