package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tfos/internal/store/bucket"
)

// TestEncryption: each request that makes an object asks for the encryption of the settings.
func TestEncryption(t *testing.T) {
	for _, c := range []struct{ settings, want, wrong string }{
		{"", " ", ""},
		{"encryption.algorithm=AES256,encryption.key=unused", "AES256 ", ""},
		{"server-side-encryption-algorithm=AES256", "AES256 ", ""},
		{"encryption.algorithm=SSE-KMS", "aws:kms ", ""},
		{"encryption.algorithm=SSE-KMS,encryption.key=arn:1", "aws:kms arn:1", ""},
		{"encryption.algorithm=DSSE-KMS,bucket.b.encryption.key=arn:2,encryption.key=arn:1", "aws:kms:dsse arn:2", ""},
		{"server-side-encryption-algorithm=SSE-KMS,server-side-encryption.key=arn:3", "aws:kms arn:3", ""},
		{"encryption.algorithm=SSE-C,encryption.key=planted", "", "fs.s3a.encryption.algorithm: SSE-C"},
		{"encryption.algorithm=CSE-KMS", "", "CSE-KMS: tfos does not have it"},
	} {
		asked := map[string]string{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kind := r.Method
			for _, one := range []string{"uploads", "partNumber"} {
				if r.URL.Query().Has(one) {
					kind += " " + one
				}
			}
			if r.Header.Get("X-Amz-Copy-Source") != "" {
				kind += " copy"
			}
			asked[kind] = r.Header.Get("X-Amz-Server-Side-Encryption") + " " + r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
			w.Header().Set("ETag", "1")
			_, _ = fmt.Fprint(w, "<R><UploadId>1</UploadId><ETag>1</ETag></R>")
		}))
		all := map[string]string{"fs.s3a.endpoint": server.URL, "fs.s3a.path.style.access": "true", "fs.s3a.access.key": "k", "fs.s3a.secret.key": "s"}
		for pair := range strings.SplitSeq(c.settings, ",") {
			if name, value, found := strings.Cut(pair, "="); found {
				all["fs.s3a."+name] = value
			}
		}
		b, err := New("b", all)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%s: %v", c.settings, err)
			}
			server.Close()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		writeAll(t, b)
		server.Close()
		for _, kind := range []string{"PUT", "PUT copy", "POST uploads"} {
			if got, found := asked[kind]; !found || got != c.want {
				t.Errorf("%s: %s: %q, %v", c.settings, kind, got, found)
			}
		}
		if got := asked["PUT partNumber"]; got != " " {
			t.Errorf("%s: S3 refuses the header of a part: %q", c.settings, got)
		}
	}
}

// writeAll makes each request that writes.
func writeAll(t *testing.T, b *Bucket) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if _, err := b.Put(ctx, "a", []byte("x"), bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Copy(ctx, bucket.Object{Key: "a", Size: 1}, "c", bucket.Condition{}); err != nil {
		t.Fatal(err)
	}
	u, err := b.Upload(ctx, "u")
	if err == nil {
		err = u.Part(ctx, 0, []byte("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
}
