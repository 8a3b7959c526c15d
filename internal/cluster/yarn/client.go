package yarn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/user"
	"strings"
	"sync"
	"time"

	krb "github.com/jcmturner/gokrb5/v8/client"

	"tfos/internal/kerberos"
)

const (
	requestTimeout = 10 * time.Second
	patience       = 30 * time.Second // with ResourceManagers that do not answer
	longestPause   = 2 * time.Second
	longestAnswer  = 8 << 20
)

// Client asks the ResourceManagers of one cluster. It may be used by several goroutines.
type Client struct {
	bases    []string // base URLs of the ResourceManagers
	patience time.Duration
	http     *http.Client
	user     string                      // of a cluster without Kerberos
	open     func() (*krb.Client, error) // credentials, for a server that asks for them

	mu     sync.Mutex
	active int // index of the ResourceManager that answered last
}

// New returns a client for the cluster that p describes. env returns a variable of the
// environment. Nothing is connected yet.
func New(p Properties, env func(string) string) (*Client, error) {
	bases, err := webAddresses(p)
	if err != nil {
		return nil, fmt.Errorf("yarn: %w", err)
	}
	name := env("HADOOP_USER_NAME")
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("yarn: find the user's name: %w: set HADOOP_USER_NAME", err)
		}
		name = u.Username
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("yarn: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // as Spark's own connections to the cluster
	return &Client{
		bases: bases, patience: patience, user: name,
		http: &http.Client{
			Transport: transport, Jar: jar, Timeout: requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		open: sync.OnceValues(func() (*krb.Client, error) { return kerberos.Open(p, env) }),
	}, nil
}

// UnreachableError says that no ResourceManager answered.
type UnreachableError struct {
	Addresses []string
	For       time.Duration // how long it was tried
	Err       error         // of the last tries
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("ResourceManager unreachable for %.0f s: %v: start it, or correct yarn.resourcemanager.* in yarn-site.xml", e.For.Seconds(), e.Err)
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// RefusedError is an answer of a server that does not do what it was asked.
type RefusedError struct {
	Status  int
	Message string // the server's own
}

func (e *RefusedError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("HTTP status %d", e.Status)
	}
	return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Message)
}

// errStandby says that a ResourceManager is not the active one.
var errStandby = errors.New("it is not the active ResourceManager")

// call sends a request to the active ResourceManager, and decodes the answer into answer. It
// tries again while none answers.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	begin, pause := time.Now(), 100*time.Millisecond
	for {
		err := c.callOnce(ctx, method, path, query, body, answer)
		var refused *RefusedError
		var denied kerberos.Error
		switch {
		case err == nil, ctx.Err() != nil, errors.As(err, &denied), errors.As(err, &refused) && refused.Status < 500:
			return err
		case time.Since(begin)+pause > c.patience:
			return &UnreachableError{Addresses: c.bases, For: time.Since(begin), Err: err}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// callOnce asks each ResourceManager once, the one that answered last first.
func (c *Client) callOnce(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	c.mu.Lock()
	first := c.active
	c.mu.Unlock()
	var errs []error
	for i := range c.bases {
		at := (first + i) % len(c.bases)
		data, err := c.send(ctx, method, c.bases[at]+path, query, body)
		if err == nil && answer != nil {
			if err = json.Unmarshal(data, answer); err != nil {
				err = fmt.Errorf("the answer is not of a ResourceManager: %w", err)
			}
		}
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) && refused.Status < 500 {
			c.mu.Lock()
			c.active = at
			c.mu.Unlock()
			if err != nil {
				err = fmt.Errorf("yarn: %s %s: %w", method, c.bases[at]+path, err)
			}
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %w", c.bases[at], withoutURL(err)))
	}
	return errors.Join(errs...)
}

// withoutURL takes the method and the URL out of an error: addresses are named already.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// send sends one request, and returns the answer. A redirect of a standby is followed once.
func (c *Client) send(ctx context.Context, method, to string, query url.Values, body any) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	query = withUser(query, c.user)
	for range 2 {
		data, header, err := c.exchange(ctx, method, to+"?"+query.Encode(), text)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusTemporaryRedirect && refused.Status != http.StatusFound {
			if err == nil && bytes.HasPrefix(data, []byte("This is standby RM")) {
				return nil, errStandby
			}
			return data, err
		}
		next, err := url.Parse(header.Get("Location"))
		if err != nil || next.Host == "" {
			return nil, errStandby
		}
		next.RawQuery = ""
		to = next.String()
	}
	return nil, errStandby
}

func withUser(query url.Values, name string) url.Values {
	all := url.Values{"user.name": {name}}
	for key, values := range query {
		all[key] = values
	}
	return all
}

// exchange sends one request, with a ticket if the server asks for one.
func (c *Client) exchange(ctx context.Context, method, to string, body []byte) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json, text/plain")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	data, answer, err := c.do(request)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Negotiate") {
		return data, headerOf(answer), errors.Join(err, refusal(answer, data))
	}
	credentials, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	request = request.Clone(ctx)
	request.Body = io.NopCloser(bytes.NewReader(body))
	if err := kerberos.Negotiate(credentials, request); err != nil {
		return nil, nil, err
	}
	data, answer, err = c.do(request)
	return data, headerOf(answer), errors.Join(err, refusal(answer, data))
}

func (c *Client) do(request *http.Request) ([]byte, *http.Response, error) {
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	return data, answer, errors.Join(err, answer.Body.Close())
}

func headerOf(answer *http.Response) http.Header {
	if answer == nil {
		return nil
	}
	return answer.Header
}

// refusal returns the error of an answer; nil: it is none.
func refusal(answer *http.Response, data []byte) error {
	if answer == nil || answer.StatusCode < 300 {
		return nil
	}
	var remote struct {
		Exception struct {
			Message string `json:"message"`
		} `json:"RemoteException"`
	}
	_ = json.Unmarshal(data, &remote) // else it is a page
	return &RefusedError{Status: answer.StatusCode, Message: firstLine(remote.Exception.Message)}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}
