package kerberos

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/spnego"
)

// Error is an error of Kerberos. It says what to do.
type Error struct{ Err error }

func (e Error) Error() string {
	return "kerberos: " + e.Err.Error() + ": run kinit, or set spark.kerberos.keytab and spark.kerberos.principal"
}
func (e Error) Unwrap() error { return e.Err }

// Open returns a client with credentials: those of the keytab that spark.kerberos.keytab in
// settings or KRB5_CLIENT_KTNAME in env names, else those of the ticket cache. A keytab without
// spark.kerberos.principal stands for its first principal.
func Open(settings, env func(string) string) (*krb.Client, error) {
	conf, err := config.Load(orDefault(env("KRB5_CONFIG"), "/etc/krb5.conf"))
	if err != nil {
		return nil, Error{fmt.Errorf("read krb5.conf (KRB5_CONFIG): %w", err)}
	}
	if path := orDefault(settings("spark.kerberos.keytab"), strings.TrimPrefix(env("KRB5_CLIENT_KTNAME"), "FILE:")); path != "" {
		return keytabClient(path, settings("spark.kerberos.principal"), conf)
	}
	kind, path, found := strings.Cut(env("KRB5CCNAME"), ":")
	switch {
	case env("KRB5CCNAME") == "":
		path = fmt.Sprintf("/tmp/krb5cc_%d", os.Getuid())
	case !found:
		path = kind
	case kind != "FILE":
		return nil, Error{fmt.Errorf("the ticket cache KRB5CCNAME is of the kind %s: only files are read (FILE:)", kind)}
	}
	cache, err := credentials.LoadCCache(path)
	if err != nil {
		return nil, Error{fmt.Errorf("read the ticket cache: %w", err)}
	}
	client, err := krb.NewFromCCache(cache, conf, krb.DisablePAFXFAST(true))
	if err != nil {
		return nil, Error{fmt.Errorf("read the ticket cache %s: %w", path, err)}
	}
	return client, nil
}

// keytabClient returns a client that logs in with a keytab.
func keytabClient(path, principal string, conf *config.Config) (*krb.Client, error) {
	keys, err := keytab.Load(path)
	if err != nil {
		return nil, Error{fmt.Errorf("read the keytab: %w", err)}
	}
	if principal == "" {
		if len(keys.Entries) == 0 {
			return nil, Error{fmt.Errorf("the keytab %s is empty", path)}
		}
		first := keys.Entries[0].Principal
		principal = strings.Join(first.Components, "/") + "@" + first.Realm
	}
	name, realm, _ := strings.Cut(principal, "@")
	client := krb.NewWithKeytab(name, orDefault(realm, conf.LibDefaults.DefaultRealm), keys, conf, krb.DisablePAFXFAST(true))
	if err := client.Login(); err != nil {
		return nil, Error{fmt.Errorf("log in as %s with the keytab %s: %w", principal, path, err)}
	}
	return client, nil
}

// CheckTicket asks for a ticket of a service on one of hosts. _HOST in service is the host.
// Without it, a client with an expired ticket would look like a server that does not answer.
func CheckTicket(client *krb.Client, service string, hosts []string) error {
	service, _, _ = strings.Cut(service, "@") // the realm is that of the host
	var errs error
	for _, host := range hosts {
		_, _, err := client.GetServiceTicket(strings.Replace(service, "_HOST", host, 1))
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return Error{fmt.Errorf("get a ticket for %s: %w", service, errs)}
}

// Negotiate adds the ticket of a web service (SPNEGO, RFC 4559) to a request.
func Negotiate(client *krb.Client, request *http.Request) error {
	service := "HTTP/" + request.URL.Hostname()
	if err := spnego.SetSPNEGOHeader(client, request, service); err != nil {
		return Error{fmt.Errorf("get a ticket for %s: %w", service, err)}
	}
	return nil
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
