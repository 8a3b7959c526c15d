package s3

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestSettings: addresses, regions and what is refused.
func TestSettings(t *testing.T) {
	for _, c := range []struct{ key, value, endpoint, region, wrong string }{
		{"endpoint", "s3.eu-central-1.amazonaws.com", "", "eu-central-1", ""},
		{"endpoint", "https://s3.amazonaws.com", "", "", ""},
		{"endpoint", "minio:9000", "https://minio:9000", "", ""},
		{"endpoint", "http://127.0.0.1:9000", "http://127.0.0.1:9000", "", ""},
		{"endpoint", "https://user:planted@minio", "", "", "without a user"},
		{"connection.ssl.enabled", "maybe", "", "", "must be true or false"},
	} {
		s := settings{"b", map[string]string{"fs.s3a.endpoint": "x", "fs.s3a." + c.key: c.value}}
		endpoint, err := s.endpoint()
		if endpoint != c.endpoint && c.wrong == "" || (err == nil) != (c.wrong == "") {
			t.Errorf("%s: %q, %v", c.value, endpoint, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "planted")) {
			t.Errorf("%s: %v", c.value, err)
		}
		if got := s.region(endpoint); c.wrong == "" && got != c.region {
			t.Errorf("%s: region %q", c.value, got)
		}
	}
	plain := settings{"b", map[string]string{"fs.s3a.endpoint": "minio", "fs.s3a.connection.ssl.enabled": "false", "fs.s3a.bucket.b.endpoint.region": "r1", "fs.s3a.endpoint.region": "r2"}}
	if endpoint, err := plain.endpoint(); endpoint != "http://minio" || err != nil || plain.region(endpoint) != "r1" {
		t.Errorf("%q, %v, region %q", endpoint, err, plain.region(endpoint))
	}
}

// TestCredentials: which keys a bucket gets, by the classes that Hadoop names.
func TestCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "env-key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
	inherited := static("", "chain-key", "chain-secret", "")
	keys := map[string]string{"access.key": "k", "secret.key": "s", "session.token": "t"}
	for _, c := range []struct {
		provider  string
		keys      bool
		key, want string // want: a part of the error
	}{
		{"", false, "chain-key", ""},
		{"", true, "k", ""},
		{"org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", true, "k", ""},
		{"org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider,\n org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", true, "k", ""},
		{"org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider, com.amazonaws.auth.EnvironmentVariableCredentialsProvider", false, "env-key", ""},
		{"software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider", true, "chain-key", ""},
		{"org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", false, "", "fs.s3a.access.key or its secret is not set"},
		{"com.example.Vault", true, "", "com.example.Vault: tfos does not have this provider"},
	} {
		all := map[string]string{"fs.s3a.aws.credentials.provider": c.provider}
		for key, value := range keys {
			if c.keys {
				all["fs.s3a.bucket.b."+key] = value
			}
		}
		provider, err := settings{"b", all}.credentials(inherited)
		got := aws.Credentials{}
		if err == nil {
			got, err = provider.Retrieve(context.Background())
		}
		if got.AccessKeyID != c.key || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %q, %v", c.provider, got.AccessKeyID, err)
		}
	}
	provider, err := settings{"b", map[string]string{"fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"}}.credentials(inherited)
	if _, anonymous := provider.(aws.AnonymousCredentials); !anonymous || err != nil {
		t.Errorf("anonymous: %T, %v", provider, err)
	}
}
