package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"tfos/internal/store/bucket"
)

const (
	publicBase = "https://storage.googleapis.com"
	scope      = "https://www.googleapis.com/auth/devstorage.read_write"
	remedy     = "set GOOGLE_APPLICATION_CREDENTIALS or spark.hadoop.fs.gs.auth.service.account.json.keyfile"
)

// settings are Hadoop's properties of the GCS connector.
type settings map[string]string

// get returns a property, which has two prefixes.
func (s settings) get(key string) string {
	if value := strings.TrimSpace(s["fs.gs.auth."+key]); value != "" {
		return value
	}
	return strings.TrimSpace(s["google.cloud.auth."+key])
}

// New returns a bucket. It opens no connection. all are Hadoop's properties; what they
// do not say comes from the environment.
func New(name string, all map[string]string) (*Bucket, error) {
	if all["fs.gs.encryption.algorithm"] != "" || all["fs.gs.encryption.key"] != "" {
		return nil, errors.New("fs.gs.encryption.key: tfos does not encrypt with keys of its users. Give the bucket a key of Cloud KMS, or let Spark read and write (read_by: spark)")
	}
	b := &Bucket{client: &http.Client{Transport: bucket.Transport()}, base: publicBase, name: name}
	emulator := os.Getenv("STORAGE_EMULATOR_HOST")
	for _, base := range []string{strings.TrimSpace(all["fs.gs.storage.root.url"]), emulator} {
		if base == "" {
			continue
		}
		if !strings.Contains(base, "://") {
			base = "http://" + base
		}
		at, err := url.Parse(base)
		if err != nil || at.Host == "" || at.User != nil {
			return nil, errors.New("fs.gs.storage.root.url or STORAGE_EMULATOR_HOST: must be host:port or http(s)://host:port, without a user")
		}
		b.base = at.Scheme + "://" + at.Host
		break
	}
	source, err := settings(all).tokens(b.client)
	if err != nil {
		return nil, err
	}
	if source != nil && (emulator == "" || b.base == publicBase || settings(all).named()) {
		b.tokens = &tokens{begin: source}
	}
	return b, nil
}

// tokenServer returns another address for tokens, or otherwise.
func (s settings) tokenServer(otherwise string) string {
	for _, name := range []string{"fs.gs.token.server.url", "google.cloud.token.server.url"} {
		if at := strings.TrimSpace(s[name]); at != "" {
			return at
		}
	}
	return otherwise
}

// named reports whether the settings say how to authenticate.
func (s settings) named() bool {
	return s.get("type") != "" || s.get("service.account.json.keyfile") != "" || s.get("service.account.private.key") != ""
}

// begin makes a source of tokens. It may read files and ask the metadata server.
type begin func(ctx context.Context) (oauth2.TokenSource, error)

// tokens returns how tokens are made. nil is anonymous access.
func (s settings) tokens(client *http.Client) (begin, error) {
	for _, key := range []string{"service.account.keyfile", "impersonation.service.account", "client.id", "access.token.provider.impl", "access.token.provider"} {
		if s.get(key) != "" {
			return nil, fmt.Errorf("fs.gs.auth.%s: tfos does not have this way to authenticate. Use fs.gs.auth.service.account.json.keyfile, or let Spark read the input (read_by: spark)", key)
		}
	}
	if strings.EqualFold(s.get("null.enable"), "true") {
		return nil, nil
	}
	var make begin
	switch kind := strings.ToUpper(s.get("type")); kind {
	case "UNAUTHENTICATED":
		return nil, nil
	case "COMPUTE_ENGINE":
		make = func(context.Context) (oauth2.TokenSource, error) { return google.ComputeTokenSource("", scope), nil }
	case "APPLICATION_DEFAULT":
		make = applicationDefault
	case "", "SERVICE_ACCOUNT_JSON_KEYFILE":
		switch file := s.get("service.account.json.keyfile"); {
		case file != "":
			make = s.keyFile(file)
		case s.get("service.account.private.key") != "":
			make = s.privateKey
		case kind != "":
			return nil, errors.New("fs.gs.auth.service.account.json.keyfile: is not set")
		default:
			make = applicationDefault
		}
	default:
		return nil, fmt.Errorf("fs.gs.auth.type: %s: tfos does not have it. Use SERVICE_ACCOUNT_JSON_KEYFILE, APPLICATION_DEFAULT, COMPUTE_ENGINE or UNAUTHENTICATED", kind)
	}
	return func(ctx context.Context) (oauth2.TokenSource, error) {
		return make(context.WithValue(ctx, oauth2.HTTPClient, client))
	}, nil
}

func applicationDefault(ctx context.Context) (oauth2.TokenSource, error) {
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil {
		return nil, err
	}
	return found.TokenSource, nil
}

func (s settings) keyFile(path string) begin {
	return func(ctx context.Context) (oauth2.TokenSource, error) {
		data, err := os.ReadFile(strings.TrimPrefix(path, "file://"))
		if err != nil {
			return nil, err
		}
		config, err := google.JWTConfigFromJSON(data, scope)
		if err != nil {
			return nil, fmt.Errorf("%s: is not the key of a service account", path)
		}
		config.TokenURL = s.tokenServer(config.TokenURL)
		return config.TokenSource(ctx), nil
	}
}

// privateKey makes tokens of a key that stands in the properties.
func (s settings) privateKey(ctx context.Context) (oauth2.TokenSource, error) {
	config := jwt.Config{
		Email: s.get("service.account.email"), PrivateKeyID: s.get("service.account.private.key.id"), Scopes: []string{scope},
		PrivateKey: []byte(strings.ReplaceAll(s.get("service.account.private.key"), `\n`, "\n")), TokenURL: s.tokenServer(google.JWTTokenURL),
	}
	return config.TokenSource(ctx), nil
}

// tokens are the access tokens of a bucket, made at the first call.
type tokens struct {
	begin begin

	mu     sync.Mutex
	source oauth2.TokenSource
}

// token returns a token that is valid now. Its errors have no bytes of an answer but its
// error code and description.
func (t *tokens) token(ctx context.Context) (*oauth2.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.source == nil {
		// The source lives longer than this call.
		source, err := t.begin(context.WithoutCancel(ctx))
		if err != nil {
			return nil, &bucket.Error{Kind: bucket.ErrCredentials, Message: err.Error() + "; " + remedy}
		}
		t.source = oauth2.ReuseTokenSource(nil, source)
	}
	token, err := t.source.Token()
	if err == nil {
		return token, nil
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		network := bucket.FromNetwork(err)
		return nil, &bucket.Error{Kind: bucket.ErrCredentials, Message: "no token", Cause: network.Cause, Again: network.Again}
	}
	said := struct {
		Code    string `json:"error"`
		Message string `json:"error_description"`
	}{refused.ErrorCode, refused.ErrorDescription}
	_ = json.Unmarshal(refused.Body, &said) // a service account's answer is not parsed yet
	e := &bucket.Error{Kind: bucket.ErrCredentials, Code: said.Code, Message: strings.TrimPrefix(said.Message+"; "+remedy, "; ")}
	if refused.Response != nil {
		from := bucket.FromStatus(refused.Response.StatusCode, refused.Response.Header, "", "")
		e.Status, e.Again, e.After = from.Status, from.Again, from.After
	}
	return nil, e
}
