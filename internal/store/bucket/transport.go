package bucket

import (
	"net"
	"net/http"
	"time"
)

// Time limits of one call, apart from the transfer of the bytes.
const (
	dialTime   = 10 * time.Second
	answerTime = 30 * time.Second // from the end of the request to the answer's header
)

// connections are kept open for the next call. Publishing copies this many objects at
// the same time.
const connections = 64

// Prepare sets the limits of a driver's HTTP transport. Proxies and certificates are
// those of the environment (HTTPS_PROXY, SSL_CERT_FILE).
func Prepare(t *http.Transport) {
	t.DialContext = (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = dialTime
	t.ResponseHeaderTimeout = answerTime
	t.MaxIdleConns = 2 * connections
	t.MaxIdleConnsPerHost = connections
	t.DisableCompression = true // bytes as they are stored
}

// Transport returns a new prepared transport.
func Transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	Prepare(t)
	return t
}
