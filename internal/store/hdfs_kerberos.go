package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// kerberosError is an error of Kerberos. It does not pass.
type kerberosError struct{ err error }

func (e kerberosError) Error() string {
	return "kerberos: " + e.err.Error() + ": run kinit, or set spark.kerberos.keytab and spark.kerberos.principal"
}
func (e kerberosError) Unwrap() error { return e.err }

// Retry implements retryable.
func (kerberosError) Retry() (again bool, after time.Duration) { return false, 0 }

// kerberosClient returns a client with credentials: those of the keytab that
// spark.kerberos.keytab or KRB5_CLIENT_KTNAME names, else those of the ticket cache. A
// keytab without spark.kerberos.principal stands for its first principal.
func kerberosClient(s Settings, env func(string) string) (*krb.Client, error) {
	conf, err := config.Load(orDefault(env("KRB5_CONFIG"), "/etc/krb5.conf"))
	if err != nil {
		return nil, kerberosError{fmt.Errorf("read krb5.conf (KRB5_CONFIG): %w", err)}
	}
	if path := orDefault(s["spark.kerberos.keytab"], strings.TrimPrefix(env("KRB5_CLIENT_KTNAME"), "FILE:")); path != "" {
		return keytabClient(path, s["spark.kerberos.principal"], conf)
	}
	kind, path, found := strings.Cut(env("KRB5CCNAME"), ":")
	switch {
	case env("KRB5CCNAME") == "":
		path = fmt.Sprintf("/tmp/krb5cc_%d", os.Getuid())
	case !found:
		path = kind
	case kind != "FILE":
		return nil, kerberosError{fmt.Errorf("the ticket cache KRB5CCNAME is of the kind %s: only files are read (FILE:)", kind)}
	}
	cache, err := credentials.LoadCCache(path)
	if err != nil {
		return nil, kerberosError{fmt.Errorf("read the ticket cache: %w", err)}
	}
	client, err := krb.NewFromCCache(cache, conf, krb.DisablePAFXFAST(true))
	if err != nil {
		return nil, kerberosError{fmt.Errorf("read the ticket cache %s: %w", path, err)}
	}
	return client, nil
}

// keytabClient returns a client that logs in with a keytab.
func keytabClient(path, principal string, conf *config.Config) (*krb.Client, error) {
	keys, err := keytab.Load(path)
	if err != nil {
		return nil, kerberosError{fmt.Errorf("read the keytab: %w", err)}
	}
	if principal == "" {
		if len(keys.Entries) == 0 {
			return nil, kerberosError{fmt.Errorf("the keytab %s is empty", path)}
		}
		first := keys.Entries[0].Principal
		principal = strings.Join(first.Components, "/") + "@" + first.Realm
	}
	name, realm, _ := strings.Cut(principal, "@")
	client := krb.NewWithKeytab(name, orDefault(realm, conf.LibDefaults.DefaultRealm), keys, conf, krb.DisablePAFXFAST(true))
	if err := client.Login(); err != nil {
		return nil, kerberosError{fmt.Errorf("log in as %s with the keytab %s: %w", principal, path, err)}
	}
	return client, nil
}

// checkTicket asks for a ticket of one of the name nodes. Without it, a client with an
// expired ticket would look like a name node that does not answer.
func checkTicket(client *krb.Client, service string, nameNodes []string) error {
	var errs error
	for _, address := range nameNodes {
		host, _, _ := strings.Cut(address, ":")
		_, _, err := client.GetServiceTicket(strings.Replace(service, "_HOST", host, 1))
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err)
	}
	return kerberosError{fmt.Errorf("get a ticket for %s: %w", service, errs)}
}
