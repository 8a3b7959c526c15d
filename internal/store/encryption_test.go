package store

import (
	"strings"
	"testing"
)

// TestEncryptionThatIsNotThere: where the settings ask for an encryption that tfos does not
// have, a store is refused, and nothing is written without it. No message has the key.
func TestEncryptionThatIsNotThere(t *testing.T) {
	const abfs = "abfs://c@a.dfs.core.windows.net"
	for _, c := range []struct{ root, name, value string }{
		{"s3://b", "fs.s3a.encryption.algorithm", "SSE-C"},
		{"s3a://b", "fs.s3a.bucket.b.encryption.algorithm", "CSE-KMS"},
		{"s3a://b", "fs.s3a.server-side-encryption-algorithm", "SSE-C"},
		{"gs://b", "fs.gs.encryption.algorithm", "AES256"},
		{"gs://b", "fs.gs.encryption.key", "planted"},
		{abfs, "fs.azure.client-provided-encryption-key", "planted"},
		{abfs, "fs.azure.client-provided-encryption-key.a.dfs.core.windows.net", "planted"},
		{abfs, "fs.azure.encryption.encoded.client-provided-key.a.dfs.core.windows.net", "planted"},
		{abfs, "fs.azure.encryption.context.provider.type.a.dfs.core.windows.net", "x.Y"},
	} {
		scheme, _, _ := strings.Cut(c.root, ":")
		_, err := openers[scheme](c.root, Settings{c.name: c.value, "fs.azure.account.key": "eA=="})
		if err == nil || !strings.Contains(err.Error(), "encrypt") || !strings.Contains(err.Error(), "read_by: spark") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := openers[scheme](c.root, Settings{"fs.azure.account.key": "eA=="}); err != nil {
			t.Errorf("%s without it: %v", c.root, err)
		}
	}
}
