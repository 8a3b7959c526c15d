package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// identity is who asks, and how the API server proves itself.
type identity struct {
	name        string // for messages: the kubeconfig's context
	hint        string // what of the kubeconfig Spark, and therefore tfos, does not read
	roots       *x509.CertPool
	insecure    bool
	token       tokenSource // nil: none
	user, word  string      // basic authentication, where token is nil
	certificate certificateSource
}

// unread notes a key that Spark does not read, and what does the same for it.
func (who *identity) unread(key, instead string) {
	if who.hint != "" {
		who.hint += "; "
	}
	who.hint += "Spark does not read " + key + " of a kubeconfig: " + instead
}

// tokenSource returns a token that is valid now.
type tokenSource func(context.Context) (string, error)

// certificateSource returns the client's certificate, for tls.Config.
type certificateSource func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

func fixedToken(token string) tokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// tokenFile reads the file for each request: the kubelet renews it.
func tokenFile(path string) tokenSource {
	return func(context.Context) (string, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("kube: token: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
}

// certificateFiles reads the pair for each connection: it may be renewed.
func certificateFiles(certificate, key string) certificateSource {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("kube: client certificate: %w", err)
		}
		return &pair, nil
	}
}

func certificatePair(certificate, key []byte) (certificateSource, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("kube: client certificate: %w", err)
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }, nil
}
