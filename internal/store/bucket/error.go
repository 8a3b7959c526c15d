package bucket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kinds of errors. The others are fs.ErrNotExist, for an object that does not exist, and
// fs.ErrExist, for Condition.Absent.
var (
	ErrChanged     = errors.New("the object has changed")
	ErrRange       = errors.New("the range is beyond the object's end")
	ErrDenied      = errors.New("no permission")
	ErrCredentials = errors.New("the credentials are missing, wrong or expired")
	ErrNoBucket    = errors.New("the bucket does not exist")
	ErrUnknownCA   = errors.New("this machine does not know the CA of the store's certificate: SSL_CERT_FILE names the file of a CA")
	ErrPlainHTTP   = errors.New("the store speaks HTTP, and tfos was told to use HTTPS: write http:// in the store's address")
)

// Error is the error of one call. It has no URL, because an URL may have a signature.
type Error struct {
	Kind    error         // one of the kinds, or nil
	Code    string        // the store's word, such as SlowDown
	Message string        // the store's sentence
	Status  int           // of HTTP; 0: there was no answer
	Again   bool          // the same call may succeed later
	After   time.Duration // not earlier than this; 0: the store did not say
	Cause   error         // of the network or the client; nil if the store answered
}

func (e *Error) Error() string {
	var parts []string
	if e.Kind != nil {
		parts = append(parts, e.Kind.Error())
	}
	for _, text := range []string{e.Code, e.Message} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	if e.Cause != nil {
		parts = append(parts, e.Cause.Error())
	}
	if e.Status >= 300 {
		parts = append(parts, "HTTP status "+strconv.Itoa(e.Status))
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// Retry reports whether the same call may succeed later, and how long to wait.
func (e *Error) Retry() (again bool, after time.Duration) { return e.Again, e.After }

// FromNetwork returns the error of a call without an answer. It drops the URL.
func FromNetwork(err error) *Error {
	for {
		var with *url.Error
		if !errors.As(err, &with) {
			break
		}
		err = with.Err
	}
	e := &Error{Cause: err, Again: true}
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name *net.DNSError
	switch {
	case errors.As(err, &authority):
		e.Kind, e.Again = ErrUnknownCA, false
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Kind, e.Again = ErrPlainHTTP, false
	case errors.Is(err, context.Canceled), errors.As(err, &certificate):
		e.Again = false
	case errors.As(err, &name) && name.IsNotFound:
		e.Again = false
	}
	return e
}

// FromStatus returns the error of an answer. kind is nil if only the status tells it.
func FromStatus(status int, header http.Header, code, message string) *Error {
	e := &Error{Status: status, Code: code, Message: message}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500 && status != http.StatusNotImplemented:
		e.Again = true
		e.After = retryAfter(header)
	case status == http.StatusUnauthorized:
		e.Kind = ErrCredentials
	case status == http.StatusForbidden:
		e.Kind = ErrDenied
	case status == http.StatusRequestedRangeNotSatisfiable:
		e.Kind = ErrRange
	case status == http.StatusPreconditionFailed:
		e.Kind = ErrChanged
	}
	return e
}

// retryAfter reads Retry-After: seconds or a date.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
