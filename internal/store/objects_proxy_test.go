package store

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// faultyProxy stands between a store and a real server. fault is called for each request
// in turn. It answers the request itself and returns true, or the server does.
type faultyProxy struct {
	t               *testing.T
	server, address string

	mu       sync.Mutex
	fault    func(p *faultyProxy, w http.ResponseWriter, r *http.Request) bool
	requests []string // method and range of each
}

// newProxy starts a proxy of a server and returns its address.
func newProxy(t *testing.T, server string) (*faultyProxy, string) {
	p := &faultyProxy{t: t, server: server}
	listener := httptest.NewServer(p)
	p.address = listener.URL
	t.Cleanup(listener.Close)
	return p, listener.URL
}

// set sets the fault from now on, and forgets the requests so far.
func (p *faultyProxy) set(fault func(p *faultyProxy, w http.ResponseWriter, r *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.requests = fault, nil
}

// seen returns the requests since set.
func (p *faultyProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

func (p *faultyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+r.Header.Get("Range")+r.Header.Get("X-Ms-Range"))
	fault := p.fault
	p.mu.Unlock()
	if fault != nil && fault(p, w, r) {
		return
	}
	answer := p.forward(r)
	if answer == nil {
		return
	}
	defer answer.Body.Close()
	copyHeader(w, answer)
	_, _ = io.Copy(w, answer.Body) // the client may be gone
}

func copyHeader(w http.ResponseWriter, answer *http.Response) {
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	if answer.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	w.WriteHeader(answer.StatusCode)
}

// forward sends a request to the server. It returns nil if the client is gone.
func (p *faultyProxy) forward(r *http.Request) *http.Response {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, p.server+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return nil
	}
	request.Header = r.Header.Clone()
	request.Host = r.Host
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil && r.Context().Err() == nil {
		p.t.Error(err)
	}
	if err != nil {
		return nil
	}
	return answer
}

// reset ends the client's connection with a TCP reset.
func reset(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_ = connection.(*net.TCPConn).SetLinger(0)
	_ = connection.Close()
}

// times limits a fault to the first n requests that match.
func times(n int, matches func(r *http.Request) bool, do func(p *faultyProxy, w http.ResponseWriter, r *http.Request)) func(*faultyProxy, http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	return func(p *faultyProxy, w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		now := n > 0 && matches(r)
		if now {
			n--
		}
		mu.Unlock()
		if now {
			do(p, w, r)
		}
		return now
	}
}

// isGet matches reads of objects: of GCS by alt=media, of the others by their path.
func isGet(r *http.Request) bool {
	query := r.URL.Query()
	return r.Method == http.MethodGet && !query.Has("list-type") && !query.Has("comp") && !query.Has("prefix")
}

// isWrite matches calls that send bytes.
func isWrite(r *http.Request) bool { return r.Method == http.MethodPut && r.ContentLength > 1<<20 }

func always(*http.Request) bool { return true }

// cutRead sends the header and a part of the answer, and resets.
func cutRead(after int64) func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
	return func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
		answer := p.forward(r)
		defer answer.Body.Close()
		copyHeader(w, answer)
		_, _ = io.CopyN(w, answer.Body, after)
		_ = http.NewResponseController(w).Flush()
		reset(w)
	}
}

// cutWrite reads a part of the request, and resets.
func cutWrite(_ *faultyProxy, w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 100_000)
	reset(w)
}

// loseAnswer does what the client asks for, and resets before the answer.
func loseAnswer(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
	if answer := p.forward(r); answer != nil {
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
	reset(w)
}

// refuse answers with a status, a body and headers.
func refuse(status int, body string, header ...string) func(p *faultyProxy, w http.ResponseWriter, r *http.Request) {
	return func(_ *faultyProxy, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
