package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// callTimeout bounds a call with its repetitions.
	callTimeout = 20 * time.Second
	// answerTimeout bounds one request. Managers answer from memory.
	answerTimeout = 5 * time.Second
	// maxAnswer bounds an answer: a master that keeps 200 applications sends 100 KiB.
	maxAnswer = 16 << 20
)

// statusError is an answer that is not 2xx.
type statusError struct {
	status int
	url    string
	body   string // its beginning
	header http.Header
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: HTTP status %d: %s", e.url, e.status, OneLine(e.body))
}

// repeat calls f until it succeeds, ctx or callTimeout ends, or repeatable says that f will
// not succeed. It returns the last error.
func repeat(ctx context.Context, repeatable func(error) bool, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		once, end := context.WithTimeout(ctx, answerTimeout)
		err := f(once)
		end()
		if err == nil || !repeatable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// transient says that a request may succeed when it is repeated: no answer, or 5xx, 429.
func transient(err error) bool {
	s, answered := err.(*statusError)
	return !answered || s.status >= 500 || s.status == http.StatusTooManyRequests
}

// roundTrip sends one request and returns the body of a 2xx answer. Other answers are a
// *statusError.
func roundTrip(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &statusError{resp.StatusCode, req.URL.Redacted(), string(body), resp.Header}
	}
	return body, nil
}

// getJSON reads the answer to a GET into v, with repetitions.
func getJSON(ctx context.Context, client *http.Client, url string, v any) error {
	return repeat(ctx, transient, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Accept", "application/json")
		body, err := roundTrip(client, req)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, v); err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
		return nil
	})
}

// direct is a client that asks no proxy: addresses inside a cluster are not for one.
func direct() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return &http.Client{Transport: transport}
}
