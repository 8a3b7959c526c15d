package s3

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"tfos/internal/store/bucket"
)

// settings are the properties fs.s3a.* of one bucket. A property of the bucket,
// fs.s3a.bucket.NAME.KEY, comes before fs.s3a.KEY.
type settings struct {
	bucket string
	all    map[string]string
}

func (s settings) get(key string) string {
	if value, found := s.all["fs.s3a.bucket."+s.bucket+"."+key]; found {
		return strings.TrimSpace(value)
	}
	return strings.TrimSpace(s.all["fs.s3a."+key])
}

// flag returns a property that is true or false.
func (s settings) flag(key string, otherwise bool) (bool, error) {
	text := s.get(key)
	if text == "" {
		return otherwise, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("fs.s3a.%s: %q: must be true or false", key, text)
	}
	return value, nil
}

// defaultRegion is the region of a store that has no regions.
const defaultRegion = "us-east-1"

// New returns a bucket. It opens no connection. all are Hadoop's properties; what they
// do not say comes from the environment, as the AWS SDK reads it.
func New(name string, all map[string]string) (*Bucket, error) {
	s := settings{name, all}
	pathStyle, err := s.flag("path.style.access", false)
	if err != nil {
		return nil, err
	}
	endpoint, err := s.endpoint()
	if err != nil {
		return nil, err
	}
	encrypted, err := s.encryption()
	if err != nil {
		return nil, err
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { bucket.Prepare(t) })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client), config.WithLogger(logging.Nop{}), config.WithClientLogMode(0),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if region := s.region(endpoint); region != "" {
		options = append(options, config.WithRegion(region))
	}
	loaded, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = defaultRegion
	}
	if loaded.Credentials, err = s.credentials(loaded.Credentials); err != nil {
		return nil, err
	}
	return &Bucket{name: name, encrypted: encrypted, client: sdk.NewFromConfig(loaded, func(o *sdk.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		o.UsePathStyle = pathStyle
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})}, nil
}

// endpoint returns the address of fs.s3a.endpoint, or "" without one.
func (s settings) endpoint() (string, error) {
	text := s.get("endpoint")
	if text == "" {
		return "", nil
	}
	tls, err := s.flag("connection.ssl.enabled", true)
	if err != nil {
		return "", err
	}
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if !tls {
			scheme = "http://"
		}
		text = scheme + text
	}
	at, err := url.Parse(text)
	if err != nil || at.Host == "" || at.User != nil {
		return "", fmt.Errorf("fs.s3a.endpoint: must be host, host:port or http(s)://host:port, without a user")
	}
	if isAmazon(at.Hostname()) { // the SDK makes the address from the region
		return "", nil
	}
	return text, nil
}

// isAmazon reports whether a host is one of S3's own public addresses: s3.amazonaws.com,
// s3.eu-central-1.amazonaws.com.
func isAmazon(host string) bool {
	labels := strings.Split(host, ".")
	return labels[0] == "s3" && net.ParseIP(host) == nil &&
		(strings.HasSuffix(host, ".amazonaws.com") && len(labels) <= 4 || strings.HasSuffix(host, ".amazonaws.com.cn") && len(labels) <= 5)
}

// region returns the region of the settings: named, or in Amazon's address. "" is the
// environment's.
func (s settings) region(endpoint string) string {
	if region := s.get("endpoint.region"); region != "" {
		return region
	}
	if endpoint != "" {
		return ""
	}
	host := s.get("endpoint")
	if _, rest, found := strings.Cut(host, "://"); found {
		host = rest
	}
	labels := strings.Split(strings.TrimSuffix(host, "/"), ".")
	if len(labels) >= 4 && isAmazon(strings.TrimSuffix(host, "/")) {
		return labels[1]
	}
	return ""
}
