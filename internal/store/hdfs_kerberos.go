package store

import (
	"errors"
	"strings"
	"time"

	krb "github.com/jcmturner/gokrb5/v8/client"

	"tfos/internal/kerberos"
)

// kerberosError is an error of Kerberos. It does not pass.
type kerberosError struct{ error }

func (e kerberosError) Unwrap() error { return e.error }

// Retry implements retryable.
func (kerberosError) Retry() (again bool, after time.Duration) { return false, 0 }

// kerberosClient returns a client that has a ticket of one of the name nodes.
func (h *hdfsCluster) kerberosClient(service string) (*krb.Client, error) {
	if service == "" {
		return nil, kerberosError{kerberos.Error{Err: errors.New("hadoop.security.authentication is kerberos, but dfs.namenode.kerberos.principal is not set")}}
	}
	client, err := kerberos.Open(func(name string) string { return h.settings[name] }, h.env)
	if err != nil {
		return nil, kerberosError{err}
	}
	var hosts []string
	for _, address := range h.nameNodes {
		host, _, _ := strings.Cut(address, ":")
		hosts = append(hosts, host)
	}
	if err := kerberos.CheckTicket(client, service, hosts); err != nil {
		return nil, kerberosError{err}
	}
	return client, nil
}
