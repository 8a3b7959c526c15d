package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/user"
	"strings"
	"sync"

	krb "github.com/jcmturner/gokrb5/v8/client"

	"tfos/internal/kerberos"
)

// resourceManager sends requests to the active one of a cluster's ResourceManagers. It may be
// used by several goroutines.
type resourceManager struct {
	sites       []string // http://HOST:PORT of each
	user        string   // of a cluster without Kerberos
	http        *http.Client
	credentials func() (*krb.Client, error) // for a server that asks for them

	mu     sync.Mutex
	active int // index of the one that answered last
}

func newResourceManager(managers []managerSite, property, env func(string) string) (*resourceManager, error) {
	rm := &resourceManager{http: direct(), user: env("HADOOP_USER_NAME")}
	for _, m := range managers {
		rm.sites = append(rm.sites, m.web)
	}
	if rm.user == "" {
		u, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("cluster: find the user's name: %w: set HADOOP_USER_NAME", err)
		}
		rm.user = u.Username
	}
	var err error
	if rm.http.Jar, err = cookiejar.New(nil); err != nil { // a ticket is shown once
		return nil, fmt.Errorf("cluster: %w", err)
	}
	rm.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	rm.credentials = sync.OnceValues(func() (*krb.Client, error) { return kerberos.Open(property, env) })
	return rm, nil
}

// get reads the answer to a GET into v.
func (rm *resourceManager) get(ctx context.Context, path string, query url.Values, v any) error {
	return rm.call(ctx, http.MethodGet, path, query, nil, v)
}

// put sends a value.
func (rm *resourceManager) put(ctx context.Context, path string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return rm.call(ctx, http.MethodPut, path, nil, body, nil)
}

// call asks each ResourceManager, the one that answered last first, and again while none
// answers.
func (rm *resourceManager) call(ctx context.Context, method, path string, query url.Values, body []byte, v any) error {
	return repeat(ctx, yarnTransient, func(ctx context.Context) error {
		rm.mu.Lock()
		first := rm.active
		rm.mu.Unlock()
		var errs error
		for i := range rm.sites {
			at := (first + i) % len(rm.sites)
			err := rm.ask(ctx, method, rm.sites[at]+path, query, body, v)
			if err == nil || !yarnTransient(err) {
				rm.mu.Lock()
				rm.active = at
				rm.mu.Unlock()
				return err
			}
			errs = errors.Join(errs, err)
		}
		return errs
	})
}

// errStandby says that a ResourceManager is not the active one.
var errStandby = errors.New("this ResourceManager is not the active one")

// distrusts says that a server's certificate is not trusted, and stays so.
func distrusts(err error) bool {
	var distrusted *tls.CertificateVerificationError
	return errors.As(err, &distrusted)
}

// yarnTransient is transient, and what a person must change does not pass.
func yarnTransient(err error) bool {
	var denied kerberos.Error
	var answered *statusError
	switch {
	case errors.As(err, &denied), distrusts(err):
		return false
	case errors.As(err, &answered):
		return transient(answered)
	}
	return true
}

// ask sends one request. A standby sends its clients to the active ResourceManager: it is
// followed once, because a site may name only one of them.
func (rm *resourceManager) ask(ctx context.Context, method, to string, query url.Values, body []byte, v any) error {
	values := url.Values{"user.name": {rm.user}} // a cluster with Kerberos does not read it
	for name, value := range query {
		values[name] = value
	}
	for range 2 {
		answer, err := rm.send(ctx, method, to+"?"+values.Encode(), body)
		var moved *redirectError
		switch {
		case errors.As(err, &moved):
			next, err := url.Parse(moved.to)
			if err != nil || next.Host == "" || next.String() == to {
				return errStandby
			}
			next.RawQuery = ""
			to = next.String()
			continue
		case err != nil:
			return err
		case bytes.HasPrefix(answer, []byte("This is standby RM")):
			return errStandby
		case v == nil:
			return nil
		}
		if err := json.Unmarshal(answer, v); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
		return nil
	}
	return errStandby
}

// redirectError is an answer that names another address.
type redirectError struct{ to string }

func (e *redirectError) Error() string { return "redirected to " + e.to }

// send sends one request, with a ticket if the server asks for one.
func (rm *resourceManager) send(ctx context.Context, method, to string, body []byte) ([]byte, error) {
	request, err := newYARNRequest(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	answer, err := roundTrip(rm.http, request)
	var status *statusError
	switch {
	case distrusts(err):
		return nil, fmt.Errorf("%w: set SSL_CERT_FILE to the certificate of the cluster's authority", err)
	case !errors.As(err, &status):
		return answer, err
	case status.status == http.StatusTemporaryRedirect, status.status == http.StatusFound:
		return nil, &redirectError{status.header.Get("Location")}
	case status.status != http.StatusUnauthorized, !strings.HasPrefix(status.header.Get("WWW-Authenticate"), "Negotiate"):
		return nil, status.remote()
	}
	client, err := rm.credentials()
	if err != nil {
		return nil, err
	}
	if request, err = newYARNRequest(ctx, method, to, body); err == nil {
		err = kerberos.Negotiate(client, request)
	}
	if err != nil {
		return nil, err
	}
	return roundTrip(rm.http, request)
}

func newYARNRequest(ctx context.Context, method, to string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, text/plain;q=0.5") // logs are text only
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// remote replaces the body by the message of Hadoop's RemoteException in it.
func (e *statusError) remote() *statusError {
	var said struct {
		Exception struct {
			Message string `json:"message"`
		} `json:"RemoteException"`
	}
	if json.Unmarshal([]byte(e.body), &said) == nil && said.Exception.Message != "" {
		e.body = said.Exception.Message
	}
	return e
}
