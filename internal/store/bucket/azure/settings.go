package azure

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"tfos/internal/store/bucket"
)

// settings are the properties fs.azure.* of one account. A property of the account,
// KEY.HOST, comes before KEY.
type settings struct {
	host    string // ACCOUNT.dfs.core.windows.net
	account string
	all     map[string]string
}

func (s settings) get(key string) string {
	for _, name := range []string{key + "." + s.host, key + "." + strings.Replace(s.host, ".dfs.", ".blob.", 1), key} {
		if value := strings.TrimSpace(s.all[name]); value != "" {
			return value
		}
	}
	return ""
}

// New returns a container of an account, by the host of a URL: ACCOUNT.dfs.core.windows.net.
// It opens no connection. all are Hadoop's properties; what they do not say comes from
// the environment.
func New(host, name string, all map[string]string) (*Bucket, error) {
	account, rest, _ := strings.Cut(host, ".")
	if kind, _, _ := strings.Cut(rest, "."); kind != "dfs" && kind != "blob" {
		return nil, fmt.Errorf("%s: must be ACCOUNT.dfs.core.windows.net", host)
	}
	s := settings{host: host, account: account, all: all}
	connection, err := connectionOf(account)
	if err != nil {
		return nil, err
	}
	address := "https://" + strings.Replace(host, ".dfs.", ".blob.", 1)
	if connection["BlobEndpoint"] != "" {
		address = strings.TrimSuffix(connection["BlobEndpoint"], "/")
	}
	address += "/" + url.PathEscape(name)
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: bucket.Transport()},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}}
	client, err := s.client(address, connection, options)
	if err != nil {
		return nil, err
	}
	return &Bucket{client}, nil
}

// connectionOf returns the parts of AZURE_STORAGE_CONNECTION_STRING, if it is of this
// account.
func connectionOf(account string) (map[string]string, error) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), ";") {
		if name, value, found := strings.Cut(part, "="); found {
			parts[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if at, err := url.Parse(parts["BlobEndpoint"]); err != nil || at.User != nil {
		return nil, errors.New("AZURE_STORAGE_CONNECTION_STRING: BlobEndpoint: must be http(s)://host, without a user")
	}
	if parts["AccountName"] != account {
		return nil, nil
	}
	return parts, nil
}

// client makes the client with the credentials that the settings name, or else those of
// the environment.
func (s settings) client(address string, connection map[string]string, options *container.ClientOptions) (*container.Client, error) {
	if custom := s.get("fs.azure.account.keyprovider"); custom != "" && !strings.HasSuffix(custom, ".SimpleKeyProvider") {
		return nil, s.unknown("fs.azure.account.keyprovider", custom)
	}
	for _, name := range []string{"fs.azure.encryption.encoded.client-provided-key", "fs.azure.client-provided-encryption-key", "fs.azure.encryption.context.provider.type"} {
		if s.get(name) != "" {
			return nil, fmt.Errorf("%s: tfos does not encrypt with keys of its users. Give the account or an encryption scope a key, or let Spark read and write (read_by: spark)", name)
		}
	}
	key, sas := s.get("fs.azure.account.key"), s.get("fs.azure.sas.fixed.token")
	switch kind := s.get("fs.azure.account.auth.type"); strings.ToLower(kind) {
	case "oauth":
		credential, err := s.oauth(options.ClientOptions)
		if err != nil {
			return nil, err
		}
		return container.NewClient(address, named{credential}, options)
	case "sas":
		if sas == "" {
			return nil, missing("fs.azure.sas.fixed.token: is not set, and tfos has no other way to get a SAS token")
		}
		key = ""
	case "sharedkey":
		if key == "" {
			return nil, missing("fs.azure.account.key." + s.host + ": is not set")
		}
	case "":
	default:
		return nil, s.unknown("fs.azure.account.auth.type", kind)
	}
	mine := os.Getenv("AZURE_STORAGE_ACCOUNT") == "" || os.Getenv("AZURE_STORAGE_ACCOUNT") == s.account
	if key == "" && sas == "" {
		key, sas = connection["AccountKey"], connection["SharedAccessSignature"]
	}
	if key == "" && sas == "" && mine {
		key, sas = os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN")
	}
	switch {
	case key != "":
		shared, err := container.NewSharedKeyCredential(s.account, key)
		if err != nil { // its text may have the key
			return nil, errors.New("the account key is not base64")
		}
		return container.NewClientWithSharedKeyCredential(address, shared, options)
	case sas != "":
		return container.NewClientWithNoCredential(address+"?"+strings.TrimPrefix(sas, "?"), options)
	}
	credential, err := ofEnvironment(options.ClientOptions)
	if err != nil {
		return nil, err
	}
	return container.NewClient(address, named{credential}, options)
}

// missing is the error of a secret that is not there.
func missing(message string) error {
	return &bucket.Error{Kind: bucket.ErrCredentials, Message: message}
}

// unknown is the error of a class or kind that tfos does not have.
func (s settings) unknown(key, value string) error {
	return fmt.Errorf("%s: %s: tfos does not have it. Use SharedKey, OAuth or SAS, or let Spark read the input (read_by: spark)", key, value)
}
